import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, vi } from "@effect/vitest"
import { GitHubError } from "@remote-agent/domain"
import { GitHub, type GitHubConnection } from "@remote-agent/github"
import { Clock, Duration, Effect, Fiber, Option, Redacted, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { generateKeyPairSync } from "node:crypto"
import * as FakeGitHub from "../support/FakeGitHub.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 120_000 })

const repo = { owner: "acme", name: "app" }
const pulls = "/repos/acme/app/pulls"

type Options = Partial<GitHubConnection.Connection>

/** Runs a test against a fake with one repository that has a commit on `main` and another one on `feature`. */
const withFake = <A, E>(
  body: (fake: FakeGitHub.FakeGitHub, gitHub: GitHub.GitHub["Service"]) => Effect.Effect<A, E>,
  options: (fake: FakeGitHub.FakeGitHub) => Options = () => ({})
) =>
  Effect.gen(function* () {
    const fake = yield* FakeGitHub.make()
    yield* fake.createRepository("acme/app")
    yield* fake.commit("acme/app", "main", { "README.md": "one" }, "First")
    const main = (yield* fake.git("acme/app", ["rev-parse", "main"])).trim()
    yield* fake.git("acme/app", ["branch", "feature", main])
    yield* fake.commit("acme/app", "feature", { "README.md": "two" }, "Second")
    const gitHub = yield* GitHub.make({
      apiUrl: fake.url,
      credential: { _tag: "token", token: fake.token },
      // The time of the test runs ahead of real requests.
      requestTimeout: "365 days",
      ...options(fake)
    })
    return yield* body(fake, gitHub)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Lets the time of the test pass, while real requests go to and fro, until the effect is done. */
const throughTime = Effect.fnUntraced(function* <A, E>(
  effect: Effect.Effect<A, E>,
  step: Duration.Input = "1 second"
) {
  const fiber = yield* Effect.forkChild(effect)
  while (fiber.pollUnsafe() === undefined) {
    yield* turn
    yield* TestClock.adjust(step)
  }
  return yield* Fiber.join(fiber)
})

const failing = Effect.fnUntraced(function* <A>(effect: Effect.Effect<A, GitHubError.GitHubError>) {
  const result = yield* Effect.result(effect)
  assert(Result.isFailure(result), "it should fail")
  return result.failure
})

const reasonOf = <A>(effect: Effect.Effect<A, GitHubError.GitHubError>) =>
  Effect.map(failing(effect), ({ reason }) => reason._tag)

/** Compares all that a reason says; `deepStrictEqual` looks at no more of an error than its message. */
const same = (actual: GitHubError.Reason, expected: GitHubError.Reason) =>
  assert.deepStrictEqual({ ...actual }, { ...expected })

const routesOf = (fake: FakeGitHub.FakeGitHub) => fake.requests.map(({ method, path }) => `${method} ${path}`)

const run = (name: string, status: string, conclusion: string | null) => ({
  name,
  status,
  conclusion
})

const inSeconds = (seconds: number, millis: number) => String(Math.floor(millis / 1000) + seconds)

const limited = (headers: Record<string, string>, status = 403, message = "API rate limit exceeded") => ({
  reply: { status, headers, body: { message } }
})

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
const app = (key: string) => ({
  _tag: "app" as const,
  appId: 7,
  installationId: 8,
  privateKey: Redacted.make(key)
})
const pem = privateKey.export({ type: "pkcs1", format: "pem" })
const asApp = (fake: FakeGitHub.FakeGitHub): Options => {
  fake.apps.set(7, {
    installationId: 8,
    publicKey: publicKey.export({ type: "spki", format: "pem" })
  })
  return { credential: app(pem) }
}
const exchanges = (fake: FakeGitHub.FakeGitHub) =>
  routesOf(fake).filter((route) => route === "POST /app/installations/8/access_tokens").length

const parsed = (text: string) =>
  Option.getOrUndefined(Option.map(GitHub.parseRepo(text), (one) => `${one.owner}/${one.name}`))

describe("GitHub", () => {
  it.effect("reads a repository and the newest commits of its branches", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const repository = yield* gitHub.repository(repo)
        assert.deepInclude(repository, { owner: "acme", name: "app", defaultBranch: "main", private: true })
        const tip = (yield* fake.git("acme/app", ["rev-parse", "feature"])).trim()
        const commit = yield* gitHub.latestCommit(repo, "feature")
        assert.strictEqual(commit.sha, tip)
        assert.strictEqual(commit.message, "Second")
        assert.strictEqual((yield* gitHub.latestCommit(repo)).message, "First")
        assert.strictEqual(yield* reasonOf(gitHub.latestCommit(repo, "nothing")), "NotFound")
      })
    )
  )

  it.effect("finds branches whose names need escaping", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        for (const branch of ["a/b", "c#d", "e%2Ff", "g&h=i", "é+ö"]) {
          yield* fake.commit("acme/app", branch, { "x.txt": branch }, branch)
          assert.strictEqual((yield* gitHub.latestCommit(repo, branch)).message, branch)
          yield* gitHub.deleteBranch(repo, branch)
          assert.strictEqual(yield* reasonOf(gitHub.latestCommit(repo, branch)), "NotFound")
        }
      })
    )
  )

  it.effect("opens a pull request once, then updates it, then leaves it alone", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const spec = {
          head: "feature",
          title: "A title",
          body: "A body",
          draft: true,
          labels: ["bot"],
          reviewers: ["ann"]
        }
        const first = yield* gitHub.createPullRequest(repo, spec)
        assert.strictEqual(first.outcome, "created")
        assert.deepStrictEqual(first.problems, [])
        assert.deepInclude(first.pullRequest, {
          title: "A title",
          draft: true,
          labels: ["bot"],
          reviewers: ["ann"]
        })
        assert.strictEqual(first.pullRequest.base.branch, "main")
        assert.strictEqual(
          first.pullRequest.head.sha,
          (yield* fake.git("acme/app", ["rev-parse", "feature"])).trim()
        )
        const again = yield* gitHub.createPullRequest(repo, spec)
        assert.strictEqual(again.outcome, "unchanged")
        assert.strictEqual(again.pullRequest.number, first.pullRequest.number)
        const next = yield* gitHub.createPullRequest(repo, {
          ...spec,
          title: "Better",
          labels: ["BOT", "new"]
        })
        assert.strictEqual(next.outcome, "updated")
        assert.deepInclude(next.pullRequest, { title: "Better", labels: ["bot", "new"] })
        yield* fake.commit("acme/app", "release", { "r.txt": "r" })
        const moved = yield* gitHub.createPullRequest(repo, {
          head: "feature",
          title: "Better",
          base: "release"
        })
        assert.deepInclude(moved, { outcome: "updated" })
        assert.strictEqual(moved.pullRequest.base.branch, "release")
        assert.strictEqual(moved.pullRequest.body, "A body")
        assert.strictEqual(fake.repository("acme/app").pulls.size, 1)
      })
    )
  )

  it.effect("does not request a second review", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const spec = { head: "feature", title: "A title", reviewers: ["ann", "bob"] }
        const { pullRequest } = yield* gitHub.createPullRequest(repo, spec)
        const pull = fake.repository("acme/app").pulls.get(pullRequest.number)
        assert(pull !== undefined)
        pull.reviewers = ["bob"]
        pull.reviews.push("ann")
        assert.strictEqual((yield* gitHub.createPullRequest(repo, spec)).outcome, "unchanged")
        assert.deepStrictEqual(pull.reviewers, ["bob"])
      })
    )
  )

  it.effect("keeps a pull request whose reviewer cannot be requested, and reports why", () =>
    withFake((_, gitHub) =>
      Effect.gen(function* () {
        const spec = { head: "feature", title: "A title", labels: ["bot"], reviewers: ["octocat"] }
        const { outcome, problems, pullRequest } = yield* gitHub.createPullRequest(repo, spec)
        assert.strictEqual(outcome, "created")
        assert.deepStrictEqual(pullRequest.labels, ["bot"])
        assert.deepStrictEqual(
          problems.map(({ message }) => message),
          [
            "acme/app (createPullRequest): the request was refused: Review cannot be requested from pull request author. Correct it."
          ]
        )
      })
    )
  )

  it.effect("opens one pull request for twenty concurrent calls", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const others = yield* GitHub.make({
          apiUrl: fake.url,
          credential: { _tag: "token", token: fake.token }
        })
        const results = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? gitHub : others)),
          (one) => one.createPullRequest(repo, { head: "feature", title: "A title" }),
          { concurrency: 20 }
        )
        assert.strictEqual(fake.repository("acme/app").pulls.size, 1)
        assert.deepStrictEqual([...new Set(results.map(({ pullRequest }) => pullRequest.number))], [1])
        assert.strictEqual(results.filter(({ outcome }) => outcome === "created").length, 1)
      })
    )
  )

  it.effect("finds the pull request whose creation was not confirmed", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        fake.mishaps.push({ route: `POST ${pulls}`, cut: "after" })
        const { outcome, pullRequest } = yield* gitHub.createPullRequest(repo, {
          head: "feature",
          title: "A title"
        })
        assert.strictEqual(outcome, "created")
        assert.strictEqual(pullRequest.number, 1)
        assert.strictEqual(routesOf(fake).filter((route) => route === `POST ${pulls}`).length, 1)
        assert.strictEqual(fake.repository("acme/app").pulls.size, 1)
      })
    )
  )

  it.effect("waits for the list of pull requests when it lags behind the refusal", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const spec = { head: "feature", title: "A title" }
        yield* gitHub.createPullRequest(repo, spec)
        const behind = { route: `GET ${pulls}`, reply: { status: 200, body: [] } }
        fake.mishaps.push(behind, behind, behind)
        const { outcome, pullRequest } = yield* throughTime(gitHub.createPullRequest(repo, spec))
        assert.deepStrictEqual([outcome, pullRequest.number], ["unchanged", 1])
      })
    )
  )

  it.effect("takes a body with other line breaks for the same", () =>
    withFake((_, gitHub) =>
      Effect.gen(function* () {
        const spec = { head: "feature", title: "A title" }
        yield* gitHub.createPullRequest(repo, { ...spec, body: "One\r\ntwo" })
        const { outcome } = yield* gitHub.createPullRequest(repo, { ...spec, body: "One\ntwo" })
        assert.strictEqual(outcome, "unchanged")
      })
    )
  )

  it.effect("says which field is wrong", () =>
    withFake((_, gitHub) =>
      Effect.gen(function* () {
        const missing = yield* failing(gitHub.createPullRequest(repo, { head: "nothing", title: "A title" }))
        same(missing.reason, new GitHubError.Invalid({ problems: ["head: invalid"] }))
        const equal = yield* failing(gitHub.createPullRequest(repo, { head: "main", title: "A title" }))
        assert.include(equal.message, "No commits between main and main")
        const issue = yield* failing(gitHub.createIssue(repo, { title: "" }))
        assert.include(
          issue.message,
          "acme/app (createIssue): the request was refused: title: missing field."
        )
      })
    )
  )

  it.effect("lists every page of issues without the pull requests, and pull requests by branch", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        yield* gitHub.createPullRequest(repo, { head: "feature", title: "A title" })
        const repository = fake.repository("acme/app")
        for (let number = 2; number <= 251; number++) {
          repository.issues.set(number, { title: `Issue ${number}`, body: null, state: "open" })
        }
        const issues = yield* Stream.runCollect(gitHub.listIssues(repo))
        assert.deepStrictEqual(
          issues.map(({ number }) => number),
          Array.from({ length: 250 }, (_, index) => 251 - index)
        )
        const before = fake.requests.length
        yield* Stream.runCollect(Stream.take(gitHub.listIssues(repo), 3))
        assert.strictEqual(fake.requests.length, before + 1)
        const found = yield* Stream.runCollect(gitHub.pullRequests(repo, { head: "feature" }))
        assert.strictEqual(found.length, 1)
        assert.deepStrictEqual(yield* Stream.runCollect(gitHub.pullRequests(repo, { head: "other" })), [])
        assert.deepStrictEqual(yield* Stream.runCollect(gitHub.pullRequests(repo, { state: "closed" })), [])
      })
    )
  )

  it.effect("does not follow a next page to another host with the token", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        fake.mishaps.push({
          reply: { status: 200, headers: { link: '<http://127.0.0.1:9/steal>; rel="next"' }, body: [] }
        })
        assert.strictEqual(yield* reasonOf(Stream.runDrain(gitHub.listIssues(repo))), "Unexpected")
      })
    )
  )

  it.effect("comments and creates issues", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const { labels, number } = yield* gitHub.createIssue(repo, {
          title: "Broken",
          body: "It is",
          labels: ["bug"]
        })
        assert.deepStrictEqual(labels, ["bug"])
        const comment = yield* gitHub.comment(repo, number, "I see")
        assert.strictEqual(comment.body, "I see")
        assert.deepStrictEqual(fake.repository("acme/app").comments.get(number), ["I see"])
        assert.strictEqual(yield* reasonOf(gitHub.comment(repo, 99, "Hello?")), "NotFound")
        const [issue] = yield* Stream.runCollect(gitHub.listIssues(repo, { labels: ["bug"] }))
        assert.strictEqual(issue?.title, "Broken")
      })
    )
  )

  it.effect("combines check runs and statuses into the state of a commit", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const { sha } = yield* gitHub.latestCommit(repo, "feature")
        const { runs, statuses } = fake.repository("acme/app")
        const state = Effect.map(gitHub.checks(repo, "feature"), (checks) => checks.state)
        assert.deepStrictEqual(yield* gitHub.checks(repo, "feature"), { sha, state: "none", checks: [] })
        const many = Array.from({ length: 150 }, (_, index) => run(`test ${index}`, "completed", "success"))
        runs.set(sha, many)
        assert.strictEqual((yield* gitHub.checks(repo, sha)).checks.length, 150)
        assert.strictEqual(yield* state, "success")
        statuses.set(sha, [{ context: "deploy", state: "pending", target_url: null }])
        assert.strictEqual(yield* state, "pending")
        runs.set(sha, [...many, run("lint", "completed", "timed_out")])
        assert.strictEqual(yield* state, "failure")
        runs.set(sha, [run("skipped", "completed", "skipped"), run("lint", "in_progress", null)])
        statuses.set(sha, [])
        assert.strictEqual(yield* state, "pending")
      })
    )
  )

  it.effect("creates one webhook per address, with a random secret", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const { hooks } = fake.repository("acme/app")
        const spec = { url: `${fake.url}/hook` }
        const first = yield* gitHub.createWebhook(repo, spec)
        assert.strictEqual(first.outcome, "created")
        assert.deepStrictEqual(first.hook.events, ["push", "pull_request"])
        const secret = Option.map(first.secret, Redacted.value)
        assert.match(Option.getOrThrow(secret), /^[0-9a-f]{64}$/)
        assert.deepStrictEqual(hooks.get(first.hook.id)?.config, {
          url: spec.url,
          content_type: "json",
          insecure_ssl: "0",
          secret: Option.getOrThrow(secret)
        })
        const again = yield* gitHub.createWebhook(repo, spec)
        assert.deepInclude(again, { outcome: "unchanged", secret: Option.none() })
        const changed = yield* gitHub.createWebhook(repo, { ...spec, events: ["issues"] })
        assert.deepStrictEqual(changed.hook, { ...first.hook, events: ["issues"] })
        assert.strictEqual(hooks.get(first.hook.id)?.config["secret"], Option.getOrThrow(secret))
        const next = Redacted.make("fake-next-secret")
        const rotated = yield* gitHub.createWebhook(repo, { ...spec, events: ["issues"], secret: next })
        assert.deepInclude(rotated, { outcome: "updated", secret: Option.some(next) })
        assert.strictEqual(hooks.get(first.hook.id)?.config["secret"], "fake-next-secret")
        assert.strictEqual((yield* Stream.runCollect(gitHub.listWebhooks(repo))).length, 1)
        yield* gitHub.pingWebhook(repo, first.hook.id)
        yield* fake.settled
        assert.deepStrictEqual(
          fake.deliveries.map(({ event }) => event),
          ["ping", "ping"]
        )
        yield* gitHub.deleteWebhook(repo, first.hook.id)
        yield* gitHub.deleteWebhook(repo, first.hook.id)
        assert.strictEqual(yield* reasonOf(gitHub.pingWebhook(repo, first.hook.id)), "NotFound")
        assert.strictEqual(hooks.size, 0)
      })
    )
  )

  it.effect("knows the secret of a webhook whose creation was not confirmed", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        fake.mishaps.push({ route: "POST /repos/acme/app/hooks", cut: "after" })
        const { hook, secret } = yield* gitHub.createWebhook(repo, { url: `${fake.url}/hook` })
        const { hooks } = fake.repository("acme/app")
        assert.strictEqual(hooks.size, 1)
        assert.strictEqual(
          hooks.get(hook.id)?.config["secret"],
          Option.getOrThrow(Option.map(secret, Redacted.value))
        )
      })
    )
  )

  it.effect("tells a webhook that must not be deleted from one that is gone", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const { hook } = yield* gitHub.createWebhook(repo, { url: `${fake.url}/hook` })
        fake.mishaps.push({ route: `DELETE /repos/acme/app/hooks/${hook.id}`, reply: { status: 404 } })
        assert.strictEqual(yield* reasonOf(gitHub.deleteWebhook(repo, hook.id)), "NotFound")
      })
    )
  )

  it.effect("creates one webhook for ten concurrent calls", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const others = yield* GitHub.make({
          apiUrl: fake.url,
          credential: { _tag: "token", token: fake.token }
        })
        const results = yield* Effect.forEach(
          Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? gitHub : others)),
          (one) => one.createWebhook(repo, { url: `${fake.url}/hook` }),
          { concurrency: 10 }
        )
        assert.strictEqual(fake.repository("acme/app").hooks.size, 1)
        assert.strictEqual(results.filter(({ outcome }) => outcome === "created").length, 1)
      })
    )
  )

  it.effect("deletes a branch, succeeds when it is gone, and fails when it may not be deleted", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        yield* gitHub.deleteBranch(repo, "feature")
        yield* gitHub.deleteBranch(repo, "feature")
        assert.strictEqual(yield* fake.git("acme/app", ["branch", "--list", "feature"]), "")
        assert.strictEqual(yield* reasonOf(gitHub.deleteBranch(repo, "main")), "Invalid")
      })
    )
  )

  it.effect("revalidates a known reply instead of transferring it again", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const first = yield* gitHub.latestCommit(repo, "feature")
        assert.deepStrictEqual(yield* gitHub.latestCommit(repo, "feature"), first)
        yield* fake.commit("acme/app", "feature", { "README.md": "three" }, "Third")
        assert.strictEqual((yield* gitHub.latestCommit(repo, "feature")).message, "Third")
        assert.deepStrictEqual(
          fake.requests.map(({ status }) => status),
          [200, 304, 200]
        )
      })
    )
  )
})

