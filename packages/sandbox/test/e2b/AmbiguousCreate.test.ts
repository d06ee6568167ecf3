import { assert, it, vi } from "@effect/vitest"
import { Id, SandboxError, SandboxLabels } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { E2bSandboxes, type Sandboxes } from "@remote-agent/sandbox"
import { Effect, Fiber, Stream } from "effect"
import {
  type Answer,
  type Arrived,
  forward,
  isCreate,
  isList,
  pointedAt,
  type Respond,
  refusal,
  reset,
  serve,
  silence
} from "../support/wire.ts"

// The duration of real processes and requests depends on the machine.
vi.setConfig({ testTimeout: 60_000 })

/** The fault of a create; every other request passes. */
type Fault = (arrived: Arrived, pass: () => Promise<Answer>) => Promise<Answer>

interface Options extends Partial<E2bSandboxes.Options> {
  readonly create?: Fault | undefined
  readonly list?: Fault | undefined
  readonly other?: Fault | undefined
}

/** A real server, an adapter behind a proxy with the faults of `options`, and an adapter without a proxy. */
const world = Effect.fnUntraced(function* ({ create, list, other, ...options }: Options) {
  const { apiKey, live, url } = yield* E2bServer.E2bServer
  const respond: Respond = (arrived) => {
    const fault = isCreate(arrived) ? create : isList(arrived) ? list : other
    const pass = () => forward(url, arrived)
    return fault === undefined ? pass() : fault(arrived, pass)
  }
  const proxy = yield* serve(respond)
  const sandboxes = yield* E2bSandboxes.make(pointedAt(proxy.url, { ...options, apiKey }))
  const truth = yield* E2bSandboxes.make(pointedAt(url, { apiKey }))
  const alive = Effect.map(Stream.runCollect(truth.list()), (all) =>
    all.map((info) => ({ id: info.id, attempt: info.metadata[SandboxLabels.attemptKey] }))
  )
  const creates = () => proxy.arrived.filter(isCreate).length
  return { alive, creates, live, proxy, sandboxes, truth }
})

const spec = { ttl: "2 minutes" } as const

const thenReset: Fault = async (_, pass) => {
  await pass()
  return reset
}

const thenSilence: Fault = async (_, pass) => {
  await pass()
  return silence
}

const thenGatewayTimeout: Fault = async (_, pass) => {
  await pass()
  return refusal(504)
}

const refuse =
  (status: number): Fault =>
  async () =>
    refusal(status)

/** Checks that a create with a lost reply returned the only sandbox, and that its scope terminates it. */
const adopts = (options: Options) =>
  Effect.gen(function* () {
    const { alive, creates, live, sandboxes } = yield* world(options)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const sandbox = yield* sandboxes.create(spec)
        assert.deepStrictEqual(
          (yield* alive).map(({ id }) => id),
          [sandbox.id]
        )
        const result = yield* sandbox.exec({ argv: ["echo", "adopted"] })
        assert.deepStrictEqual(result, { exitCode: 0, stdout: "adopted\n", stderr: "" })
      })
    )
    assert.strictEqual(creates(), 1)
    assert.strictEqual(yield* live, 0)
  })

const provided = Effect.provide(E2bServer.layer({ isolation: "none" }))

it.live("adopts the sandbox when the connection is reset after the create", () =>
  provided(adopts({ create: thenReset }))
)

it.live("adopts the sandbox when the reply never arrives", () =>
  provided(adopts({ create: thenSilence, requestTimeout: "1 second" }))
)

it.live("adopts the sandbox when a gateway answers 504 although it was created", () =>
  provided(adopts({ create: thenGatewayTimeout }))
)

it.live("adopts the sandbox when it appears after the first look", () =>
  Effect.gen(function* () {
    let make: (() => Promise<Answer>) | undefined
    yield* adopts({
      createDeadline: "30 seconds",
      create: async (_, pass) => {
        make = pass
        return refusal(504)
      },
      list: async (_, pass) => {
        const answer = await pass()
        const late = make
        make = undefined
        await late?.()
        return answer
      }
    })
  }).pipe(provided)
)

const createError = (sandboxes: Sandboxes.Sandboxes["Service"]) =>
  Effect.map(Effect.flip(Effect.scoped(sandboxes.create(spec))), ({ operation, reason }) => {
    assert.strictEqual(operation, "create")
    return reason
  })

