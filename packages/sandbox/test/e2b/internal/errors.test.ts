import { assert, it, vi } from "@effect/vitest"
import { SandboxError, SandboxLabels } from "@remote-agent/domain"
import { E2bSandboxes } from "@remote-agent/sandbox"
import type { Sandboxes } from "@remote-agent/sandbox"
import { Clock, Duration, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { classify } from "../../../src/e2b/internal/errors.ts"
import {
  type Answer,
  type Arrived,
  deadUrl,
  detail,
  html,
  id,
  isCreate,
  isList,
  json,
  outcomeOf,
  pointedAt,
  refusal,
  reply,
  reset,
  serve,
  silence,
  type Tag,
  view
} from "../../support/wire.ts"

// The duration of real requests depends on the machine.
vi.setConfig({ testTimeout: 60_000 })

type Question = (
  sandboxes: Sandboxes.Sandboxes["Service"]
) => Effect.Effect<unknown, SandboxError.SandboxError>

const questions = {
  create: (sandboxes) => sandboxes.launch({ ttl: "1 minute" }),
  connect: (sandboxes) => sandboxes.connect(id, "1 minute"),
  info: (sandboxes) => sandboxes.info(id),
  list: (sandboxes) => Stream.runCollect(sandboxes.list()),
  pause: (sandboxes) => sandboxes.pause(id),
  resume: (sandboxes) => sandboxes.resume(id, "1 minute"),
  terminate: (sandboxes) => sandboxes.terminate(id),
  extend: (sandboxes) => sandboxes.extend(id, "1 minute")
} satisfies Record<string, Question>

type Operation = keyof typeof questions

/** The requests of the call itself, without those that only diagnose it. */
const isAsked: Record<Operation, (arrived: Arrived) => boolean> = {
  create: isCreate,
  connect: ({ path }) => path.endsWith("/connect"),
  info: ({ method }) => method === "GET",
  list: isList,
  pause: ({ path }) => path.endsWith("/pause"),
  resume: ({ path }) => path.endsWith("/connect"),
  terminate: ({ method }) => method === "DELETE",
  extend: ({ path }) => path.endsWith("/timeout")
}

const ask = Effect.fnUntraced(function* (operation: Operation, answer: Answer, timeout?: string) {
  const { arrived, url } = yield* serve((request) => {
    if (isAsked[operation](request)) return answer
    return isList(request) ? json(200, []) : json(200, detail("running"))
  })
  const sandboxes = yield* E2bSandboxes.make(
    pointedAt(url, timeout === undefined ? {} : { requestTimeout: "500 millis" })
  )
  const outcome = yield* outcomeOf(questions[operation](sandboxes))
  return { ...outcome, requests: arrived.filter(isAsked[operation]).length }
})

/** A response, and the reasons of a create and of an idempotent call that receive it. */
interface Row {
  readonly name: string
  readonly answer: Answer
  readonly create: readonly [Tag, retryable: boolean, requests: number]
  readonly info: readonly [Tag, retryable: boolean, requests: number]
}

const seconds = { "retry-after": "0" }

const rows: ReadonlyArray<Row> = [
  {
    name: "400",
    answer: refusal(400),
    create: ["InvalidRequest", false, 1],
    info: ["InvalidRequest", false, 1]
  },
  {
    name: "401",
    answer: refusal(401),
    create: ["Unauthorized", false, 1],
    info: ["Unauthorized", false, 1]
  },
  {
    name: "403",
    answer: refusal(403),
    create: ["InvalidRequest", false, 1],
    info: ["InvalidRequest", false, 1]
  },
  {
    name: "404 in the API's own words",
    answer: refusal(404),
    create: ["InvalidRequest", false, 1],
    info: ["Gone", false, 1]
  },
  {
    name: "404 without a body",
    answer: reply(404),
    create: ["InvalidRequest", false, 1],
    info: ["ProviderFailed", true, 3]
  },
  {
    name: "404 from something that is not the API",
    answer: html(404),
    create: ["InvalidRequest", false, 1],
    info: ["ProviderFailed", true, 3]
  },
  {
    name: "408",
    answer: refusal(408),
    create: ["ProviderFailed", false, 1],
    info: ["ProviderFailed", true, 3]
  },
  { name: "409", answer: refusal(409), create: ["Busy", true, 3], info: ["Busy", true, 3] },
  { name: "429", answer: refusal(429), create: ["QuotaExceeded", true, 3], info: ["RateLimited", true, 3] },
  {
    name: "429 with a time",
    answer: refusal(429, seconds),
    create: ["RateLimited", true, 3],
    info: ["RateLimited", true, 3]
  },
  {
    name: "500",
    answer: refusal(500),
    create: ["ProviderFailed", false, 1],
    info: ["ProviderFailed", true, 3]
  },
  {
    name: "502 as a page of HTML",
    answer: html(502),
    create: ["ProviderFailed", false, 1],
    info: ["ProviderFailed", true, 3]
  },
  { name: "503", answer: refusal(503), create: ["Busy", true, 3], info: ["Busy", true, 3] },
  {
    name: "503 with a time",
    answer: refusal(503, seconds),
    create: ["Busy", true, 3],
    info: ["Busy", true, 3]
  },
  {
    name: "504",
    answer: refusal(504),
    create: ["ProviderFailed", false, 1],
    info: ["ProviderFailed", true, 3]
  },
  {
    name: "a page of HTML as if all were well",
    answer: html(200),
    create: ["Unreachable", false, 1],
    info: ["Unreachable", true, 3]
  },
  {
    name: "an object that describes no sandbox",
    answer: json(200, {}),
    create: ["Unreachable", false, 1],
    info: ["Unreachable", true, 3]
  },
  {
    name: "a reset before a word was said",
    answer: reset,
    create: ["Unreachable", false, 1],
    info: ["Unreachable", true, 3]
  }
]

for (const { answer, create, info, name } of rows) {
  it.live(`${name}: a create is ${create[0]}, asked ${create[2]} times`, () =>
    Effect.gen(function* () {
      const [reason, isRetryable, requests] = create
      assert.deepStrictEqual(yield* ask("create", answer), { reason, isRetryable, requests })
    })
  )
  it.live(`${name}: a question is ${info[0]}, asked ${info[2]} times`, () =>
    Effect.gen(function* () {
      const [reason, isRetryable, requests] = info
      assert.deepStrictEqual(yield* ask("info", answer), { reason, isRetryable, requests })
    })
  )
}

const others: ReadonlyArray<
  readonly [Operation, name: string, Answer, Tag, retryable: boolean, requests: number]
> = [
  ["list", "401", refusal(401), "Unauthorized", false, 1],
  ["list", "502 as a page of HTML", html(502), "ProviderFailed", true, 3],
  ["list", "sandboxes that are none", json(200, [{}]), "Unreachable", true, 1],
  ["terminate", "404 in the API's own words", refusal(404), "none", false, 1],
  ["terminate", "404 without a body", reply(404), "ProviderFailed", true, 3],
  ["terminate", "500", refusal(500), "ProviderFailed", true, 3],
  ["terminate", "a reset", reset, "Unreachable", true, 3],
  ["pause", "404 in the API's own words", refusal(404), "Gone", false, 1],
  ["pause", "409 though it does not sleep", refusal(409), "Busy", true, 1],
  ["pause", "500", refusal(500), "ProviderFailed", false, 1],
  ["pause", "504", refusal(504), "ProviderFailed", false, 1],
  ["pause", "a reset", reset, "Unreachable", false, 1],
  ["connect", "404 in the API's own words", refusal(404), "Gone", false, 1],
  ["connect", "409", refusal(409), "Busy", true, 3],
  ["connect", "504", refusal(504), "ProviderFailed", true, 3],
  ["resume", "404 in the API's own words", refusal(404), "Gone", false, 1],
  ["resume", "500", refusal(500), "ProviderFailed", true, 3],
  ["extend", "503", refusal(503), "Busy", true, 3]
]

for (const [operation, name, answer, reason, isRetryable, requests] of others) {
  it.live(`${name}: ${operation} is ${reason}, asked ${requests} times`, () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask(operation, answer), { reason, isRetryable, requests })
    })
  )
}