describe("GitHub's memory", () => {
  it.effect("is bounded: an old entry is requested again", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const labels = Array.from({ length: 101 }, (_, index) => `label-${index}`)
        for (const label of [...labels, "label-100", "label-0"]) {
          yield* Stream.runDrain(gitHub.listIssues(repo, { labels: [label] }))
        }
        assert.deepStrictEqual(
          fake.requests.slice(-2).map(({ status }) => status),
          [304, 200]
        )
      })
    )
  )
})

describe("GitHub, when things go wrong", () => {
  it.effect("waits for the end of a limit as long as GitHub says", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        for (const mishap of [
          () => limited({ "retry-after": "20" }, 429),
          () => limited({ "retry-after": "20" }),
          (now: number) => limited({ "x-ratelimit-remaining": "0", "x-ratelimit-reset": inSeconds(20, now) })
        ]) {
          fake.mishaps.push(mishap(yield* Clock.currentTimeMillis))
          fake.requests.length = 0
          // Creating is repeated as well: a request that hit a limit has done nothing.
          yield* throughTime(gitHub.createIssue(repo, { title: "Once" }))
          const [first, second, ...rest] = fake.requests
          assert(first !== undefined && second !== undefined)
          assert.strictEqual(rest.length, 0)
          assert.isAtLeast(second.at - first.at, 20_000)
        }
        assert.strictEqual(fake.repository("acme/app").issues.size, 3)
      })
    )
  )

  it.effect(
    "fails at once when the limit stands for longer than it may wait, and asks no more until then",
    () =>
      withFake((fake, gitHub) =>
        Effect.gen(function* () {
          fake.mishaps.push(limited({ "x-ratelimit-remaining": "0", "x-ratelimit-reset": "3599" }))
          const error = yield* failing(gitHub.repository(repo))
          same(error.reason, new GitHubError.RateLimited({ limit: "primary", retryAfter: Duration.hours(1) }))
          assert.isTrue(error.isRetryable)
          assert.strictEqual(yield* reasonOf(gitHub.latestCommit(repo)), "RateLimited")
          assert.strictEqual(fake.requests.length, 1)
          yield* TestClock.adjust("1 hour")
          yield* gitHub.repository(repo)
        })
      )
  )

  it.effect(
    "waits for a minute after a secondary limit without a time, and gives up when that is too long",
    () =>
      withFake(
        (fake, gitHub) =>
          Effect.gen(function* () {
            fake.mishaps.push(limited({}, 403, "You have exceeded a secondary rate limit."))
            const { reason } = yield* failing(gitHub.repository(repo))
            same(reason, new GitHubError.RateLimited({ limit: "secondary", retryAfter: Duration.minutes(1) }))
          }),
        () => ({ retryWindow: "30 seconds" })
      )
  )

  it.effect("waits no longer than it may in all, however often it is told to wait", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        fake.mishaps.push(limited({ "retry-after": "40" }), limited({ "retry-after": "40" }))
        const { reason } = yield* failing(throughTime(gitHub.repository(repo)))
        same(reason, new GitHubError.RateLimited({ limit: "secondary", retryAfter: Duration.seconds(40) }))
        assert.strictEqual(fake.requests.length, 2)
      })
    )
  )

  it.effect("repeats what only reads, and gives up in time", () =>
    withFake(
      (fake, gitHub) =>
        Effect.gen(function* () {
          fake.mishaps.push({ reply: { status: 502 } }, { cut: "before" }, { cut: "half" })
          yield* throughTime(gitHub.repository(repo))
          assert.strictEqual(fake.requests.length, 4)
          fake.mishaps.push(...Array.from({ length: 10 }, () => ({ reply: { status: 503, body: "<html>" } })))
          same(
            (yield* failing(throughTime(gitHub.latestCommit(repo)))).reason,
            new GitHubError.ServerFailed({ status: 503 })
          )
          assert.strictEqual(fake.requests.length, 10)
        }),
      () => ({ retryWindow: "365 days" })
    )
  )

  it.effect("never creates something twice because a reply was lost", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        fake.mishaps.push({ route: "POST /repos/acme/app/issues", cut: "after" })
        const error = yield* failing(throughTime(gitHub.createIssue(repo, { title: "Once" })))
        assert.strictEqual(error.reason._tag, "Unreachable")
        assert.isFalse(error.isRetryable)
        assert.strictEqual(fake.repository("acme/app").issues.size, 1)
      })
    )
  )

  it.effect("repeats a creation that was never sent", () =>
    Effect.gen(function* () {
      const apiUrl = yield* withFake((fake) => Effect.succeed(fake.url))
      const gitHub = yield* GitHub.make({ apiUrl, credential: { _tag: "none" } })
      const start = yield* Clock.currentTimeMillis
      const error = yield* failing(throughTime(gitHub.createIssue(repo, { title: "Once" }), "100 millis"))
      same(error.reason, new GitHubError.Unreachable({ sent: false }))
      assert.isTrue(error.isRetryable)
      assert.isAtLeast((yield* Clock.currentTimeMillis) - start, 5000)
    })
  )

  it.effect("gives up an answer that does not come", () =>
    withFake(
      (fake, gitHub) =>
        Effect.gen(function* () {
          const { promise, resolve } = Promise.withResolvers<void>()
          fake.mishaps.push({ hold: promise })
          const { reason } = yield* failing(throughTime(gitHub.comment(repo, 1, "Hello?")))
          same(reason, new GitHubError.RequestTimedOut({ after: Duration.seconds(5) }))
          resolve()
        }),
      () => ({ requestTimeout: "5 seconds" })
    )
  )

  it.effect("tells a wrong token, a missing scope, a missing permission and single sign-on apart", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        const as = (token: string) =>
          GitHub.make({ apiUrl: fake.url, credential: { _tag: "token", token: Redacted.make(token) } })
        const wrong = yield* failing((yield* as("fake-wrong")).repository(repo))
        same(wrong.reason, new GitHubError.Unauthorized({ credential: "token" }))
        fake.tokens.set("fake-reader", { write: false })
        const reader = yield* failing((yield* as("fake-reader")).createIssue(repo, { title: "Hello" }))
        assert.include(reader.message, "lacks the permission pull_requests=write or issues=write")
        fake.tokens.set("fake-classic", {})
        fake.scopes.set("fake-classic", "repo")
        const classic = yield* failing(
          (yield* as("fake-classic")).createWebhook(repo, { url: `${fake.url}/hook` })
        )
        same(classic.reason, new GitHubError.NotFound({ credential: "token", needs: ["admin:repo_hook"] }))
        assert.include(classic.message, "without the scope admin:repo_hook")
        fake.mishaps.push({
          reply: {
            status: 403,
            headers: {
              "x-github-sso": "required; url=https://github.com/orgs/acme/sso?authorization_request=FAKE"
            }
          }
        })
        const sso = yield* failing(gitHub.repository(repo))
        assert.include(sso.message, "single sign-on")
        assert.notInclude(JSON.stringify(sso), "FAKE")
        const nobody = yield* GitHub.make({ apiUrl: fake.url, credential: { _tag: "none" } })
        assert.include((yield* failing(nobody.repository(repo))).message, "set GITHUB_TOKEN")
      })
    )
  )

  it.effect("takes an answer of another server for what it is", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        fake.mishaps.push({
          reply: { status: 200, headers: { "content-type": "text/html" }, body: "<html>" }
        })
        assert.strictEqual(yield* reasonOf(gitHub.repository(repo)), "Unexpected")
        fake.mishaps.push({ reply: { status: 200, body: { name: "app" } } })
        assert.strictEqual(yield* reasonOf(gitHub.repository(repo)), "Unexpected")
        fake.mishaps.push({ reply: { status: 409, body: { message: "Git Repository is empty." } } })
        assert.strictEqual(yield* reasonOf(gitHub.latestCommit(repo)), "Conflict")
      })
    )
  )
})

