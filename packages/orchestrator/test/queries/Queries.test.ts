import { assert, describe, it } from "@effect/vitest"
import {
  type Agent,
  type AgentEvent,
  Id,
  Profile,
  Query,
  SandboxError,
  StateStoreError
} from "@remote-agent/domain"
import { Orchestrator, StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { DateTime, Duration, Effect, Fiber, Ref, Schema, Stream } from "effect"
import {
  answers,
  ends,
  exit,
  faultAt,
  finish,
  hangs,
  layer,
  line,
  makeLog,
  nothingLeft,
  out,
  pass,
  resultLine,
  RunnerRequest,
  start,
  taking,
  tiny,
  unreachable
} from "../support/support.ts"
import { byId, of } from "../support/byId.ts"

const launch = Effect.flatMap(byId, (orchestrator) => orchestrator.launch())
const sandboxIdOf = (agent: Agent.Agent) => agent.binding?.sandboxId ?? Id.SandboxId.make("none")

/** Keeps every query that is recorded. */
const keeping = (queries: Array<Query.Query>) => ({
  store: (store: StateStore.StateStore["Service"]) => ({
    createQuery: (query: Query.Query) =>
      Effect.andThen(
        Effect.sync(() => queries.push(query)),
        store.createQuery(query)
      )
  })
})

/** The outcomes of the queries, as the store has them. */
const outcomes = (queries: ReadonlyArray<Query.Query>) =>
  Effect.flatMap(StateStore.StateStore, (store) =>
    Effect.forEach(queries, ({ id }) => Effect.map(store.getQuery(id), ({ outcome }) => outcome))
  )

const stillAnswers = Effect.fnUntraced(function* (id: Id.AgentId) {
  const orchestrator = yield* byId
  assert.strictEqual((yield* orchestrator.query(id, "still there?")).answer, "re: still there?")
  assert.strictEqual((yield* orchestrator.get(id)).status, "active")
})

const hanging = { answer: (text: string) => (text === "hang" ? hangs : undefined) }

describe("Orchestrator.query", () => {
  const shortLives = { settings: { E2B_MAX_TIMEOUT: "1200", E2B_DEFAULT_TIMEOUT: "300" } }

  it.effect("refuses a query that may outlive its sandbox, before anything is started or woken", () => {
    const queries: Array<Query.Query> = []
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { calls } = yield* MemorySandboxes.Ledger
      const { id } = yield* launch
      yield* orchestrator.pause(id)
      const before = yield* calls
      const options = { timeout: "21 minutes" } as const
      const { query, start: begin } = orchestrator
      for (const asked of [
        Effect.asVoid(query(id, "why", options)),
        Effect.asVoid(begin(id, "why", options))
      ]) {
        const { message, reason } = yield* Effect.flip(asked)
        assert(reason._tag === "TimeoutTooLong")
        assert.strictEqual(Duration.toMinutes(reason.longest), 20)
        assert.include(message, "E2B_MAX_TIMEOUT")
      }
      assert.deepStrictEqual(yield* calls, before)
      assert.deepStrictEqual(queries, [])
      assert.strictEqual((yield* orchestrator.get(id)).status, "paused")
    }).pipe(Effect.provide(layer({ ...shortLives, ...keeping(queries) })))
  })

  it.effect("has a sandbox outlive the query that nobody waits for, up to the longest life", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { alive } = yield* MemorySandboxes.Ledger
      const { id } = yield* launch
      for (const [timeout, life] of [
        ["15 minutes", 16],
        ["20 minutes", 20]
      ] as const) {
        yield* orchestrator.start(id, "why", { timeout })
        const [info] = yield* alive
        assert(info !== undefined)
        const left = DateTime.distance(yield* DateTime.now, info.endsAt)
        assert.strictEqual(Duration.toMinutes(left), life)
      }
    }).pipe(Effect.provide(layer(shortLives)))
  )

  it.effect("gives the answer, and records the query and that it was put", () => {
    const queries: Array<Query.Query> = []
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      yield* pass("1 minute")
      const result = yield* finish(orchestrator.query(id, taking(5000, "why"), { session: "s1" }))
      assert.isTrue(result.ok)
      assert.strictEqual(result.answer, "re: why in 5000 millis")
      assert.strictEqual(result.agentId, id)
      assert.strictEqual(result.query, "why in 5000 millis")
      const recorded = yield* (yield* StateStore.StateStore).getQuery(result.queryId)
      assert.strictEqual(recorded.status, "ended")
      assert.strictEqual(recorded.outcome, "ok")
      assert.strictEqual(recorded.session, "s1")
      assert.strictEqual(DateTime.toEpochMillis(recorded.endedAt ?? recorded.createdAt), 65_000)
      const agent = yield* orchestrator.get(id)
      assert.strictEqual(agent.queryCount, 1)
      assert.deepStrictEqual(agent.lastQueryAt, recorded.createdAt)
      assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
    }).pipe(Effect.provide(layer(keeping(queries))))
  })

  it.effect("gives a question to the program as it is, with its session", () => {
    const seen: Array<unknown> = []
    const awkward = "a 'b' \"c\" $(d) `e`\n{home} 🤔 \\ \u2028" + "é".repeat(100_000)
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const result = yield* orchestrator.query(id, awkward, { session: "s 1" })
      assert.strictEqual(result.query, awkward)
      assert.deepStrictEqual(seen, [awkward])
    }).pipe(
      Effect.provide(
        layer({
          answer: (text) => {
            seen.push(text)
            return answers("42")
          }
        })
      )
    )
  })

  it.effect("tells the program the model and the steps of the query, whoever starts it", () => {
    const seen: Array<unknown> = []
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const store = yield* StateStore.StateStore
      const { id } = yield* launch
      const options = { model: "m/1:free", maxIterations: 7 }
      const { queryId } = yield* orchestrator.query(id, "asked", options)
      const { maxIterations, model } = yield* store.getQuery(queryId)
      assert.deepStrictEqual({ maxIterations, model }, options)
      yield* Stream.runDrain(orchestrator.events((yield* orchestrator.start(id, "detached", options)).id))
      const left = yield* store.getQuery(queryId)
      const waiting = new Query.Query({
        id: yield* Id.nextQueryId,
        agentId: id,
        createdAt: left.createdAt,
        model: "m2",
        maxIterations: 1,
        text: "taken over",
        status: "queued"
      })
      yield* store.createQuery(waiting)
      yield* Stream.runDrain(orchestrator.events(waiting.id))
      yield* orchestrator.query(id, "plain")
      assert.deepStrictEqual(seen, [
        ["asked", "m/1:free", 7],
        ["detached", "m/1:free", 7],
        ["taken over", "m2", 1],
        ["plain", undefined, undefined]
      ])
    }).pipe(
      Effect.provide(
        layer({
          answer: (text, { stdin }) => {
            const { maxIterations, model } = Schema.decodeUnknownSync(RunnerRequest)(stdin)
            seen.push([text, model, maxIterations])
            return answers("42")
          }
        })
      )
    )
  })

  it.effect("refuses what its agent cannot be told, before there is a query", () => {
    const queries: Array<Query.Query> = []
    const deaf = new Profile.Profile({
      ...tiny,
      run: new Profile.RunSpec({
        ...tiny.run,
        input: "stdin-text",
        protocol: "text",
        modelArgv: ["-m", "{model}"]
      })
    })
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const { reason } = yield* Effect.flip(orchestrator.query(id, "?", { model: "m", maxIterations: 3 }))
      assert(reason._tag === "OptionUnsupported")
      assert.deepStrictEqual([reason.profile, reason.option], ["tiny", "maxIterations"])
      assert.deepStrictEqual(queries, [])
    }).pipe(Effect.provide(layer({ ...keeping(queries), profiles: [deaf] })))
  })

  it.effect.each(["error", "max_iterations", "denied", "empty", "timeout", "crash"] as const)(
    "fails with the result when the outcome is %s, and the agent stays usable",
    (outcome) =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        const { id } = yield* launch
        const { operation, reason } = yield* Effect.flip(orchestrator.query(id, "why?"))
        assert(reason._tag === "QueryFailed")
        assert.strictEqual(operation, "query")
        assert.strictEqual(reason.result.outcome, outcome)
        assert.isUndefined(reason.result.limit, "no limit of ours")
        assert.strictEqual(reason.result.error, "because")
        assert.strictEqual(reason.result.answer, "")
        assert.strictEqual(
          (yield* (yield* StateStore.StateStore).getQuery(reason.result.queryId)).outcome,
          outcome
        )
        yield* stillAnswers(id)
      }).pipe(
        Effect.provide(layer({ answer: (text) => (text === "why?" ? ends(outcome, "because") : undefined) }))
      )
  )

  it.effect("calls it a timeout when the program itself stops at the limit that it was given", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const { reason } = yield* Effect.flip(orchestrator.query(id, "why?"))
      assert(reason._tag === "QueryFailed")
      assert.strictEqual(reason.result.outcome, "timeout")
      assert.strictEqual(reason.result.limit, "wall")
      assert.include(reason.result.error, "10m")
      yield* stillAnswers(id)
    }).pipe(
      Effect.provide(
        layer({ answer: (text) => (text === "why?" ? ends("aborted", "my time is up") : undefined) })
      )
    )
  )

  it.effect("calls a program that ends without a result a crash", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      for (const text of ["ends with 0", "ends with 9"]) {
        const { reason } = yield* Effect.flip(orchestrator.query(id, text))
        assert(reason._tag === "QueryFailed")
        assert.strictEqual(reason.result.outcome, "crash")
        assert.include(reason.result.error, `exit code ${text.at(-1)}`)
      }
      yield* stillAnswers(id)
    }).pipe(
      Effect.provide(
        layer({
          answer: (text) =>
            text.startsWith("ends") ? Stream.make(out("oh\n"), exit(Number(text.at(-1)))) : undefined
        })
      )
    )
  )

  const limits: ReadonlyArray<
    readonly [which: string, timeout: Duration.Input | undefined, millis: number, limit: AgentEvent.Limit]
  > = [
    ["the caller's", "30 seconds", 30_000, "wall"],
    ["the profile's idle", undefined, 120_000, "idle"]
  ]

  it.effect.each(limits)(
    "ends at %s limit with the outcome timeout, and kills the program",
    ([, timeout, millis, limit]) =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        const { id } = yield* launch
        const fiber = yield* start(Effect.flip(orchestrator.query(id, "hang", { timeout })))
        yield* pass(millis - 1)
        assert.strictEqual((yield* nothingLeft).commands, 1)
        yield* pass(1)
        const { reason } = yield* Fiber.join(fiber)
        assert(reason._tag === "QueryFailed")
        assert.strictEqual(reason.result.outcome, "timeout")
        assert.strictEqual(reason.result.limit, limit)
        assert.strictEqual(reason.result.usage.wallMillis, millis)
        assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
        yield* stillAnswers(id)
      }).pipe(Effect.provide(layer(hanging)))
  )

  it.effect("ends at the profile's limit in all, however much the program says", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const { reason } = yield* finish(Effect.flip(orchestrator.query(id, "talk")))
      assert(reason._tag === "QueryFailed")
      assert.strictEqual(reason.result.outcome, "timeout")
      assert.strictEqual(reason.result.usage.wallMillis, 600_000)
      assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
    }).pipe(
      Effect.provide(
        layer({
          answer: () => Stream.tick("1 minute").pipe(Stream.map(() => out("still here\n")))
        })
      )
    )
  )

  it.effect("is aborted when it is interrupted: the program is killed and the agent stays usable", () => {
    const queries: Array<Query.Query> = []
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const fiber = yield* start(orchestrator.query(id, "hang"))
      yield* pass("10 seconds")
      assert.strictEqual((yield* nothingLeft).commands, 1)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
      assert.deepStrictEqual(yield* outcomes(queries), ["aborted"])
      yield* stillAnswers(id)
    }).pipe(Effect.provide(layer({ ...hanging, ...keeping(queries) })))
  })

  it.effect("is answered after those that were put to the same agent before it, one at a time", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const [one, other] = [yield* launch, yield* launch]
      const order = yield* makeLog<string>()
      const ask = (id: Id.AgentId, text: string) =>
        Effect.forkChild(Effect.andThen(orchestrator.query(id, text), order.tell(text)))
      const texts = [taking(3000, "a"), taking(1000, "b"), taking(2000, "c")]
      for (const text of texts) yield* ask(one.id, text)
      yield* ask(other.id, taking(3500, "other"))
      yield* pass("1 millis")
      assert.strictEqual((yield* nothingLeft).commands, 2)
      yield* pass("3500 millis")
      assert.deepStrictEqual(yield* order.all, [taking(3000, "a"), taking(3500, "other")])
      assert.strictEqual((yield* nothingLeft).commands, 1)
      yield* pass("2500 millis")
      assert.deepStrictEqual(
        (yield* order.all).filter((text) => !text.startsWith("other")),
        texts
      )
      assert.strictEqual((yield* orchestrator.get(one.id)).queryCount, 3)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("does not run before the program of a query that was stopped is dead", () => {
    const running = Ref.makeUnsafe({ now: 0, most: 0 })
    const counted = Stream.unwrap(
      Effect.acquireRelease(
        Ref.update(running, ({ most, now }) => ({ now: now + 1, most: Math.max(most, now + 1) })),
        () =>
          Effect.delay(
            Ref.update(running, (count) => ({ ...count, now: count.now - 1 })),
            "5 seconds"
          )
      ).pipe(Effect.as(Stream.concat(Stream.make(line({ type: "ready", agent: "a" })), Stream.never)))
    )
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const first = yield* start(orchestrator.query(id, "one"))
      const second = yield* start(orchestrator.query(id, "two"))
      yield* finish(Fiber.interrupt(first))
      yield* finish(Fiber.interrupt(second))
      assert.deepStrictEqual(yield* Ref.get(running), { now: 0, most: 1 })
    }).pipe(Effect.provide(layer({ answer: () => counted })))
  })

  it.effect("that is stopped while it waits lets those behind it move up", () => {
    const queries: Array<Query.Query> = []
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const first = yield* start(orchestrator.query(id, taking(10_000, "first")))
      const second = yield* start(orchestrator.query(id, "second"))
      const third = yield* start(orchestrator.query(id, "third"))
      yield* pass("1 second")
      yield* Fiber.interrupt(second)
      yield* pass("9 seconds")
      assert.isTrue((yield* Fiber.join(first)).ok)
      assert.isTrue((yield* Fiber.join(third)).ok)
      assert.deepStrictEqual(yield* outcomes(queries), ["ok", "aborted", "ok"])
      assert.strictEqual((yield* orchestrator.get(id)).queryCount, 2)
    }).pipe(Effect.provide(layer(keeping(queries))))
  })

  it.effect("is refused by an agent that is not active", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      yield* orchestrator.terminate(id)
      const { reason } = yield* Effect.flip(orchestrator.query(id, "why?"))
      assert(reason._tag === "AgentNotReady")
      assert.strictEqual(reason.status, "terminated")
    }).pipe(Effect.provide(layer()))
  )
})

