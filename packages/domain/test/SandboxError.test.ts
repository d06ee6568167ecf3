import { assert, describe, it } from "@effect/vitest"
import { OrchestratorError, Retry, SandboxError } from "@remote-agent/domain"
import { Duration, Effect, Schema } from "effect"

const codec = Schema.toCodecJson(SandboxError.SandboxError)

const wrap = (cause: SandboxError.SandboxError) =>
  new OrchestratorError.OrchestratorError({
    operation: "launch",
    reason: new OrchestratorError.LaunchFailed({ stage: "create", cause })
  })

describe("SandboxError", () => {
  it.effect.prop(
    "says in one line what happened and what to do",
    [SandboxError.Reason, SandboxError.Operation],
    ([reason, operation]) =>
      Effect.sync(() => {
        const { message } = SandboxError.fail(operation, reason)
        assert.include(message, operation)
        assert.match(message, /[.!?]$|: ./)
      })
  )

  it.effect.prop("survives JSON", [SandboxError.Reason], ([reason]) =>
    Effect.gen(function* () {
      const error = SandboxError.fail("exec", reason)
      const text = JSON.stringify(yield* Schema.encodeEffect(codec)(error))
      const back = yield* Schema.decodeUnknownEffect(codec)(JSON.parse(text))
      assert.strictEqual(back.message, error.message)
    })
  )

  it.effect.prop(
    "is retryable exactly when its class is safe",
    [SandboxError.Reason, SandboxError.Operation],
    ([reason, operation]) =>
      Effect.sync(() => {
        const error = SandboxError.fail(operation, reason)
        assert.strictEqual(error.isRetryable, Retry.retryClass(error) === "safe")
      })
  )

  it("never calls a create safe to repeat once the request may have arrived", () => {
    for (const reason of [
      new SandboxError.Unreachable({ sent: true }),
      new SandboxError.RequestTimedOut({ after: Duration.seconds(1) }),
      new SandboxError.ProviderFailed({ status: 504 })
    ]) {
      assert.strictEqual(Retry.retryClass({ operation: "create", reason }), "ambiguous")
      assert.strictEqual(Retry.retryClass({ operation: "exec", reason }), "ambiguous")
      assert.strictEqual(Retry.retryClass({ operation: "pause", reason }), "ambiguous")
      assert.strictEqual(Retry.retryClass({ operation: "info", reason }), "safe")
      assert.strictEqual(Retry.retryClass({ operation: "terminate", reason }), "safe")
    }
    assert.strictEqual(
      Retry.retryClass({ operation: "create", reason: new SandboxError.Unreachable({ sent: false }) }),
      "safe"
    )
    assert.strictEqual(Retry.retryClass({ operation: "create", reason: new SandboxError.Busy({}) }), "safe")
  })

  it("passes its retry class on through the orchestrator's error", () => {
    assert.isTrue(wrap(SandboxError.fail("create", new SandboxError.Busy({}))).isRetryable)
    const gone = wrap(SandboxError.fail("create", new SandboxError.Gone({})))
    assert.isFalse(gone.isRetryable)
    assert.include(gone.message, "create")
  })
})