describe("GitHub as an app", () => {
  it.effect("uses one token for an hour and a new one before the old one ends", () =>
    withFake(
      (fake, gitHub) =>
        Effect.gen(function* () {
          yield* Effect.forEach(Array.from({ length: 10 }), () => gitHub.repository(repo), {
            concurrency: 10
          })
          assert.strictEqual(exchanges(fake), 1)
          const first = yield* gitHub.token
          yield* TestClock.adjust("54 minutes")
          assert.deepStrictEqual(yield* gitHub.token, first)
          yield* TestClock.adjust("2 minutes")
          const second = yield* gitHub.token
          assert.notDeepEqual(Option.map(second, Redacted.value), Option.map(first, Redacted.value))
          assert.strictEqual(exchanges(fake), 2)
          yield* gitHub.createIssue(repo, { title: "Still here" })
        }),
      asApp
    )
  )

  it.effect("replaces a token that was revoked before its time", () =>
    withFake(
      (fake, gitHub) =>
        Effect.gen(function* () {
          const token = Option.getOrThrow(Option.map(yield* gitHub.token, Redacted.value))
          fake.tokens.delete(token)
          yield* gitHub.repository(repo)
          assert.strictEqual(exchanges(fake), 2)
        }),
      asApp
    )
  )

  it.effect("says what to check when the key is of another app, is none, or the installation is gone", () =>
    withFake((fake) =>
      Effect.gen(function* () {
        asApp(fake)
        const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
        const wrong = other.export({ type: "pkcs8", format: "pem" })
        const truncated = pem.replace(/\n.*\n/, "\n")
        for (const key of [wrong, truncated]) {
          const gitHub = yield* GitHub.make({ apiUrl: fake.url, credential: app(key) })
          const error = yield* failing(gitHub.repository(repo))
          same(error.reason, new GitHubError.Unauthorized({ credential: "app" }))
          assert.include(error.message, "GITHUB_APP_PRIVATE_KEY")
        }
        const gone = yield* GitHub.make({ apiUrl: fake.url, credential: { ...app(pem), installationId: 9 } })
        const error = yield* failing(gone.repository(repo))
        assert.strictEqual(error.operation, "token")
        assert.strictEqual(error.reason._tag, "NotFound")
      })
    )
  )
})