describe("terminating an agent", () => {
  it.effect("ends the query that runs and those that wait", () => {
    const queries: Array<Query.Query> = []
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const running = yield* start(Effect.flip(orchestrator.query(id, "hang")))
      const waiting = yield* start(Effect.flip(orchestrator.query(id, "wait")))
      yield* orchestrator.terminate(id)
      assert.strictEqual((yield* Fiber.join(running)).reason._tag, "AgentNotReady")
      assert.strictEqual((yield* Fiber.join(waiting)).reason._tag, "AgentNotReady")
      assert.deepStrictEqual(yield* nothingLeft, { alive: 0, commands: 0 })
      assert.deepStrictEqual(yield* outcomes(queries), ["aborted", "aborted"])
      const agent = yield* orchestrator.get(id)
      assert.strictEqual(agent.status, "terminated")
      assert.isUndefined(agent.detail)
    }).pipe(Effect.provide(layer({ ...hanging, ...keeping(queries) })))
  })
})

describe("an agent whose sandbox fails", () => {
  const bystander = { ...hanging }

  it.effect("is lost when its sandbox is found to be gone, and takes no more queries", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const [agent, other] = [yield* launch, yield* launch]
      yield* (yield* Sandboxes.Sandboxes).terminate(sandboxIdOf(agent))
      const { operation, reason } = yield* Effect.flip(orchestrator.query(agent.id, "why?"))
      assert(reason._tag === "AgentLost")
      assert.strictEqual(operation, "query")
      const lost = yield* orchestrator.get(agent.id)
      assert.strictEqual(lost.status, "lost")
      assert.isNotEmpty(lost.detail)
      assert.isUndefined(lost.binding)
      const again = yield* Effect.flip(orchestrator.query(agent.id, "why?"))
      assert(again.reason._tag === "AgentNotReady")
      assert.strictEqual(again.reason.status, "lost")
      yield* stillAnswers(other.id)
    }).pipe(Effect.provide(layer(bystander)))
  )

  it.effect("is lost when its sandbox ends under a query, whose result is recorded", () => {
    const queries: Array<Query.Query> = []
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const agent = yield* launch
      const { id } = agent
      const events = yield* makeLog<AgentEvent.EventRecord>()
      const fiber = yield* start(Effect.flip(Stream.runForEach(orchestrator.stream(id, "hang"), events.tell)))
      yield* pass("60 seconds")
      yield* (yield* Sandboxes.Sandboxes).terminate(sandboxIdOf(agent))
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "AgentLost")
      assert.strictEqual((yield* orchestrator.get(id)).status, "lost")
      assert.deepStrictEqual(yield* outcomes(queries), ["crash"])
      assert.deepStrictEqual(
        (yield* events.all).map(({ event }) => event.type),
        ["ready", "result"]
      )
      assert.deepStrictEqual(yield* nothingLeft, { alive: 0, commands: 0 })
    }).pipe(
      Effect.provide(
        layer({
          ...hanging,
          ...keeping(queries)
        })
      )
    )
  })

  it.effect("is kept alive for as long as its query takes, however short its ttl", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      yield* pass("50 seconds")
      const asking = yield* start(orchestrator.query(id, taking(110_000)))
      // In steps: what keeps the sandbox alive needs its turn in between.
      for (let step = 0; step < 12; step++) yield* pass("10 seconds")
      assert.isTrue((yield* Fiber.join(asking)).ok)
    }).pipe(Effect.provide(layer({ settings: { E2B_DEFAULT_TIMEOUT: "60", E2B_AUTO_PAUSE: "false" } })))
  )

  const passing: ReadonlyArray<SandboxError.Reason> = [
    unreachable,
    new SandboxError.Unreachable({ sent: false }),
    new SandboxError.RateLimited({}),
    new SandboxError.Busy({}),
    new SandboxError.ProviderFailed({ status: 502 }),
    new SandboxError.RequestTimedOut({ after: Duration.seconds(30) }),
    new SandboxError.Paused({})
  ]

  it.effect.each(passing)("answers all the same when it passes: $_tag", (why) =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      assert.strictEqual((yield* finish(orchestrator.query(id, "why?"))).answer, "re: why?")
    }).pipe(Effect.provide(layer({ fault: faultAt("spawn", why, 2) })))
  )

  const lasting: ReadonlyArray<SandboxError.Reason> = [
    new SandboxError.Unauthorized({}),
    new SandboxError.OutputTooLarge({ limitBytes: 1 })
  ]

  it.effect.each(lasting)("is not lost and stays active when its query cannot be run: $_tag", (why) => {
    const queries: Array<Query.Query> = []
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const agent = yield* launch
      const { reason } = yield* Effect.flip(orchestrator.query(agent.id, "why?"))
      assert(reason._tag === "SandboxFailed")
      assert.strictEqual(reason.cause.reason._tag, why._tag)
      assert.deepStrictEqual(yield* outcomes(queries), ["crash"])
      assert.strictEqual((yield* nothingLeft).alive, 1)
      assert.deepStrictEqual((yield* orchestrator.get(agent.id)).binding, agent.binding)
      yield* stillAnswers(agent.id)
    }).pipe(Effect.provide(layer({ ...keeping(queries), fault: faultAt("spawn", why, 2) })))
  })

  it.effect("keeps a query that could not be seen for long, and gives its answer when it can", () => {
    const queries: Array<Query.Query> = []
    const sight = { lost: false }
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const asking = yield* start(Effect.flip(orchestrator.query(id, taking(60_000))))
      sight.lost = true
      yield* (yield* Sandboxes.Sandboxes).pause(sandboxIdOf(yield* orchestrator.get(id)))
      yield* finish(Fiber.await(asking))
      const { reason } = yield* Fiber.join(asking)
      assert.strictEqual(reason._tag, "SandboxFailed")
      assert.deepStrictEqual(yield* outcomes(queries), [undefined])
      sight.lost = false
      const [queryId] = queries.map((query) => query.id)
      assert(queryId !== undefined)
      const log = yield* finish(Stream.runCollect(orchestrator.events(queryId)))
      assert.deepStrictEqual(
        log.map(({ event, seq }) => `${seq} ${event.type}`),
        ["0 thinking", "1 result"]
      )
      yield* stillAnswers(id)
    }).pipe(
      Effect.provide(
        layer({
          ...keeping(queries),
          fault: ({ operation }) =>
            sight.lost && operation !== "pause" && operation !== "info" ? unreachable : undefined
        })
      )
    )
  })

  it.effect("that was put to sleep elsewhere is woken, and the query goes on", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const sandboxes = yield* Sandboxes.Sandboxes
      const agent = yield* launch
      const fiber = yield* start(Stream.runCollect(orchestrator.stream(agent.id, taking(60_000))))
      yield* sandboxes.pause(sandboxIdOf(agent))
      yield* pass("1 minute")
      const log = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        log.map(({ event, seq }) => `${seq} ${event.type}`),
        ["0 thinking", "1 result"]
      )
      assert.strictEqual((yield* sandboxes.info(sandboxIdOf(agent))).state, "running")
      yield* stillAnswers(agent.id)
    }).pipe(Effect.provide(layer()))
  )
})

