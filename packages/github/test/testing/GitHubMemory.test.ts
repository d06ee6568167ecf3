import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, vi } from "@effect/vitest"
import { GitHubError } from "@remote-agent/domain"
import { GitHub, type GitHubModel } from "@remote-agent/github"
import { GitHubMemory } from "@remote-agent/github/testing"
import { Effect, Option, Redacted, Result, Stream } from "effect"
import * as FakeGitHub from "../support/FakeGitHub.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 120_000 })

const repo = { owner: "acme", name: "app" }

const outcome = <A, B>(effect: Effect.Effect<A, GitHubError.GitHubError>, read: (value: A) => B) =>
  Effect.map(Effect.result(effect), (result) =>
    Result.isSuccess(result)
      ? read(result.success)
      : { operation: result.failure.operation, reason: result.failure.reason._tag }
  )

const pullOf = ({ base, head, ...pull }: GitHubModel.PullRequest) => ({
  ...pull,
  author: "",
  ends: [head.branch, base.branch]
})

/** What a user of GitHub sees of it; the same must come from GitHub in memory and from GitHub over REST. */
const story = Effect.gen(function* () {
  const gitHub = yield* GitHub.GitHub
  const seen: Array<unknown> = []
  const see = <A>(effect: Effect.Effect<A, GitHubError.GitHubError>, read: (value: A) => unknown) =>
    Effect.map(outcome(effect, read), (one) => void seen.push(one))
  const propose = (spec: Partial<GitHubModel.PullRequestSpec>) =>
    see(
      gitHub.createPullRequest(repo, { head: "feature", title: "A title", ...spec }),
      ({ outcome: what, problems, pullRequest }) => [what, problems, pullOf(pullRequest)]
    )
  yield* see(gitHub.repository(repo), (repository) => ({ ...repository, cloneUrl: "" }))
  yield* see(gitHub.repository({ ...repo, name: "other" }), (repository) => repository)
  yield* see(gitHub.latestCommit(repo, "nothing"), ({ sha }) => sha)
  yield* propose({ head: "nothing" })
  yield* propose({ head: "main" })
  yield* propose({ base: "nothing" })
  yield* propose({ body: "A body", labels: ["bot"], reviewers: ["ann"], draft: true })
  yield* propose({})
  yield* propose({ body: "A body", labels: ["BOT"], reviewers: ["Ann"] })
  yield* propose({ title: "Better", labels: ["new"] })
  yield* propose({ title: "Better", base: "release" })
  yield* see(Stream.runCollect(gitHub.pullRequests(repo, { head: "feature" })), (all) => all.map(pullOf))
  yield* see(Stream.runCollect(gitHub.pullRequests(repo, { head: "fork:feature" })), (all) => all.map(pullOf))
  yield* see(Stream.runCollect(gitHub.pullRequests(repo, { base: "main" })), (all) => all.map(pullOf))
  yield* see(gitHub.createIssue(repo, { title: "Broken", labels: ["bug"] }), ({ labels, number }) => [
    labels,
    number
  ])
  yield* see(gitHub.createIssue(repo, { title: "" }), ({ number }) => number)
  yield* see(gitHub.comment(repo, 1, "Hello"), ({ body }) => body)
  yield* see(gitHub.comment(repo, 2, "Hello"), ({ body, url }) => [body, url])
  yield* see(gitHub.comment(repo, 99, "Hello"), ({ body }) => body)
  yield* see(Stream.runCollect(gitHub.listIssues(repo)), (all) =>
    all.map(({ number, title }) => [number, title])
  )
  yield* see(Stream.runCollect(gitHub.listIssues(repo, { labels: ["bug"] })), ({ length }) => length)
  yield* see(Stream.runCollect(gitHub.listIssues(repo, { labels: ["other"] })), ({ length }) => length)
  yield* see(gitHub.checks(repo, "feature"), ({ checks, state }) => [checks, state])
  const hook = { url: "http://127.0.0.1:9/hook" }
  const hooked = (spec = {}) =>
    see(gitHub.createWebhook(repo, { ...hook, ...spec }), ({ hook: one, outcome: what, secret }) => [
      { ...one, id: 0 },
      what,
      Option.isSome(secret)
    ])
  yield* hooked()
  yield* hooked()
  yield* hooked({ events: ["issues"] })
  yield* hooked({ events: ["issues"], secret: Redacted.make("fake-secret") })
  const [first] = yield* Stream.runCollect(gitHub.listWebhooks(repo))
  const id = first?.id ?? 0
  yield* see(gitHub.pingWebhook(repo, id), () => "pinged")
  yield* see(gitHub.deleteWebhook(repo, id), () => "deleted")
  yield* see(gitHub.deleteWebhook(repo, id), () => "deleted again")
  yield* see(gitHub.pingWebhook(repo, id), () => "pinged")
  yield* see(gitHub.deleteBranch(repo, "main"), () => "deleted")
  yield* see(gitHub.deleteBranch(repo, "release"), () => "deleted")
  yield* see(gitHub.deleteBranch(repo, "release"), () => "deleted again")
  return seen
})