it.live("fails with the original error when no sandbox was created", () =>
  Effect.gen(function* () {
    const { creates, live, proxy, sandboxes } = yield* world({ create: async () => reset })
    assert.deepStrictEqual(yield* createError(sandboxes), new SandboxError.Unreachable({ sent: true }))
    assert.strictEqual(creates(), 1)
    assert.strictEqual(proxy.arrived.filter(isList).length, 1)
    assert.strictEqual(yield* live, 0)
  }).pipe(provided)
)

it.live(
  "looks until the server has certainly stopped working on the create before it concludes that there is no sandbox",
  () =>
    Effect.gen(function* () {
      const { creates, proxy, sandboxes } = yield* world({
        create: refuse(500),
        createDeadline: "1 second"
      })
      assert.deepStrictEqual(yield* createError(sandboxes), new SandboxError.ProviderFailed({ status: 500 }))
      assert.strictEqual(creates(), 1)
      assert.isAbove(proxy.arrived.filter(isList).length, 1)
    }).pipe(provided)
)

it.live("does not look for what certainly did not arrive", () =>
  Effect.gen(function* () {
    const { creates, proxy, sandboxes } = yield* world({ create: refuse(503) })
    assert.deepStrictEqual(yield* createError(sandboxes), new SandboxError.Busy({}))
    assert.strictEqual(creates(), 3)
    assert.strictEqual(proxy.arrived.filter(isList).length, 0)
  }).pipe(provided)
)

it.live("labels every try with the given attempt id", () =>
  Effect.gen(function* () {
    const { proxy, sandboxes } = yield* world({ create: refuse(503) })
    const attemptId = yield* Id.nextAttemptId
    yield* Effect.flip(sandboxes.create({ ttl: "1 minute", attemptId }))
    const marks = proxy.arrived
      .filter(isCreate)
      .map(({ body }) => /att_\w{26}/.exec(new TextDecoder().decode(body))?.[0])
    assert.deepStrictEqual(marks, [attemptId, attemptId, attemptId])
  }).pipe(provided)
)

it.live("labels every try with a generated attempt id", () =>
  Effect.gen(function* () {
    const { proxy, sandboxes } = yield* world({ create: refuse(503) })
    yield* createError(sandboxes)
    const marks = proxy.arrived
      .filter(isCreate)
      .map(({ body }) => /att_\w{26}/.exec(new TextDecoder().decode(body))?.[0])
    assert.strictEqual(new Set(marks).size, 3)
  }).pipe(provided)
)

const ambiguous = (options: Options) =>
  Effect.gen(function* () {
    const { alive, creates, sandboxes, truth } = yield* world({ create: thenReset, ...options })
    const reason = yield* createError(sandboxes)
    const [left] = yield* alive
    assert.deepStrictEqual(
      reason,
      new SandboxError.Ambiguous({ attemptId: Id.AttemptId.make(left?.attempt ?? "") })
    )
    assert.strictEqual(creates(), 1)
    yield* Effect.forEach(yield* alive, ({ id }) => truth.terminate(id))
  }).pipe(provided)

it.live("fails with Ambiguous and the attempt id when listing fails too", () =>
  ambiguous({ list: refuse(500) })
)

it.live("fails with Ambiguous when listing is refused", () => ambiguous({ list: refuse(401) }))

it.live("fails with Ambiguous when the sandbox it found cannot be reached", () =>
  ambiguous({ other: refuse(500) })
)

/** Interrupts a create while its request is on its way, and then lets the request meet `fault`. */
const interrupted = (fault: Fault) =>
  Effect.gen(function* () {
    const [arrived, gate, answered] = [
      Promise.withResolvers<void>(),
      Promise.withResolvers<void>(),
      Promise.withResolvers<void>()
    ]
    const { creates, live, sandboxes } = yield* world({
      create: async (request, pass) => {
        arrived.resolve()
        await gate.promise
        const answer = await fault(request, pass)
        answered.resolve()
        return answer
      }
    })
    const fiber = yield* Effect.forkChild(Effect.scoped(sandboxes.create(spec)))
    yield* Effect.promise(() => arrived.promise)
    const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
    gate.resolve()
    // An early return would leave the sandbox that the server creates only now.
    yield* Effect.promise(() => answered.promise)
    yield* Fiber.join(interruption)
    assert.strictEqual(creates(), 1)
    assert.strictEqual(yield* live, 0)
  }).pipe(provided)

it.live("leaves nothing alive when it is interrupted during the request", () =>
  interrupted((_, pass) => pass())
)

it.live("leaves nothing alive when it is interrupted and the reply is lost as well", () =>
  interrupted(thenReset)
)