describe("GitHub's clock", () => {
  it.effect("signs for an app by GitHub's time when the clock of this machine is wrong", () =>
    Effect.gen(function* () {
      for (const skew of [-45_000, 45_000, -3_600_000, 3_600_000]) {
        yield* withFake(
          (fake, gitHub) =>
            Effect.gen(function* () {
              fake.drift.skew = skew
              assert.strictEqual((yield* gitHub.repository(repo)).name, "app")
              // One refusal tells the time; from then on nothing is refused.
              assert.isAtMost(exchanges(fake), 2)
              assert.isTrue(Option.isSome(yield* gitHub.token))
              assert.isAtMost(exchanges(fake), 2)
            }),
          asApp
        )
      }
    })
  )

  it.effect("reports a refused app when the clock is not the reason", () =>
    withFake(
      (fake, gitHub) =>
        Effect.gen(function* () {
          fake.apps.clear()
          fake.drift.skew = 45_000
          assert.strictEqual(yield* reasonOf(gitHub.repository(repo)), "Unauthorized")
        }),
      asApp
    )
  )

  it.effect("waits for a limit by GitHub's time", () =>
    Effect.gen(function* () {
      for (const skew of [-600_000, 600_000]) {
        yield* withFake((fake, gitHub) =>
          Effect.gen(function* () {
            fake.drift.skew = skew
            yield* TestClock.adjust("1 day")
            const now = yield* Clock.currentTimeMillis
            const reset = inSeconds(20, now + skew)
            fake.mishaps.push(limited({ "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset }))
            yield* throughTime(gitHub.repository(repo))
            const [first, second] = fake.requests.map(({ at }) => at)
            const waited = (second ?? 0) - (first ?? 0)
            assert.isAtLeast(waited, 20_000)
            assert.isAtMost(waited, 30_000)
          })
        )
      }
    })
  )

  it.effect("waits and retries after a submission that was too quick", () =>
    withFake((fake, gitHub) =>
      Effect.gen(function* () {
        for (const body of [
          {
            message: "Validation Failed",
            errors: [
              {
                resource: "IssueComment",
                code: "custom",
                field: "body",
                message: "was submitted too quickly"
              }
            ]
          },
          { message: "Validation Failed", errors: ["was submitted too quickly"] }
        ]) {
          fake.mishaps.push({ reply: { status: 422, body } })
          const before = yield* Clock.currentTimeMillis
          yield* throughTime(gitHub.createIssue(repo, { title: "Words" }))
          assert.isAtLeast((yield* Clock.currentTimeMillis) - before, 5000)
        }
        assert.deepStrictEqual(
          fake.requests.map(({ status }) => status),
          [422, 201, 422, 201]
        )
        const { reason } = yield* failing(
          Effect.suspend(() => {
            fake.mishaps.push({ reply: { status: 422, body: { message: "body: is too long" } } })
            return gitHub.createIssue(repo, { title: "Words" })
          })
        )
        assert.strictEqual(reason._tag, "Invalid")
      })
    )
  )
})

describe("parseRepo", () => {
  it("reads names and addresses, and nothing else", () => {
    for (const text of [
      "acme/app",
      " https://github.com/acme/app.git ",
      "git@github.com:acme/app.git",
      "ssh://git@host/acme/app",
      "https://ghe.example.com/acme/app/"
    ]) {
      assert.strictEqual(parsed(text), "acme/app")
    }
    for (const text of ["", "app", "a/b/c", "acme/..", "acme/a b", "-x/../y", "acme/"])
      assert.strictEqual(parsed(text), undefined)
  })
})
