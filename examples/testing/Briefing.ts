/** A program that queries agents and posts their answers as a comment on an issue. Its test is in the same folder. */
import { Effect, Result, type Scope, Stream } from "effect"
import { type GitHubError, type OrchestratorError, RemoteAgent } from "remote-agent"
import { GitHub } from "remote-agent/github"

/** Posts the answers on an issue of a repository, and returns the number of answers. */
export const brief = Effect.fn("brief")(function* (
  repo: { readonly owner: string; readonly name: string },
  issue: number,
  questions: ReadonlyArray<string>
): Effect.fn.Return<
  number,
  GitHubError.GitHubError | OrchestratorError.OrchestratorError,
  GitHub.GitHub | RemoteAgent | Scope.Scope
> {
  const [{ pools }, github] = [yield* RemoteAgent, yield* GitHub.GitHub]
  const pool = yield* pools.open({ size: 2 })
  const results = yield* Stream.runCollect(pool.query(questions, { timeout: "5 minutes" }))
  const lines = results.map(
    ({ query, result }) => `${query} ${Result.isSuccess(result) ? result.success.answer : "(no answer)"}`
  )
  yield* github.comment(repo, issue, lines.join("\n"))
  return results.filter(({ result }) => Result.isSuccess(result)).length
}, Effect.scoped)