it.live("no response: a create fails once, and is not repeated", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* ask("create", silence, "short"), {
      reason: "RequestTimedOut",
      isRetryable: false,
      requests: 1
    })
  })
)

it.live("no response: an idempotent call is retried", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* ask("info", silence, "short"), {
      reason: "RequestTimedOut",
      isRetryable: true,
      requests: 3
    })
  })
)

it.live("no listener: a create is Unreachable, certainly never arrived, and may be repeated", () =>
  Effect.gen(function* () {
    const sandboxes = yield* E2bSandboxes.make(pointedAt(yield* deadUrl))
    const error = yield* Effect.flip(sandboxes.launch({ ttl: "1 minute" }))
    assert.strictEqual(error.reason._tag === "Unreachable" && error.reason.sent, false)
    assert.isTrue(error.isRetryable)
  })
)

it.live("an unknown host name: a create is Unreachable and certainly never arrived", () =>
  Effect.gen(function* () {
    const sandboxes = yield* E2bSandboxes.make(pointedAt("http://nobody.invalid"))
    const error = yield* Effect.flip(sandboxes.launch({ ttl: "1 minute" }))
    assert.deepInclude(error.reason, { _tag: "Unreachable", sent: false })
  })
)

it.live(
  "a template too old for the SDK: a create reports it, is tried once, and its sandbox is terminated",
  () =>
    Effect.gen(function* () {
      const { arrived, url } = yield* serve((request) =>
        isCreate(request) ? json(201, { ...view, envdVersion: "0.0.9" }) : reply(204)
      )
      const sandboxes = yield* E2bSandboxes.make(pointedAt(url))
      const error = yield* Effect.flip(sandboxes.launch({ ttl: "1 minute" }))
      assert(error.reason._tag === "InvalidRequest", error.reason._tag)
      assert.include(error.reason.detail, "template")
      assert.isFalse(error.isRetryable)
      assert.deepStrictEqual(
        arrived.map(({ method }) => method),
        ["POST", "DELETE"]
      )
    })
)