describe("GitHub in memory", () => {
  it.effect("behaves as GitHub over REST does", () =>
    Effect.gen(function* () {
      const fake = yield* FakeGitHub.make()
      yield* fake.createRepository("acme/app")
      const main = yield* fake.commit("acme/app", "main", { "README.md": "one" })
      yield* fake.git("acme/app", ["branch", "feature", main])
      yield* fake.git("acme/app", ["branch", "release", main])
      const feature = yield* fake.commit("acme/app", "feature", { "README.md": "two" })
      const overRest = yield* story.pipe(
        Effect.provide(
          GitHub.layerFrom({ apiUrl: fake.url, credential: { _tag: "token", token: fake.token } })
        )
      )
      const inMemory = yield* story.pipe(
        Effect.provide(
          GitHubMemory.layer({ repositories: { "acme/app": { branches: { main, feature, release: main } } } })
        )
      )
      assert.deepStrictEqual(inMemory, overRest)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("records its calls, and fails where the test injects a fault", () =>
    Effect.gen(function* () {
      const [gitHub, calls] = [yield* GitHub.GitHub, yield* GitHubMemory.Calls]
      yield* gitHub.comment(repo, 1, "First")
      const second = yield* Effect.flip(gitHub.comment(repo, 1, "Second"))
      assert.strictEqual(second.reason._tag, "ServerFailed")
      assert.deepStrictEqual(yield* calls.comments(repo, 1), ["First"])
      assert.deepStrictEqual(
        (yield* calls.all).map(({ input, operation, target }) => [operation, target, ...input]),
        [
          ["comment", "acme/app", 1, "First"],
          ["comment", "acme/app", 1, "Second"]
        ]
      )
    }).pipe(
      Effect.provide(
        GitHubMemory.layer({
          repositories: {
            "acme/app": {
              issues: [],
              pullRequests: [
                {
                  number: 1,
                  url: "https://github.com/acme/app/pull/1",
                  title: "A title",
                  body: "",
                  state: "open",
                  draft: false,
                  merged: false,
                  head: { branch: "feature", sha: "b" },
                  base: { branch: "main", sha: "a" },
                  author: "ann",
                  labels: [],
                  reviewers: [],
                  teamReviewers: []
                }
              ]
            }
          },
          fault: (_, index) => (index === 1 ? new GitHubError.ServerFailed({ status: 502 }) : undefined)
        })
      )
    )
  )

  it.effect("moves open pull requests with a push", () =>
    Effect.gen(function* () {
      const [gitHub, calls] = [yield* GitHub.GitHub, yield* GitHubMemory.Calls]
      const { pullRequest } = yield* gitHub.createPullRequest(repo, { head: "feature", title: "A title" })
      yield* calls.push(repo, "feature", "c")
      assert.strictEqual((yield* gitHub.pullRequest(repo, pullRequest.number)).head.sha, "c")
      assert.strictEqual((yield* gitHub.latestCommit(repo, "feature")).sha, "c")
      yield* gitHub.deleteBranch(repo, "feature")
      assert.strictEqual((yield* gitHub.pullRequest(repo, pullRequest.number)).state, "closed")
    }).pipe(
      Effect.provide(
        GitHubMemory.layer({ repositories: { "acme/app": { branches: { main: "a", feature: "b" } } } })
      )
    )
  )
})