describe("an agent that another process launched", () => {
  const here = Effect.map(Orchestrator.make, of)

  it.effect("is connected to once, and answers", () =>
    Effect.gen(function* () {
      const agent = yield* launch
      const orchestrator = yield* here
      assert.isTrue((yield* orchestrator.query(agent.id, "one")).ok)
      assert.isTrue((yield* orchestrator.query(agent.id, "two")).ok)
      const calls = yield* (yield* MemorySandboxes.Ledger).calls
      assert.lengthOf(
        calls.filter(({ operation }) => operation === "connect"),
        1
      )
    }).pipe(Effect.provide(layer()))
  )

  it.effect("is woken when its sandbox sleeps", () =>
    Effect.gen(function* () {
      const agent = yield* launch
      yield* (yield* Sandboxes.Sandboxes).pause(sandboxIdOf(agent))
      assert.isTrue((yield* (yield* here).query(agent.id, "one")).ok)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("is lost when its sandbox is gone, and not when nobody knows", () =>
    Effect.gen(function* () {
      const agent = yield* launch
      const orchestrator = yield* here
      const first = yield* Effect.flip(orchestrator.query(agent.id, "one"))
      assert.strictEqual(first.reason._tag, "SandboxFailed")
      assert.strictEqual((yield* orchestrator.get(agent.id)).status, "active")
      yield* (yield* Sandboxes.Sandboxes).terminate(sandboxIdOf(agent))
      const second = yield* Effect.flip(orchestrator.query(agent.id, "one"))
      assert.strictEqual(second.reason._tag, "AgentLost")
      assert.strictEqual((yield* orchestrator.get(agent.id)).status, "lost")
    }).pipe(Effect.provide(layer({ fault: faultAt("connect", unreachable, 0) })))
  )
})

describe("Orchestrator.stream", () => {
  const chatty = Stream.concat(
    Stream.make(
      line({ type: "ready", agent: "tiny" }),
      out("noise\n"),
      line({ type: "event", event: { type: "tool_start", tool: "t", args: { a: 1 } } })
    ),
    Stream.fromEffect(Effect.delay(Effect.succeed(resultLine("42")), "1 second"))
  )

  it.effect("shows what the store has: every event, without a gap, the result last and once", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const store = yield* StateStore.StateStore
      const { id } = yield* launch
      const records = yield* finish(Stream.runCollect(orchestrator.stream(id, "why?")))
      const queryId = records[0]?.queryId ?? (yield* Id.nextQueryId)
      assert.deepStrictEqual(records, yield* Stream.runCollect(store.events(queryId, 0)))
      assert.deepStrictEqual(
        records.map(({ seq }) => seq),
        [0, 1, 2, 3]
      )
      assert.deepStrictEqual(
        records.map(({ event }) => event.type),
        ["ready", "raw", "tool_start", "result"]
      )
    }).pipe(Effect.provide(layer({ answer: () => chatty })))
  )

  it.effect("ends with a result for an outcome that is not ok, and does not fail", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const fiber = yield* start(Stream.runCollect(orchestrator.stream(id, "hang", { timeout: "1 minute" })))
      yield* pass("1 minute")
      const last = (yield* Fiber.join(fiber)).at(-1)?.event
      assert.strictEqual(last?.type === "result" && last.outcome, "timeout")
    }).pipe(Effect.provide(layer(hanging)))
  )

  it.effect("shows no event before it is in the store", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const store = yield* StateStore.StateStore
      const { id } = yield* launch
      const shown = yield* makeLog<number>()
      yield* finish(
        Stream.runForEach(orchestrator.stream(id, "why?"), (record) =>
          Effect.gen(function* () {
            const [stored] = yield* Stream.runCollect(store.events(record.queryId, record.seq))
            assert.deepStrictEqual(stored, record)
            yield* shown.tell(record.seq)
          })
        )
      )
      assert.deepStrictEqual(yield* shown.all, [0, 1, 2, 3])
    }).pipe(Effect.provide(layer({ answer: () => chatty })))
  )

  it.effect("shows no event that the store did not take, and kills the program", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const shown = yield* makeLog<AgentEvent.EventRecord>()
      const { reason } = yield* Effect.flip(Stream.runForEach(orchestrator.stream(id, "hang"), shown.tell))
      assert.strictEqual(reason._tag, "StoreFailed")
      assert.deepStrictEqual(yield* shown.all, [])
      assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
      assert.strictEqual((yield* orchestrator.get(id)).status, "active")
    }).pipe(
      Effect.provide(
        layer({
          ...hanging,
          store: () => ({
            appendEvents: (id) =>
              Effect.fail(
                new StateStoreError.StateStoreError({
                  operation: "appendEvents",
                  reason: new StateStoreError.LogClosed({ id })
                })
              )
          })
        })
      )
    )
  )

  it.effect("stops the query when it is left, whose outcome is then aborted", () => {
    const queries: Array<Query.Query> = []
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* launch
      const first = yield* Stream.runCollect(Stream.take(orchestrator.stream(id, "hang"), 1))
      assert.deepStrictEqual(
        first.map(({ event }) => event.type),
        ["ready"]
      )
      assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
      assert.deepStrictEqual(yield* outcomes(queries), ["aborted"])
      const log = yield* Stream.runCollect(
        (yield* StateStore.StateStore).events(queries[0]?.id ?? (yield* Id.nextQueryId), 0)
      )
      assert.deepStrictEqual(
        log.map(({ event, seq }) => `${seq} ${event.type}`),
        ["0 ready", "1 result"]
      )
      yield* stillAnswers(id)
    }).pipe(Effect.provide(layer({ ...hanging, ...keeping(queries) })))
  })
})
