import { assert, describe, it } from "@effect/vitest"
import { Id, OrchestratorError } from "@remote-agent/domain"
import { Duration, Effect, Result, Schema } from "effect"
import { OpenApi } from "effect/http-api"
import { Api, ApiError, Authorization, DurationText } from "../src/index.ts"

const decode = Schema.decodeUnknownResult(DurationText.DurationText)
const encode = Schema.encodeSync(DurationText.DurationText)

describe("DurationText", () => {
  it("reads what people write", () => {
    const cases = [
      ["250ms", 250],
      ["30s", 30_000],
      ["5m", 300_000],
      ["1h30m", 5_400_000],
      ["1.5h", 5_400_000],
      ["2d", 172_800_000]
    ] as const
    for (const [text, millis] of cases) {
      assert.strictEqual(Duration.toMillis(Result.getOrThrow(decode(text))), millis, text)
    }
  })

  it("refuses everything else, and says what is expected", () => {
    for (const text of ["", "5", "m", "5 m", "-5m", "5m ", "1h-30m", "1e3s"]) {
      const read = decode(text)
      assert.isTrue(Result.isFailure(read), text)
      assert.include(String(Result.isFailure(read) ? read.failure : ""), "30s, 5m or 1h30m")
    }
  })

  it.effect.prop("reads back what it writes, to the millisecond", [Schema.Int], ([millis]) =>
    Effect.sync(() => {
      const duration = Duration.millis(Math.abs(millis) % 1_000_000_000)
      assert.strictEqual(
        Duration.toMillis(Result.getOrThrow(decode(encode(duration)))),
        Duration.toMillis(duration)
      )
    })
  )
})

describe("ApiError", () => {
  it("every reason of the orchestrator has a status and keeps its message", () => {
    const id = Id.AgentId.make("agt_01arz3ndektsv4rrffq69g5fav")
    const cases = [
      [new OrchestratorError.AgentNotFound({ id }), "NotFound"],
      [new OrchestratorError.AgentLost({ id }), "Gone"],
      [new OrchestratorError.AgentPaused({ id }), "Conflict"],
      [new OrchestratorError.NoSessions({ profile: "sample" }), "Unprocessable"]
    ] as const
    for (const [reason, tag] of cases) {
      const failure = new OrchestratorError.OrchestratorError({ operation: "query", reason })
      const error = ApiError.fromFailure(failure)
      assert.strictEqual(error._tag, tag)
      assert.deepStrictEqual(error.error, {
        reason: reason._tag,
        message: failure.message,
        retryable: failure.isRetryable,
        failure
      })
    }
    const mapped = OrchestratorError.Reason.members.map((member) => member.fields._tag.ast)
    assert.isAbove(mapped.length, 20)
  })
})

describe("Scopes", () => {
  it("a wider scope includes the narrower ones", () => {
    const table = Authorization.Scope.literals.map((has) =>
      Authorization.Scope.literals.filter((needs) => Authorization.allows(has, needs))
    )
    assert.deepStrictEqual(table, [["read"], ["read", "run"], ["read", "run", "admin"]])
  })
})

interface Operation {
  readonly operationId?: string
  readonly security?: ReadonlyArray<object>
  readonly responses: Readonly<Record<string, unknown>>
}

describe("The OpenAPI document", () => {
  const document = OpenApi.fromApi(Api.Api)
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Readonly<Record<string, Operation>>).map(
      ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const
    )
  )

  it("is of version 3.1 and names every endpoint once", () => {
    assert.match(document.openapi, /^3\.1/)
    const ids = operations.map(([, { operationId }]) => operationId)
    assert.strictEqual(new Set(ids).size, ids.length)
    assert.isAbove(ids.length, 25)
  })

  it("requires a token everywhere but for health", () => {
    const open = operations.filter(([, { security = [] }]) => security.length === 0).map(([name]) => name)
    assert.deepStrictEqual(open.toSorted(), ["GET /healthz", "GET /readyz"])
  })

  it("declares what every other endpoint may answer", () => {
    for (const [name, { responses }] of operations) {
      if (name.includes("z")) continue
      for (const status of ["401", "403"]) assert.property(responses, status, name)
    }
  })
})
