import { assert, describe, it } from "@effect/vitest"
import { GitHubError } from "@remote-agent/domain"
import { Duration, Effect, Schema } from "effect"

const codec = Schema.toCodecJson(GitHubError.GitHubError)

const wrap = (reason: GitHubError.Reason, operation: GitHubError.Operation = "repository") =>
  new GitHubError.GitHubError({ operation, target: "acme/dexter", reason })

const forbidden = (kind: "scope" | "permission", needs: ReadonlyArray<string>) =>
  wrap(new GitHubError.Forbidden({ kind, needs, detail: "" })).message

describe("GitHubError", () => {
  it.effect.prop("names the target, the problem and what to do", [GitHubError.Reason], ([reason]) =>
    Effect.sync(() => {
      const { message } = wrap(reason)
      assert.isTrue(message.startsWith("acme/dexter (repository): "))
      assert.match(message, /[.!?] [A-Z][^\0]*\.$|: /)
    })
  )

  it.effect.prop("survives JSON", [GitHubError.Reason, GitHubError.Operation], ([reason, operation]) =>
    Effect.gen(function* () {
      const error = wrap(reason, operation)
      const text = JSON.stringify(yield* Schema.encodeEffect(codec)(error))
      const back = yield* Schema.decodeUnknownEffect(codec)(JSON.parse(text))
      assert.strictEqual(back.message, error.message)
    })
  )

  it("names the scope or the permission that is missing", () => {
    assert.include(forbidden("scope", ["repo", "public_repo"]), "the scope repo or public_repo")
    assert.include(forbidden("permission", ["issues=write"]), "the permission issues=write")
  })

  it("is retryable only where repeating does no harm", () => {
    const lost = new GitHubError.Unreachable({ sent: true })
    assert.isTrue(wrap(lost, "createPullRequest").isRetryable)
    assert.isFalse(wrap(lost, "comment").isRetryable)
    assert.isFalse(wrap(new GitHubError.ServerFailed({ status: 502 }), "createIssue").isRetryable)
    assert.isTrue(wrap(new GitHubError.Unreachable({ sent: false }), "comment").isRetryable)
    const limited = new GitHubError.RateLimited({ limit: "primary", retryAfter: Duration.hours(1) })
    assert.isTrue(wrap(limited, "comment").isRetryable)
    assert.isFalse(wrap(new GitHubError.NotFound({ credential: "token", needs: [] })).isRetryable)
  })
})
