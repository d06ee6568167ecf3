import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, vi } from "@effect/vitest"
import type { GitHubError } from "@remote-agent/domain"
import { GitHub, type GitHubConnection } from "@remote-agent/github"
import { Effect, Layer, Logger, Redacted, References, Stream, Tracer } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { inspect } from "node:util"
import * as FakeGitHub from "../support/FakeGitHub.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 120_000 })

const repo = { owner: "acme", name: "app" }
const hookSecret = "fake-hook-secret-canary"

/** Everything that is written about the run of an effect: its logs, its spans and what it gives or fails with. */
const traced = Effect.fnUntraced(function* <A, E>(effect: Effect.Effect<A, E>) {
  const lines: Array<string> = []
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const exit = yield* Effect.exit(effect).pipe(
    Effect.withTracer(tracer),
    Effect.provideService(References.MinimumLogLevel, "All"),
    Effect.provide(Logger.layer([Logger.map(Logger.formatJson, (line) => lines.push(line))]))
  )
  assert.isAbove(spans.length, 0)
  const all = { depth: 30, maxStringLength: Infinity, maxArrayLength: Infinity, showHidden: true }
  // What a span says of a success is that it was one.
  const ended = spans.map(({ attributes, events, name, status }) => ({
    name,
    attributes,
    events,
    exit: status._tag === "Ended" && status.exit._tag === "Failure" ? status.exit : undefined
  }))
  return [lines.join("\n"), inspect(ended, all), inspect(exit, all), JSON.stringify(exit)].join("\n")
})

/** Every method, with answers of all kinds; what GitHub says repeats what it was sent. */
const everything = (
  fake: FakeGitHub.FakeGitHub,
  connection: Omit<GitHubConnection.Connection, "apiUrl">,
  echo: string
) =>
  Effect.gen(function* () {
    const gitHub = yield* GitHub.make({ apiUrl: fake.url, ...connection, retryWindow: "0 seconds" })
    const calls: ReadonlyArray<Effect.Effect<unknown, GitHubError.GitHubError>> = [
      gitHub.token,
      gitHub.repository(repo),
      gitHub.latestCommit(repo, "main"),
      gitHub.createPullRequest(repo, { head: "main", title: "A title" }),
      Stream.runDrain(gitHub.listIssues(repo)),
      gitHub.createIssue(repo, { title: "A title" }),
      gitHub.checks(repo, "main"),
      gitHub.createWebhook(repo, { url: "http://127.0.0.1:9/hook", secret: Redacted.make(hookSecret) }),
      Stream.runDrain(gitHub.listWebhooks(repo)),
      gitHub.deleteBranch(repo, "other")
    ]
    const mishaps: ReadonlyArray<FakeGitHub.FakeGitHub["mishaps"][number] | undefined> = [
      undefined,
      { cut: "after" },
      ...[400, 401, 403, 404, 409, 422, 500].map((status) => ({
        reply: { status, body: { message: `You sent ${echo}`, errors: [{ field: echo, message: echo }] } }
      })),
      { reply: { status: 200, body: echo } }
    ]
    let shown = ""
    for (const call of calls) {
      for (const mishap of mishaps) {
        fake.mishaps.length = 0
        if (mishap !== undefined) fake.mishaps.push(mishap)
        shown += yield* traced(call)
      }
    }
    return shown
  })

const withFake = <A, E>(body: (fake: FakeGitHub.FakeGitHub) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fake = yield* FakeGitHub.make()
    yield* fake.createRepository("acme/app")
    yield* fake.commit("acme/app", "main", { "README.md": "one" })
    return yield* body(fake)
  }).pipe(Effect.scoped, Effect.provide([NodeServices.layer, Layer.empty]))

describe("GitHub's secrets", () => {
  it.live("are in no error, log or span: a token", () =>
    withFake((fake) =>
      Effect.gen(function* () {
        const token = "ghp_canaryTokenOfTheTests"
        fake.tokens.set(token, {})
        const credential = { _tag: "token", token: Redacted.make(token) } as const
        const shown = yield* everything(fake, { credential }, `${token} and more`)
        assert.include(shown, "GitHub.createWebhook")
        assert.include(shown, "You sent *** and")
        assert.notInclude(shown, token)
        assert.isTrue(fake.requests.some((request) => request.token === token))
        assert.isAbove(fake.repository("acme/app").hooks.size, 0)
      })
    )
  )

  it.live("are in no error, log or span: the secret of a webhook", () =>
    withFake((fake) =>
      Effect.gen(function* () {
        const gitHub = yield* GitHub.make({
          apiUrl: fake.url,
          credential: { _tag: "token", token: fake.token },
          retryWindow: "0 seconds"
        })
        const make = gitHub.createWebhook(repo, {
          url: "http://127.0.0.1:9/a",
          secret: Redacted.make(hookSecret)
        })
        for (const route of ["POST /repos/acme/app/hooks", "PATCH /repos/acme/app/hooks/1/config"]) {
          fake.mishaps.push({ route, reply: { status: 422, body: { message: `Bad: ${hookSecret}` } } })
          const shown = yield* traced(make)
          assert.include(shown, "Bad: ***")
          assert.notInclude(shown, "canary")
          assert.notInclude(yield* traced(make), "canary")
        }
      })
    )
  )

  it.live("are in no error, log or span: an app and its tokens", () =>
    withFake((fake) =>
      Effect.gen(function* () {
        const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
        const key = privateKey.export({ type: "pkcs1", format: "pem" })
        fake.apps.set(7, { installationId: 8, publicKey: publicKey.export({ type: "spki", format: "pem" }) })
        const credential = {
          _tag: "app",
          appId: 7,
          installationId: 8,
          privateKey: Redacted.make(key)
        } as const
        const shown = yield* everything(fake, { credential }, "nothing")
        const tokens = fake.requests.flatMap(({ token }) => token ?? [])
        assert.isAbove(new Set(tokens).size, 2)
        for (const token of tokens) assert.notInclude(shown, token)
        for (const line of key.split("\n").slice(1, -2)) assert.notInclude(shown, line)
      })
    )
  )
})
