import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import * as Zlib from "node:zlib"
import {
  deadlineMillis,
  decodeEnvelope,
  decodeRequest,
  encodeEnd,
  encodeEnvelope,
  END_STREAM,
  httpStatus,
  keepaliveSeconds,
  RpcError
} from "../../src/envd/ConnectProtocol.ts"

describe("envelopes", () => {
  it.effect.prop(
    "come back whole, and what follows is left",
    [Schema.String, Schema.Uint8Array],
    ([text, rest]) =>
      Effect.sync(() => {
        const bytes = Buffer.concat([encodeEnvelope({ text }), rest])
        const envelope = Option.getOrThrow(decodeEnvelope(bytes))
        assert.deepStrictEqual(JSON.parse(Buffer.from(envelope.payload).toString()), { text })
        assert.strictEqual(envelope.flags, 0)
        assert.deepStrictEqual(Buffer.from(envelope.rest), Buffer.from(rest))
      })
  )

  it.effect.prop("are not taken before they are complete", [Schema.String], ([text]) =>
    Effect.sync(() => {
      const bytes = encodeEnvelope({ text })
      for (const length of [0, 4, 5, bytes.length - 1]) {
        assert.isTrue(Option.isNone(decodeEnvelope(bytes.subarray(0, Math.min(length, bytes.length - 1)))))
      }
    })
  )

  it.effect("end a stream with the error or without one", () =>
    Effect.sync(() => {
      const clean = Option.getOrThrow(decodeEnvelope(encodeEnd()))
      assert.strictEqual(clean.flags, END_STREAM)
      assert.strictEqual(Buffer.from(clean.payload).toString(), "{}")
      const failed = Option.getOrThrow(
        decodeEnvelope(encodeEnd(new RpcError({ code: "not_found", message: "m" })))
      )
      assert.deepStrictEqual(JSON.parse(Buffer.from(failed.payload).toString()), {
        error: { code: "not_found", message: "m" }
      })
    })
  )
})

describe("requests", () => {
  const decode = decodeRequest(Schema.Struct({ pid: Schema.Int }))

  it.effect("are decoded by their schema", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* decode(encodeEnvelope({ pid: 3 }), {}), { pid: 3 })
      const zipped = Zlib.gzipSync('{"pid":4}')
      const envelope = Buffer.concat([Buffer.from([1, 0, 0, 0, zipped.length]), zipped])
      assert.deepStrictEqual(yield* decode(envelope, { "connect-content-encoding": "gzip" }), { pid: 4 })
    })
  )

  it.effect("have exactly one message", () =>
    Effect.gen(function* () {
      const one = encodeEnvelope({ pid: 3 })
      for (const bytes of [new Uint8Array(0), Buffer.concat([one, one])]) {
        assert.strictEqual((yield* Effect.flip(decode(bytes, {}))).code, "unimplemented")
      }
    })
  )

  it.effect("are refused with the code of connect-go when they cannot be read", () =>
    Effect.gen(function* () {
      const broken = Buffer.from(encodeEnvelope("x"))
      broken.write("!!!", 5)
      const compressed = yield* Effect.flip(decode(encodeEnvelope({ pid: 3 }, 1), {}))
      assert.strictEqual(compressed.code, "internal")
      for (const bytes of [
        encodeEnvelope({ pid: 3 }).subarray(0, 7),
        broken,
        encodeEnvelope({ pid: "three" })
      ]) {
        const error = yield* Effect.flip(decode(bytes, {}))
        assert.strictEqual(error.code, "invalid_argument")
        assert.notInclude(error.message, "SchemaError")
      }
    })
  )
})

describe("headers", () => {
  it.effect("give deadline and keepalive, and an invalid value is no deadline", () =>
    Effect.sync(() => {
      assert.deepStrictEqual(deadlineMillis({ "connect-timeout-ms": "1500" }), Option.some(1500))
      for (const value of ["0", "-1", "1.5", "soon", undefined]) {
        assert.isTrue(Option.isNone(deadlineMillis({ "connect-timeout-ms": value })))
      }
      assert.strictEqual(keepaliveSeconds({ "keepalive-ping-interval": "50" }), 50)
      assert.strictEqual(keepaliveSeconds({}), 90)
      assert.strictEqual(httpStatus("not_found"), 404)
      assert.strictEqual(httpStatus("unauthenticated"), 401)
    })
  )
})