it.live("an operation that an older template does not support is an InvalidRequest", () =>
  Effect.gen(function* () {
    const sdk = yield* Effect.promise(() => import("e2b"))
    for (const operation of ["watch", "write", "exec"] as const) {
      const read = classify(sdk, new sdk.TemplateError("You need to update the template."), { operation })
      assert(read._tag === "known", operation)
      assert.deepStrictEqual(
        read.reason,
        new SandboxError.InvalidRequest({ detail: "You need to update the template." })
      )
    }
  })
)

const asleep = (status: number) =>
  Effect.gen(function* () {
    const { arrived, url } = yield* serve((request) =>
      isAsked.extend(request) ? refusal(status) : json(200, detail("paused"))
    )
    const { extend } = yield* E2bSandboxes.make(pointedAt(url))
    const error = yield* Effect.flip(extend(id, "1 minute"))
    assert.strictEqual(error.reason._tag, "Paused")
    assert.strictEqual(arrived.filter(isAsked.extend).length, 1)
  })

for (const status of [404, 409]) {
  it.live(`${status}: a life that cannot be extended because the sandbox sleeps is Paused`, () =>
    asleep(status)
  )
}

it.live("404 with the API's explanation: extending the ttl of a sandbox that has ended is Gone", () =>
  Effect.gen(function* () {
    const { url } = yield* serve(() => refusal(404))
    const { extend } = yield* E2bSandboxes.make(pointedAt(url))
    assert.strictEqual((yield* Effect.flip(extend(id, "1 minute"))).reason._tag, "Gone")
  })
)

it.live("429: reports how long to wait, and does not wait beyond the retry window", () =>
  Effect.gen(function* () {
    const { arrived, url } = yield* serve(() => refusal(429, { "retry-after": "7" }))
    const { info } = yield* E2bSandboxes.make(pointedAt(url, { retryWindow: "6 seconds" }))
    const { reason } = yield* Effect.flip(info(id))
    assert.deepStrictEqual(reason, new SandboxError.RateLimited({ retryAfter: Duration.seconds(7) }))
    assert.strictEqual(arrived.length, 1)
  })
)

it.effect("429: retries at the requested time, and not before", () =>
  Effect.gen(function* () {
    const { arrived, url } = yield* serve((_, index) =>
      index === 0 ? refusal(429, { "retry-after": "7" }) : json(200, detail("paused"))
    )
    const { info } = yield* E2bSandboxes.make(pointedAt(url))
    const asking = yield* Effect.forkChild(info(id))
    // The server is real and the clock is virtual, so the clock advances only after a turn of the event loop.
    while (asking.pollUnsafe() === undefined) {
      yield* Effect.promise(() => new Promise(setImmediate))
      yield* TestClock.adjust("1 second")
      const elapsed = yield* Clock.currentTimeMillis
      if (elapsed < 7000) assert.isAtMost(arrived.length, 1)
    }
    assert.isAtLeast(yield* Clock.currentTimeMillis, 7000)
    assert.strictEqual((yield* Fiber.join(asking)).state, "paused")
    assert.strictEqual(arrived.length, 2)
  })
)

it.live("a transient failure is hidden", () =>
  Effect.gen(function* () {
    const { arrived, url } = yield* serve((_, index) =>
      index < 2 ? refusal(503) : json(200, detail("paused"))
    )
    const sandboxes = yield* E2bSandboxes.make(pointedAt(url))
    assert.strictEqual((yield* sandboxes.info(id)).state, "paused")
    assert.strictEqual(arrived.length, 3)
  })
)

it.live("the key, metadata, environment and ttl are sent in E2B's form", () =>
  Effect.gen(function* () {
    const { arrived, url } = yield* serve(() => json(201, view))
    const sandboxes = yield* E2bSandboxes.make(pointedAt(url, { template: "ours" }))
    yield* sandboxes.launch({
      ttl: "90500 millis",
      onExpiry: "pause",
      metadata: { a: "b" },
      allowInternetAccess: false
    })
    const body = JSON.parse(new TextDecoder().decode(arrived[0]?.body)) as Record<string, unknown>
    const { metadata, ...rest } = body
    assert.deepInclude(metadata, { a: "b" })
    assert.match((metadata as Record<string, string>)[SandboxLabels.attemptKey] ?? "", /^att_/)
    assert.deepStrictEqual(rest, {
      templateID: "ours",
      envVars: {},
      timeout: 91,
      allow_internet_access: false,
      autoPause: true
    })
    assert.strictEqual(arrived[0]?.headers["x-api-key"], "e2b_fake_key")
  })
)
