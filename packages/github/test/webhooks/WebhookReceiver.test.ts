import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { assert, describe, it, vi } from "@effect/vitest"
import { RemoteAgentConfig, StateStoreError } from "@remote-agent/domain"
import { Deliveries, GitHub, WebhookEvent, WebhookReceiver, WebhookSignature } from "@remote-agent/github"
import { Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Logger, Redacted, Scope } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { TestClock } from "effect/testing"
import { execFile } from "node:child_process"
import * as Http from "node:http"
import { devNull, tmpdir } from "node:os"
import { env } from "node:process"
import { promisify } from "node:util"
import * as FakeGitHub from "../support/FakeGitHub.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 120_000 })

const secret = Redacted.make("fake-webhook-secret-canary")

const issue = (number: number, action = "opened") => ({
  action,
  issue: {
    number,
    html_url: `https://github.com/acme/app/issues/${number}`,
    title: `Issue ${number}`,
    body: null,
    state: "open",
    user: { login: "ann" },
    labels: [],
    created_at: "2026-01-02T03:04:05Z",
    updated_at: "2026-01-02T03:04:05Z"
  },
  repository: { name: "app", full_name: "acme/app", owner: { login: "acme" } },
  sender: { login: "ann" }
})

interface Sent {
  readonly id?: string
  readonly event?: string
  readonly payload?: unknown
  readonly body?: string
  readonly signature?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

const post = async (
  url: string,
  { body, event = "issues", headers, id = "delivery-1", payload, signature }: Sent
) => {
  const text = body ?? JSON.stringify(payload ?? issue(1))
  const signed = signature === undefined ? WebhookSignature.sign(Buffer.from(text), secret) : signature
  const response = await fetch(url, {
    method: "POST",
    body: text,
    headers: {
      "content-type": "application/json",
      "x-github-event": event,
      "x-github-delivery": id,
      ...(signed === null ? {} : { "x-hub-signature-256": signed }),
      ...headers
    }
  })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

const send = (url: string, sent: Sent = {}) => Effect.promise(() => post(url, sent))

const statusOf = (url: string, sent?: Sent) => Effect.map(send(url, sent), ({ status }) => status)

/** A real server with a receiver, for as long as the scope is open. */
const serve = <E>(
  handle: (delivery: WebhookReceiver.Delivery) => Effect.Effect<void, E>,
  options: Partial<WebhookReceiver.Options<E, never>> & {
    readonly secrets?: ReadonlyArray<Redacted.Redacted>
  } = {},
  deliveries: Layer.Layer<Deliveries.Deliveries> = Deliveries.layerMemory()
) =>
  Effect.gen(function* () {
    const routes = WebhookReceiver.layer({ secrets: secret, handle, grace: "0 seconds", ...options })
    const server = HttpRouter.serve(routes, { disableListenLog: true, disableLogger: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => Http.createServer(), { port: 0, host: "127.0.0.1" })),
      Layer.provide(deliveries)
    )
    const { address } = Context.get(yield* Layer.build(server), HttpServer.HttpServer)
    return `${HttpServer.formatAddress(address)}/webhook`
  })

/** Something that is waited for rather than slept for. */
const gate = () => {
  const opened = Deferred.makeUnsafe<void>()
  return { open: Deferred.succeed(opened, undefined), wait: Deferred.await(opened) }
}

/** Counts what is handled, and is done when that many were. */
const counted = (until: number) => {
  const handled: Array<WebhookReceiver.Delivery> = []
  const all = gate()
  return {
    handled,
    all: all.wait,
    handle: (delivery: WebhookReceiver.Delivery) =>
      Effect.suspend(() => (handled.push(delivery) === until ? Effect.asVoid(all.open) : Effect.void))
  }
}

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Asks again and again, without any time limit of its own, until the answer is right. */
const eventually = Effect.fnUntraced(function* <A, E>(
  question: Effect.Effect<A, E>,
  isRight: (answer: A) => boolean
) {
  let answer = yield* question
  while (!isRight(answer)) {
    yield* turn
    answer = yield* question
  }
  return answer
})

const dead = (operation: string) =>
  new StateStoreError.StateStoreError({
    operation,
    reason: new StateStoreError.Unavailable({ store: "test", obstacle: "unreachable" })
  })

describe("Webhook", () => {
  it.live("accepts a delivery at once and handles it afterwards", () =>
    Effect.gen(function* () {
      const [slow, started] = [gate(), gate()]
      const url = yield* serve(() => Effect.andThen(started.open, slow.wait))
      assert.strictEqual(yield* statusOf(url), 202)
      yield* started.wait
      yield* slow.open
    }).pipe(Effect.scoped)
  )

  it.live("handles one of a hundred parallel deliveries of one id", () =>
    Effect.gen(function* () {
      const slow = gate()
      const { handle, handled } = counted(1)
      const url = yield* serve((delivery) => Effect.andThen(handle(delivery), slow.wait))
      const statuses = yield* Effect.forEach(Array.from({ length: 100 }), () => statusOf(url), {
        concurrency: 100
      })
      assert.strictEqual(statuses.filter((status) => status === 202).length, 1)
      assert.strictEqual(statuses.filter((status) => status === 409).length, 99)
      yield* slow.open
      assert.strictEqual(yield* eventually(statusOf(url), (status) => status !== 409), 200)
      assert.strictEqual(handled.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("handles one of a hundred when two servers share the deliveries", () =>
    Effect.gen(function* () {
      const { all, handle, handled } = counted(1)
      const shared = Layer.succeedContext(yield* Layer.build(Deliveries.layerMemory()))
      const urls = [yield* serve(handle, {}, shared), yield* serve(handle, {}, shared)]
      const statuses = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, index) => urls[index % 2] ?? ""),
        (url) => statusOf(url),
        { concurrency: 100 }
      )
      assert.strictEqual(statuses.filter((status) => status === 202).length, 1)
      yield* all
      assert.strictEqual(handled.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("refuses forged, unsigned and incomplete deliveries without handling them", () =>
    Effect.gen(function* () {
      const { handle, handled } = counted(1)
      const url = yield* serve(handle)
      const body = JSON.stringify(issue(1))
      const signature = WebhookSignature.sign(Buffer.from(body), secret)
      assert.strictEqual(yield* statusOf(url, { body, signature: null }), 401)
      assert.strictEqual(yield* statusOf(url, { body, signature: "sha256=" }), 401)
      assert.strictEqual(yield* statusOf(url, { body: body.replace("Issue 1", "Issue 2"), signature }), 401)
      const other = WebhookSignature.sign(Buffer.from(body), Redacted.make("fake-other-secret"))
      assert.strictEqual(yield* statusOf(url, { body, signature: other }), 401)
      assert.strictEqual(yield* statusOf(url, { id: "" }), 400)
      assert.strictEqual(yield* statusOf(url, { id: "a b" }), 400)
      assert.strictEqual(yield* statusOf(url, { event: "" }), 400)
      assert.strictEqual(yield* statusOf(url, { body: "{not json" }), 400)
      assert.strictEqual(yield* statusOf(url, { payload: { action: "opened" } }), 400)
      assert.strictEqual(handled.length, 0)
      assert.strictEqual(yield* statusOf(url, { body, signature }), 202)
    }).pipe(Effect.scoped)
  )

  it.live("parses nothing and claims nothing before the signature is verified", () =>
    Effect.gen(function* () {
      const claims: Array<string> = []
      const watched = Layer.succeed(Deliveries.Deliveries, {
        claim: (id) => Effect.suspend(() => (claims.push(id), Effect.fail(dead("claimDelivery")))),
        extend: () => Effect.void,
        complete: () => Effect.void,
        fail: () => Effect.void
      })
      const url = yield* serve(() => Effect.void, {}, watched)
      // Were it parsed first, this would be 400.
      assert.strictEqual(
        yield* statusOf(url, { body: "{not json", signature: `sha256=${"0".repeat(64)}` }),
        401
      )
      assert.strictEqual(yield* statusOf(url, { body: "{not json" }), 400)
      assert.deepStrictEqual(claims, [])
      assert.strictEqual(yield* statusOf(url), 503)
      assert.deepStrictEqual(claims, ["delivery-1"])
    }).pipe(Effect.scoped)
  )

  it.live("takes the new and the old secret while they are exchanged", () =>
    Effect.gen(function* () {
      const [next, { handle }] = [Redacted.make("fake-next"), counted(2)]
      const url = yield* serve(handle, { secrets: [next, secret] })
      assert.strictEqual(yield* statusOf(url, { id: "a" }), 202)
      const signature = WebhookSignature.sign(Buffer.from(JSON.stringify(issue(1))), next)
      assert.strictEqual(yield* statusOf(url, { id: "b", signature }), 202)
    }).pipe(Effect.scoped)
  )

  it.live("refuses a body that is too large, whether its size was announced or not", () =>
    Effect.gen(function* () {
      const { handle, handled } = counted(1)
      const url = yield* serve(handle, { maxBodyBytes: 1000 })
      const body = JSON.stringify({ ...issue(1), padding: "x".repeat(2000) })
      assert.strictEqual(yield* statusOf(url, { body }), 413)
      // Without an announced size, and without an end.
      const endless = yield* Effect.callback<number | undefined>((resume) => {
        const request = Http.request(url, {
          method: "POST",
          headers: { "x-hub-signature-256": `sha256=${"0".repeat(64)}`, "x-github-event": "push" }
        })
        request.on("response", (response) => {
          resume(Effect.succeed(response.statusCode))
          request.destroy()
        })
        request.on("error", () => {})
        const more = () => {
          if (!request.destroyed) request.write("x".repeat(600), () => setImmediate(more))
        }
        more()
        return Effect.sync(() => request.destroy())
      })
      assert.strictEqual(endless, 413)
      assert.strictEqual(handled.length, 0)
      assert.strictEqual(yield* statusOf(url), 202)
    }).pipe(Effect.scoped)
  )

  it.live("holds only so many bytes and bodies of unverified deliveries, over all connections", () =>
    Effect.gen(function* () {
      const { handle } = counted(10)
      const url = yield* serve(handle, {
        maxHeldBytes: 10_000,
        maxBodies: 2,
        maxBodyBytes: 8000,
        bodyTimeout: "10 minutes"
      })
      /** Announces a body and sends only its start. */
      const hang = (announced: number) =>
        Effect.acquireRelease(
          Effect.callback<Http.ClientRequest>((resume) => {
            const request = Http.request(url, {
              method: "POST",
              headers: {
                "x-hub-signature-256": `sha256=${"0".repeat(64)}`,
                "content-length": String(announced)
              }
            })
            request.on("error", () => {})
            request.write("slow", () => resume(Effect.succeed(request)))
          }),
          (request) => Effect.sync(() => request.destroy())
        )
      const large = JSON.stringify({ ...issue(1), padding: "x".repeat(6000) })
      let ids = 0
      const next = (body?: string) =>
        statusOf(url, { id: `d${ids++}`, ...(body === undefined ? {} : { body }) })
      const first = yield* hang(8000)
      yield* eventually(next(large), (status) => status === 503)
      assert.strictEqual(yield* next(), 202)
      yield* hang(100)
      yield* eventually(next(), (status) => status === 503)
      first.destroy()
      yield* eventually(next(large), (status) => status === 202)
    }).pipe(Effect.scoped)
  )

  it.effect("gives up a body that does not arrive in time", () =>
    Effect.gen(function* () {
      const url = yield* serve(() => Effect.void, { bodyTimeout: "10 seconds" })
      const status = yield* Effect.forkChild(
        Effect.callback<number | undefined>((resume) => {
          const request = Http.request(url, {
            method: "POST",
            headers: { "x-hub-signature-256": `sha256=${"0".repeat(64)}`, "content-length": "100" }
          })
          request.on("response", (response) => resume(Effect.succeed(response.statusCode)))
          request.on("error", () => {})
          request.write("slow")
          return Effect.sync(() => request.destroy())
        })
      )
      yield* eventually(
        Effect.andThen(
          TestClock.adjust("1 second"),
          Effect.sync(() => status.pollUnsafe())
        ),
        (exit) => exit !== undefined
      )
      assert.strictEqual(yield* Fiber.join(status), 408)
    }).pipe(Effect.scoped)
  )

  it.live("refuses deliveries beyond the capacity without claiming them, and accepts them later", () =>
    Effect.gen(function* () {
      const slow = gate()
      const url = yield* serve(() => slow.wait, { capacity: 3, concurrency: 1 })
      for (const [index, id] of ["a", "b", "c"].entries()) {
        assert.strictEqual(yield* statusOf(url, { id, payload: issue(index) }), 202)
      }
      const full = yield* send(url, { id: "d" })
      assert.strictEqual(full.status, 503)
      assert.strictEqual(full.headers.get("retry-after"), "10")
      yield* slow.open
      assert.strictEqual(yield* eventually(statusOf(url, { id: "d" }), (status) => status !== 503), 202)
    }).pipe(Effect.scoped)
  )

  it.live(
    "handles events of one key in their order and those of others at the same time, within the limit",
    () =>
      Effect.gen(function* () {
        const order: Array<string> = []
        let [running, most] = [0, 0]
        const [go, done] = [gate(), gate()]
        const handle = ({ event, id }: WebhookReceiver.Delivery) =>
          Effect.gen(function* () {
            most = Math.max(most, ++running)
            if (running === 3) yield* go.open
            yield* go.wait
            // Lets others run in between, so that an order that is not kept shows.
            for (let count = 0; count < 5; count++) yield* turn
            assert(event._tag === "Issues")
            order.push(`${event.issue.number}/${id}`)
            running--
            if (order.length === 20) yield* done.open
          })
        const url = yield* serve(handle, { concurrency: 3 })
        for (let count = 0; count < 20; count++) {
          const id = String(count).padStart(2, "0")
          assert.strictEqual(yield* statusOf(url, { id, payload: issue(count % 4) }), 202)
        }
        yield* done.wait
        assert.strictEqual(most, 3)
        for (const number of [0, 1, 2, 3]) {
          const mine = order.filter((one) => one.startsWith(`${number}/`))
          assert.deepStrictEqual(mine, mine.toSorted())
          assert.strictEqual(mine.length, 5)
        }
      }).pipe(Effect.scoped)
  )

  it.live("lets nothing of one key overtake, however long the first takes", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const [other, done] = [gate(), gate()]
      const url = yield* serve(({ id }: WebhookReceiver.Delivery) =>
        Effect.gen(function* () {
          if (id === "first") yield* other.wait
          order.push(id)
          if (id === "other") yield* other.open
          if (order.length === 3) yield* done.open
        })
      )
      for (const [id, number] of [
        ["first", 1],
        ["second", 1],
        ["other", 2]
      ] as const) {
        assert.strictEqual(yield* statusOf(url, { id, payload: issue(number) }), 202)
      }
      yield* done.wait
      assert.deepStrictEqual(order, ["other", "first", "second"])
    }).pipe(Effect.scoped)
  )

  it.live("keeps no room for what it did not accept", () =>
    Effect.gen(function* () {
      const slow = gate()
      const store = Context.get(yield* Layer.build(Deliveries.layerMemory()), Deliveries.Deliveries)
      let failures = 3
      const flaky = Layer.succeed(Deliveries.Deliveries, {
        ...store,
        claim: (id, claimant) =>
          Effect.suspend(() =>
            failures-- > 0 ? Effect.fail(dead("claimDelivery")) : store.claim(id, claimant)
          )
      })
      const url = yield* serve(() => slow.wait, { capacity: 2 }, flaky)
      for (let count = 0; count < 3; count++) assert.strictEqual(yield* statusOf(url), 503)
      assert.strictEqual(yield* statusOf(url), 202)
      for (let count = 0; count < 3; count++) assert.strictEqual(yield* statusOf(url), 409)
      assert.strictEqual(yield* statusOf(url, { id: "delivery-2", payload: issue(2) }), 202)
      yield* slow.open
    }).pipe(Effect.scoped)
  )

  it.live("notes what was handled although the store was away for a moment", () =>
    Effect.gen(function* () {
      const store = Context.get(yield* Layer.build(Deliveries.layerMemory()), Deliveries.Deliveries)
      let failures = 1
      const flaky = Layer.succeed(Deliveries.Deliveries, {
        ...store,
        complete: (id, token) =>
          Effect.suspend(() =>
            failures-- > 0 ? Effect.fail(dead("completeDelivery")) : store.complete(id, token)
          )
      })
      const { handle, handled } = counted(1)
      const url = yield* serve(handle, {}, flaky)
      assert.strictEqual(yield* statusOf(url), 202)
      assert.strictEqual(yield* eventually(statusOf(url), (status) => status !== 409), 200)
      assert.strictEqual(handled.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("lets a delivery whose handling failed come again, and counts the attempts", () =>
    Effect.gen(function* () {
      const attempts: Array<number> = []
      const url = yield* serve(({ attempt }) => {
        attempts.push(attempt)
        return attempt === 1 ? Effect.fail("broken") : attempt === 2 ? Effect.die("worse") : Effect.void
      })
      for (let count = 0; count < 3; count++) {
        assert.strictEqual(yield* eventually(statusOf(url), (status) => status !== 409), 202)
      }
      assert.strictEqual(yield* eventually(statusOf(url), (status) => status !== 409), 200)
      assert.deepStrictEqual(attempts, [1, 2, 3])
    }).pipe(Effect.scoped)
  )

  it.effect("gives up handling that takes too long", () =>
    Effect.gen(function* () {
      const url = yield* serve(() => Effect.never, { timeLimit: "5 minutes" })
      assert.strictEqual(yield* statusOf(url), 202)
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(yield* statusOf(url), 409)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* eventually(statusOf(url), (status) => status !== 409), 202)
    }).pipe(Effect.scoped)
  )

  it.effect("extends its claim while it works, and another process takes over after a crash", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(Deliveries.layerMemory())
      const { claim } = Context.get(store, Deliveries.Deliveries)
      const shared = Layer.succeedContext(store)
      const alive = yield* Scope.make()
      const url = yield* Scope.provide(
        serve(() => Effect.never, {}, shared),
        alive
      )
      const { handle, handled } = counted(1)
      const other = yield* serve(handle, {}, shared)
      assert.strictEqual(yield* statusOf(url), 202)
      for (let minutes = 0; minutes < 10; minutes++) {
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* statusOf(other), 409)
      }
      yield* Scope.close(alive, Exit.void)
      // A scope that is closed gives the claim back. A process that is killed does not:
      yield* claim("killed", { holder: "dead", expiresIn: Duration.minutes(1) })
      assert.strictEqual(yield* statusOf(other, { id: "killed" }), 409)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* statusOf(other, { id: "killed" }), 202)
      assert.strictEqual(
        yield* eventually(statusOf(other, { id: "killed" }), (status) => status !== 409),
        200
      )
      assert.deepStrictEqual(
        handled.map(({ attempt, id }) => [id, attempt]),
        [["killed", 2]]
      )
      assert.strictEqual(yield* statusOf(other), 202)
    }).pipe(Effect.scoped)
  )

  it.effect("stops when another process has taken over", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(Deliveries.layerMemory())
      const { claim, complete } = Context.get(store, Deliveries.Deliveries)
      const [stopped, broken] = [gate(), { extend: true }]
      // The store is away for so long that the claim expires.
      const flaky = Layer.succeed(Deliveries.Deliveries, {
        ...Context.get(store, Deliveries.Deliveries),
        extend: (...args) =>
          Effect.suspend(() =>
            broken.extend
              ? Effect.fail(dead("extendDelivery"))
              : Context.get(store, Deliveries.Deliveries).extend(...args)
          )
      })
      const url = yield* serve(() => Effect.onInterrupt(Effect.never, () => stopped.open), {}, flaky)
      assert.strictEqual(yield* statusOf(url), 202)
      yield* TestClock.adjust("2 minutes")
      const taken = yield* claim("delivery-1", { holder: "other", expiresIn: Duration.minutes(1) })
      assert(taken._tag === "Claimed")
      broken.extend = false
      yield* TestClock.adjust("30 seconds")
      yield* stopped.wait
      yield* complete("delivery-1", taken.token)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "finishes what it accepted before it closes, and gives back the rest when that takes too long",
    () =>
      Effect.gen(function* () {
        const store = yield* Layer.build(Deliveries.layerMemory())
        const { claim } = Context.get(store, Deliveries.Deliveries)
        const scope = yield* Scope.make()
        const slow = gate()
        const handle = ({ id }: WebhookReceiver.Delivery) => (id === "short" ? slow.wait : Effect.never)
        const url = yield* Scope.provide(
          serve(handle, { grace: "30 seconds" }, Layer.succeedContext(store)),
          scope
        )
        assert.strictEqual(yield* statusOf(url, { id: "short" }), 202)
        assert.strictEqual(yield* statusOf(url, { id: "endless", payload: issue(2) }), 202)
        assert.strictEqual(yield* statusOf(url, { id: "waiting", payload: issue(2) }), 202)
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* turn
        yield* slow.open
        yield* eventually(
          Effect.andThen(
            TestClock.adjust("1 second"),
            Effect.sync(() => closing.pollUnsafe())
          ),
          (exit) => exit !== undefined
        )
        const claimant = { holder: "test", expiresIn: Duration.minutes(1) }
        assert.strictEqual((yield* claim("short", claimant))._tag, "Processed")
        for (const id of ["endless", "waiting"]) {
          const again = yield* claim(id, claimant)
          assert(again._tag === "Claimed")
          assert.strictEqual(again.attempt, 2)
        }
      }).pipe(Effect.scoped)
  )

  it.live("shows no secret in logs or answers", () => {
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.map(Logger.formatJson, (line) => lines.push(line))])
    return Effect.gen(function* () {
      const url = yield* serve(() => Effect.fail("broken"))
      const answers = [
        yield* send(url),
        yield* send(url, { signature: null }),
        yield* send(url, { body: "{" })
      ]
      yield* eventually(
        Effect.sync(() => lines.some((line) => line.includes("was not handled"))),
        (is) => is
      )
      const shown = JSON.stringify([lines, answers.map(({ text }) => text)])
      assert.notInclude(shown, "canary")
      assert.notInclude(shown, WebhookSignature.sign(Buffer.from(JSON.stringify(issue(1))), secret))
    }).pipe(Effect.scoped, Effect.provide(logger))
  })

  it.effect("is not started without a secret", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Layer.build(WebhookReceiver.layerConfig({ handle: () => Effect.void })).pipe(
          Effect.provide([RemoteAgentConfig.layerFrom({}), Deliveries.layerMemory(), HttpRouter.layer]),
          Effect.scoped
        )
      )
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, "GITHUB_WEBHOOK_SECRET")
    })
  )
})

