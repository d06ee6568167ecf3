/** A program of a user: it asks agents, and comments on an issue what they said. Its test is beside it. */
import type { GitHubError, OrchestratorError } from "@remote-agent/domain"
import { GitHub } from "@remote-agent/github"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect, Result, type Scope, Stream } from "effect"

/** Answers the questions on an issue of a repository, and gives back how many were answered. */
export const brief = Effect.fn("brief")(function* (
  repo: { readonly owner: string; readonly name: string },
  issue: number,
  questions: ReadonlyArray<string>
): Effect.fn.Return<
  number,
  GitHubError.GitHubError | OrchestratorError.OrchestratorError,
  GitHub.GitHub | Orchestrator.Orchestrator | Scope.Scope
> {
  const [orchestrator, github] = [yield* Orchestrator.Orchestrator, yield* GitHub.GitHub]
  const pool = yield* orchestrator.pools.open({ size: 2 })
  const results = yield* Stream.runCollect(pool.query(questions, { timeout: "5 minutes" }))
  const lines = results.map(
    ({ query, result }) => `${query} ${Result.isSuccess(result) ? result.success.answer : "(no answer)"}`
  )
  yield* github.comment(repo, issue, lines.join("\n"))
  return results.filter(({ result }) => Result.isSuccess(result)).length
}, Effect.scoped)
