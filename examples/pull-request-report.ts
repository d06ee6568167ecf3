/**
 * Agents answer questions, and the report becomes a pull request. The next report updates it. The example uses GitHub in
 * memory; with `GitHub.layer` it uses the real GitHub, and `GitWorkspace` makes the commit.
 */
import { runMain } from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Result, Stream } from "effect"
import { GitHub } from "remote-agent/github"
import { layer as remoteAgentLayer, RemoteAgent } from "remote-agent/local"
import { GitHubMemory } from "remote-agent/testing"

const repo = { owner: "acme", name: "research" }
const branch = "report/revenue"

const report = Effect.fn("report")(function* (questions: ReadonlyArray<string>) {
  const remoteAgent = yield* RemoteAgent
  const pool = yield* remoteAgent.pools.open({ size: 2 })
  const results = yield* Stream.runCollect(pool.query(questions))
  return results
    .map(
      ({ query, result }) =>
        `- **${query}** ${Result.isSuccess(result) ? result.success.answer : `_${result.failure.message}_`}`
    )
    .join("\n")
}, Effect.scoped)

const propose = Effect.fn("propose")(function* (body: string) {
  const github = yield* GitHub.GitHub
  const { outcome, pullRequest } = yield* github.createPullRequest(repo, {
    head: branch,
    title: "Revenue report",
    body,
    labels: ["report"]
  })
  yield* Console.log(`#${pullRequest.number} ${outcome}: ${pullRequest.title}\n${pullRequest.body}`)
})

const program = Effect.gen(function* () {
  const { push } = yield* GitHubMemory.Calls
  yield* push(repo, branch, "2".repeat(40))
  yield* propose(yield* report(["Apple revenue 2023", "Tesla revenue 2023"]))
  yield* push(repo, branch, "3".repeat(40))
  yield* propose(yield* report(["Apple revenue 2024", "Tesla revenue 2024"]))
})

const layer = Layer.merge(
  remoteAgentLayer(),
  GitHubMemory.layer({ repositories: { "acme/research": { branches: { main: "1".repeat(40) } } } })
)

runMain(Effect.provide(program, layer))
