import { assert, describe, it } from "@effect/vitest"
import { Id, OrchestratorError, type RetryClass, SandboxError } from "@remote-agent/domain"
import { Duration, Effect, Schema } from "effect"

const codec = Schema.toCodecJson(SandboxError.SandboxError)

const wrap = (cause: SandboxError.SandboxError) =>
  new OrchestratorError.OrchestratorError({
    operation: "launch",
    reason: new OrchestratorError.LaunchFailed({ stage: "create", cause })
  })

/** The operations for which doing them twice has the same effect as doing them once. */
const repeatable: ReadonlySet<SandboxError.Operation> = new Set([
  "connect",
  "info",
  "list",
  "resume",
  "terminate",
  "extend",
  "removeSnapshot",
  "kill",
  "read",
  "write",
  "listFiles",
  "stat",
  "remove",
  "makeDir",
  "watch",
  "host"
])

interface Classes {
  /** For idempotent operations. */
  readonly idempotent: RetryClass.RetryClass
  /** For all other operations. */
  readonly other: RetryClass.RetryClass
}

const always = (one: RetryClass.RetryClass): Classes => ({ idempotent: one, other: one })
const unsure: Classes = { idempotent: "safe", other: "ambiguous" }
const after = Duration.seconds(1)

const table: ReadonlyArray<readonly [SandboxError.Reason, Classes]> = [
  [new SandboxError.Gone({}), always("never")],
  [new SandboxError.Unreachable({ sent: false }), always("safe")],
  [new SandboxError.Unreachable({ sent: true }), unsure],
  [new SandboxError.Paused({}), always("never")],
  [new SandboxError.Expired({}), always("never")],
  [new SandboxError.QuotaExceeded({}), always("safe")],
  [new SandboxError.RateLimited({}), always("safe")],
  [new SandboxError.Busy({}), always("safe")],
  [new SandboxError.Unauthorized({}), always("never")],
  [
    new SandboxError.Ambiguous({ attemptId: Id.AttemptId.make(`att_${"0".repeat(26)}`) }),
    always("ambiguous")
  ],
  [new SandboxError.InvalidRequest({ detail: "no" }), always("never")],
  [new SandboxError.Unsupported({ feature: "it" }), always("never")],
  [new SandboxError.ProviderFailed({ status: 500 }), unsure],
  [new SandboxError.RequestTimedOut({ after }), unsure],
  [new SandboxError.IdleTimedOut({ after }), always("never")],
  [new SandboxError.WallTimedOut({ after }), always("never")],
  [new SandboxError.OutputTooLarge({ limitBytes: 1 }), always("never")],
  [new SandboxError.FileNotFound({ path: "x" }), always("never")],
  [new SandboxError.NotEnoughSpace({}), always("never")],
  [new SandboxError.FileTooLarge({ path: "x", limitBytes: 1 }), always("never")],
  [new SandboxError.IsolationUnavailable({ hint: "x" }), always("never")]
]

describe("SandboxError", () => {
  it.effect.prop(
    "says in one line what went wrong",
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

  for (const [reason, classes] of table) {
    const sent = reason._tag === "Unreachable" ? (reason.sent ? " (sent)" : " (never left)") : ""
    it(`${reason._tag}${sent} is ${[...new Set(Object.values(classes))].join(" or ")} to repeat`, () => {
      for (const operation of SandboxError.Operation.literals) {
        const expected = repeatable.has(operation) ? classes.idempotent : classes.other
        const error = SandboxError.fail(operation, reason)
        assert.strictEqual(SandboxError.retryClass(error), expected, operation)
        assert.strictEqual(error.isRetryable, expected === "safe", operation)
      }
    })
  }

  it("has a class for every reason", () => {
    const known = new Set(table.map(([{ _tag }]) => _tag))
    for (const { fields } of SandboxError.Reason.members) {
      assert.isTrue(known.has(fields._tag.schema.literal), fields._tag.schema.literal)
    }
  })

  it("never calls a create safe to repeat once the request may have arrived", () => {
    for (const reason of [
      new SandboxError.Unreachable({ sent: true }),
      new SandboxError.RequestTimedOut({ after: Duration.seconds(1) }),
      new SandboxError.ProviderFailed({ status: 504 })
    ]) {
      assert.strictEqual(SandboxError.retryClass({ operation: "create", reason }), "ambiguous")
      assert.strictEqual(SandboxError.retryClass({ operation: "exec", reason }), "ambiguous")
      assert.strictEqual(SandboxError.retryClass({ operation: "pause", reason }), "ambiguous")
      assert.strictEqual(SandboxError.retryClass({ operation: "info", reason }), "safe")
      assert.strictEqual(SandboxError.retryClass({ operation: "terminate", reason }), "safe")
    }
    assert.strictEqual(
      SandboxError.retryClass({ operation: "create", reason: new SandboxError.Unreachable({ sent: false }) }),
      "safe"
    )
    assert.strictEqual(
      SandboxError.retryClass({ operation: "create", reason: new SandboxError.Busy({}) }),
      "safe"
    )
  })

  it("decides whether the orchestrator's error is retryable", () => {
    assert.isTrue(wrap(SandboxError.fail("create", new SandboxError.Busy({}))).isRetryable)
    const gone = wrap(SandboxError.fail("create", new SandboxError.Gone({})))
    assert.isFalse(gone.isRetryable)
    assert.include(gone.message, "create")
  })
})
