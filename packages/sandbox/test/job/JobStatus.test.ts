import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { decodeEnd, decodeStatus } from "../../src/job/JobStatus.ts"

const Code = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const Size = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const Words = Schema.Array(
  Schema.Union([Schema.String, Schema.Literals(["exit", "exited", "idle", "0", "137"])])
)

const causes = { killed: "request", idle: "idle", wall: "wall" } as const

describe("decodeStatus", () => {
  it.effect.prop("decodes an exit with its code", [Code, Size, Size], ([exitCode, out, err]) =>
    Effect.sync(() => {
      const words = `exit ${exitCode} exited ${out} ${err} `.split(" ")
      assert.deepStrictEqual(Option.getOrThrow(decodeStatus(words)), { _tag: "Exited", exitCode })
    })
  )

  it.effect.prop(
    "decodes why a job was killed, and where its output stood then",
    [Schema.Literals(["killed", "idle", "wall"]), Code, Size, Size],
    ([cause, exitCode, stdout, stderr]) =>
      Effect.sync(() => {
        const words = `exit ${exitCode} ${cause} 7 8 ${stdout} ${stderr}`.split(" ")
        assert.deepStrictEqual(Option.getOrThrow(decodeEnd(words)), {
          _tag: "Killed",
          by: causes[cause],
          exitCode,
          before: { stdout, stderr }
        })
      })
  )

  it.effect.prop("never throws, and decodes no end without a whole exit code", [Words], ([words]) =>
    Effect.sync(() => {
      const end = decodeEnd(words)
      if (Option.isSome(end) && end.value._tag !== "Lost") assert.match(words[1] ?? "", /^\d{1,3}$/)
      decodeStatus(words)
    })
  )

  it("decodes the other states, and nothing else", () => {
    assert.deepStrictEqual(Option.getOrThrow(decodeStatus(["running"])), { _tag: "Running" })
    assert.deepStrictEqual(Option.getOrThrow(decodeStatus(["none"])), { _tag: "NeverStarted" })
    assert.deepStrictEqual(Option.getOrThrow(decodeStatus(["lost"])), { _tag: "Lost" })
    for (const words of [
      [],
      [""],
      ["exit"],
      ["exit", ""],
      ["exit", "1"],
      ["exit", "", "exited"],
      ["exit", "0", "toString"]
    ]) {
      assert.isTrue(Option.isNone(decodeStatus(words)), words.join(" "))
    }
  })
})