const git = (cwd: string, ...args: ReadonlyArray<string>) =>
  Effect.promise(() =>
    promisify(execFile)("git", ["-C", cwd, ...args], {
      env: { PATH: env["PATH"], GIT_CONFIG_GLOBAL: devNull, GIT_CONFIG_NOSYSTEM: "1", HOME: tmpdir() }
    })
  )

describe("Webhook and a repository", () => {
  const repo = { owner: "acme", name: "app" }

  it.live("receives real pushes, pull requests and issues, and handles a redelivery once", () =>
    Effect.gen(function* () {
      const fake = yield* FakeGitHub.make()
      yield* fake.createRepository("acme/app")
      yield* fake.commit("acme/app", "main", { "README.md": "one" })
      const gitHub = yield* GitHub.make({
        apiUrl: fake.url,
        credential: { _tag: "token", token: fake.token }
      })
      const { all, handle, handled } = counted(5)
      const url = yield* serve(handle)
      yield* gitHub.createWebhook(repo, { url, events: ["push", "pull_request", "issues"], secret })
      const folder = yield* Effect.acquireRelease(
        Effect.promise(async () => (await promisify(execFile)("mktemp", ["-d"])).stdout.trim()),
        (path) => Effect.promise(() => promisify(execFile)("rm", ["-rf", path]))
      )
      const remote = `${fake.url.replace("//", `//x-access-token:${Redacted.value(fake.token)}@`)}/acme/app.git`
      yield* git(folder, "clone", "-q", remote, ".")
      yield* git(
        folder,
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@b.c",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "Pushed"
      )
      yield* git(
        folder,
        "push",
        "-q",
        "origin",
        "HEAD:refs/heads/main",
        "HEAD:refs/heads/feat/x",
        "HEAD:refs/tags/v1"
      )
      const sha = (yield* fake.git("acme/app", ["rev-parse", "main"])).trim()
      yield* gitHub.createIssue(repo, { title: "Broken" })
      yield* all
      yield* fake.settled
      const pushes = handled
        .map(({ event }) => event)
        .filter((event): event is WebhookEvent.Push => event._tag === "Push")
        .toSorted((a, b) => (a.ref < b.ref ? -1 : 1))
      assert.deepStrictEqual(
        pushes.map(({ branch, isDefaultBranch, ref }) => [ref, branch, isDefaultBranch]),
        [
          ["refs/heads/feat/x", "feat/x", false],
          ["refs/heads/main", "main", true],
          ["refs/tags/v1", undefined, false]
        ]
      )
      assert.deepInclude(pushes[1], { after: sha, created: false, repository: repo, sender: "octocat" })
      assert.deepStrictEqual(pushes[1]?.commits, [{ id: sha, message: "Pushed" }])
      assert.deepStrictEqual(handled.map(({ event }) => event._tag).toSorted(), [
        "Issues",
        "Ping",
        "Push",
        "Push",
        "Push"
      ])
      for (const { id } of handled) yield* fake.redeliver("acme/app", id)
      assert.deepStrictEqual(
        fake.deliveries.map(({ status }) => status),
        [202, 202, 202, 202, 202, 200, 200, 200, 200, 200]
      )
      assert.strictEqual(handled.length, 5)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

const decode = (event: string, payload: unknown, type?: string) =>
  WebhookEvent.decode(
    event,
    Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload)),
    type
  )

describe("decode", () => {
  it.effect("decodes the form that a webhook created by hand sends", () =>
    Effect.gen(function* () {
      const form = new URLSearchParams({ payload: JSON.stringify(issue(7)) }).toString()
      const event = yield* decode("issues", form, "application/x-www-form-urlencoded")
      assert(event._tag === "Issues")
      assert.strictEqual(event.issue.number, 7)
      assert.strictEqual(event.sender, "ann")
    })
  )

  it.effect("returns unknown events unchanged", () =>
    Effect.gen(function* () {
      const payload = { action: "completed", workflow_run: { id: 1 }, repository: { full_name: "acme/app" } }
      assert.deepStrictEqual(yield* decode("workflow_run", payload), {
        _tag: "Other",
        name: "workflow_run",
        payload
      })
    })
  )

  it.effect("distinguishes comments on pull requests from those on issues, and names deleted accounts", () =>
    Effect.gen(function* () {
      const comment = { id: 5, html_url: "https://github.com/x", body: "Hm", user: null }
      const payload = { ...issue(7, "created"), comment, sender: null }
      const plain = yield* decode("issue_comment", payload)
      const onPull = yield* decode("issue_comment", {
        ...payload,
        issue: { ...payload.issue, pull_request: {} }
      })
      assert(plain._tag === "IssueComment" && onPull._tag === "IssueComment")
      assert.deepStrictEqual([plain.isPullRequest, onPull.isPullRequest], [false, true])
      assert.deepStrictEqual([plain.comment.author, plain.sender], ["ghost", "ghost"])
    })
  )

  it.effect("requires only the fields of a payload that are read", () =>
    Effect.gen(function* () {
      const repository = { id: 99, name: "app", owner: { login: "acme" } }
      const pull = yield* decode("pull_request", {
        action: "review_requested",
        repository,
        pull_request: {
          number: 7,
          html_url: null,
          state: "merged",
          requested_reviewers: [{ login: "ann" }, { slug: "a-team", id: 1 }, null],
          requested_teams: [null, { slug: "b-team" }],
          labels: [{ name: "bug" }, "old"],
          head: { ref: "f" }
        }
      })
      assert.deepStrictEqual(pull, {
        _tag: "PullRequest",
        repository: { owner: "acme", name: "app" },
        repositoryId: 99,
        sender: "ghost",
        action: "review_requested",
        pullRequest: { number: 7, reviewers: ["ann"], teamReviewers: ["b-team"], labels: ["bug", "old"] }
      })
      const { issue: whole } = issue(7)
      const { created_at: _, state: __, ...less } = whole
      const opened = yield* decode("issues", { action: "deleted", repository, issue: less })
      assert(opened._tag === "Issues")
      assert.notProperty(opened.issue, "state")
      assert.deepInclude(opened.issue, { number: 7, title: "Issue 7", author: "ann", body: "" })
      const commented = yield* decode("issue_comment", { repository, issue: { number: 7 } })
      assert(commented._tag === "IssueComment")
      assert.deepStrictEqual(commented.comment, {})
      const pushed = yield* decode("push", {
        repository: { name: "app", owner: { name: "acme" }, default_branch: "main" },
        ref: "refs/heads/main",
        before: "0".repeat(40),
        after: "1".repeat(40)
      })
      assert(pushed._tag === "Push")
      assert.deepInclude(pushed, {
        isDefaultBranch: true,
        created: true,
        deleted: false,
        forced: false,
        repositoryId: undefined
      })
    })
  )

  it.effect("refuses other payloads without showing their content", () =>
    Effect.gen(function* () {
      for (const [event, payload] of [
        ["push", { ref: "canary" }],
        ["push", "canary"],
        ["pull_request", issue(1)],
        ["ping", { hook_id: "canary" }],
        ["issues", new URLSearchParams({ other: "canary" }).toString()]
      ] as const) {
        const error = yield* Effect.flip(decode(event, payload))
        assert.strictEqual(error._tag, "Malformed")
        assert.include(error.message, event)
        assert.notInclude(JSON.stringify(error), "canary")
      }
      const broken = yield* Effect.flip(WebhookEvent.decode("push", Uint8Array.from([0xff, 0xfe])))
      assert.strictEqual(broken._tag, "Malformed")
    })
  )
})
