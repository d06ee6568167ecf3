import { assert, describe, it } from "@effect/vitest"
import { type AgentEvent, Budget, Id, Query, SandboxError } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes } from "@remote-agent/sandbox"
import { DateTime, Duration, Effect, Exit, Fiber, type Layer, type Scope, Stream } from "effect"
import * as OtherProcess from "../support/otherProcess.ts"
import {
  finish,
  hangs,
  layer,
  line,
  makeLog,
  nothingLeft,
  pass,
  resultLine,
  said,
  start,
  taking
} from "../support/support.ts"
import { byId, type ById } from "../support/byId.ts"

const here = byId
const launch = Effect.flatMap(here, (orchestrator) => orchestrator.launch())

/** Says something every second, so many times, and then answers. */
const talking = (times: number): MemorySandboxes.Program =>
  Stream.concat(
    Stream.mapEffect(Stream.range(1, times), (count) =>
      Effect.delay(
        Effect.succeed(line({ type: "event", event: { type: "thinking", message: String(count) } })),
        "1 second"
      )
    ),
    Stream.make(resultLine("42"))
  )

const counting = () => {
  const runs: Array<string> = []
  return {
    runs,
    answer: (text: string) => {
      runs.push(text)
      return text === "talk"
        ? talking(5)
        : text === "talk long"
          ? talking(40)
          : text === "hang"
            ? hangs
            : undefined
    }
  }
}

/** What a test is about: an agent of its own, and what its program was asked. */
interface Scene {
  readonly orchestrator: ById
  readonly id: Id.AgentId
  readonly runs: ReadonlyArray<string>
}

type Given = Layer.Success<ReturnType<typeof layer>> | Scope.Scope

const withAgent = <Step extends Effect.Effect<unknown, unknown, Given>>(
  test: (scene: Scene) => Generator<Step, void, never>
) => {
  const { answer, runs } = counting()
  return Effect.gen(function* () {
    const orchestrator = yield* here
    const { id } = yield* launch
    return yield* Effect.fnUntraced(test)({ orchestrator, id, runs })
  }).pipe(Effect.scoped, Effect.provide(layer({ answer })))
}

const whole = ["0 1", "1 2", "2 3", "3 4", "4 5", "5 42"]

/** Started by a process that will die: not even interrupted with the test, because what is dead does nothing then. */
const abandoned = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.andThen(Effect.forkDetach(effect), pass("0 millis"))

/** The only query of an agent. */
const queryOf = Effect.fnUntraced(function* (agentId: Id.AgentId) {
  const all = yield* Stream.runCollect((yield* StateStore.StateStore).listQueries({ agentId }))
  assert.lengthOf(all, 1)
  assert(all[0] !== undefined)
  return all[0]
})

const outcomesOf = (agentId: Id.AgentId) =>
  Effect.flatMap(StateStore.StateStore, (store) =>
    Stream.runCollect(Stream.map(store.listQueries({ agentId }), ({ outcome, status }) => outcome ?? status))
  )

describe("a query whose process dies", () => {
  it.effect("is taken over when its lease has run out and not before, every event once", () =>
    withAgent(function* ({ id, orchestrator, runs }) {
      const other = yield* OtherProcess.make
      yield* abandoned(other.orchestrator.query(id, "talk"))
      yield* pass("2500 millis")
      yield* other.die
      const query = yield* queryOf(id)
      const seen = yield* makeLog<AgentEvent.EventRecord>()
      const following = yield* start(Stream.runForEach(orchestrator.events(query.id), seen.tell))
      yield* pass("10 seconds")
      assert.deepStrictEqual(said(yield* seen.all), whole.slice(0, 2))
      yield* pass("6 seconds")
      yield* Fiber.join(following)
      assert.deepStrictEqual(said(yield* seen.all), whole)
      assert.deepStrictEqual(runs, ["talk"])
      assert.strictEqual((yield* queryOf(id)).outcome, "ok")
    })
  )

  it.effect("is brought to its end by the next query, which waits for it", () =>
    withAgent(function* ({ id, orchestrator, runs }) {
      const other = yield* OtherProcess.make
      yield* abandoned(other.orchestrator.query(id, "talk"))
      yield* pass("1 second")
      yield* other.die
      assert.isTrue((yield* finish(orchestrator.query(id, "next"))).ok)
      assert.deepStrictEqual(yield* outcomesOf(id), ["ok", "ok"])
      assert.deepStrictEqual(runs, ["talk", "next"])
    })
  )

  it.effect("goes on from the same place in a process that only listens from there", () =>
    withAgent(function* ({ id, orchestrator }) {
      const other = yield* OtherProcess.make
      yield* abandoned(other.orchestrator.query(id, "talk"))
      yield* pass("3500 millis")
      yield* other.die
      const { id: queryId } = yield* queryOf(id)
      const log = yield* finish(Stream.runCollect(orchestrator.events(queryId, 2)))
      assert.deepStrictEqual(said(log), whole.slice(2))
      assert.deepStrictEqual(said(yield* Stream.runCollect(orchestrator.events(queryId))), whole)
    })
  )

  it.effect("ends as a crash when its program was never started, and is not run", () =>
    withAgent(function* ({ id: agentId, orchestrator, runs }) {
      const store = yield* StateStore.StateStore
      const id = yield* Id.nextQueryId
      const createdAt = yield* DateTime.now
      yield* store.createQuery(new Query.Query({ id, agentId, text: "talk", status: "queued", createdAt }))
      yield* store.startQuery(
        id,
        new Query.QueryJob({ id, directory: `/home/user/.remote-agent/jobs/${id}` })
      )
      assert.isTrue((yield* finish(orchestrator.query(agentId, "next"))).ok)
      assert.strictEqual((yield* store.getQuery(id)).outcome, "crash")
      assert.deepStrictEqual(runs, ["next"])
    })
  )

  it.effect("is run by whoever listens when it was still waiting", () =>
    withAgent(function* ({ id: agentId, orchestrator, runs }) {
      const store = yield* StateStore.StateStore
      const id = yield* Id.nextQueryId
      const createdAt = yield* DateTime.now
      yield* store.createQuery(new Query.Query({ id, agentId, text: "talk", status: "queued", createdAt }))
      assert.deepStrictEqual(said(yield* finish(Stream.runCollect(orchestrator.events(id)))), whole)
      assert.deepStrictEqual(runs, ["talk"])
    })
  )
})

describe("what was asked of a query", () => {
  /** A query that nobody began, as a process leaves it that died while it waited. */
  const waiting = Effect.fnUntraced(function* (agentId: Id.AgentId, more: Partial<Query.Query>) {
    const [id, createdAt] = [yield* Id.nextQueryId, yield* DateTime.now]
    const query = new Query.Query({ id, agentId, text: "hang", status: "queued", createdAt, ...more })
    yield* (yield* StateStore.StateStore).createQuery(query)
    return id
  })

  it.effect("holds for whoever takes it over: its budget, and that nobody is woken for it", () =>
    withAgent(function* ({ id: agentId, orchestrator }) {
      const budget = new Budget.Budget({ wall: Duration.seconds(30) })
      const limited = yield* waiting(agentId, { budget })
      const following = yield* start(Effect.exit(Stream.runDrain(orchestrator.events(limited))))
      yield* pass("29 seconds")
      assert.isUndefined(following.pollUnsafe())
      yield* pass("2 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(following)))
      const { error, outcome } = yield* (yield* StateStore.StateStore).getQuery(limited)
      assert.strictEqual(outcome, "aborted")
      assert.include(error, "budget")

      const quiet = yield* waiting(agentId, { resume: false })
      yield* orchestrator.pause(agentId)
      const { reason } = yield* Effect.flip(Stream.runDrain(orchestrator.events(quiet)))
      assert.strictEqual(reason._tag, "AgentPaused")
      assert.strictEqual((yield* (yield* StateStore.StateStore).getQuery(quiet)).status, "queued")
    })
  )

  for (const [text, outcome] of [
    ["talk long", "ok"],
    ["hang", "aborted"]
  ] as const) {
    it.effect(
      `does not keep it from its end, when a budget was used up before it was found: ${outcome}`,
      () =>
        Effect.gen(function* () {
          const orchestrator = yield* here
          const { id } = yield* orchestrator.launch({ budget: new Budget.Budget({ sandboxSeconds: 50 }) })
          yield* orchestrator.start(id, text)
          yield* pass("1 minute")
          const pausing = yield* start(orchestrator.pause(id, { whenRunning: "wait" }))
          yield* pass("10 seconds")
          assert.strictEqual((yield* Fiber.join(pausing)).status, "paused")
          const query = (yield* Stream.runCollect(
            (yield* StateStore.StateStore).listQueries({ agentId: id })
          ))[0]
          assert.strictEqual(query?.outcome, outcome)
          const { reason } = yield* Effect.flip(orchestrator.query(id, "more"))
          assert.strictEqual(reason._tag, "BudgetExceeded")
          assert.strictEqual((yield* nothingLeft).commands, 0)
        }).pipe(Effect.scoped, Effect.provide(layer(counting())))
    )
  }
})

describe("a process that wakes late", () => {
  it.effect("is refused by its token, and the one that took over goes on", () =>
    withAgent(function* ({ id, orchestrator, runs }) {
      const late = yield* OtherProcess.make
      const asking = yield* start(Effect.flip(late.orchestrator.query(id, taking(60_000))))
      yield* late.faint
      yield* pass("1 second")
      const query = yield* queryOf(id)
      const following = yield* start(Stream.runCollect(orchestrator.events(query.id)))
      yield* pass("2 minutes")
      assert.deepStrictEqual(
        (yield* Fiber.join(following)).map(({ event, seq }) => `${seq} ${event.type}`),
        ["0 thinking", "1 result"]
      )
      const { reason } = yield* Fiber.join(asking)
      assert.strictEqual(reason._tag, "TakenOver")
      assert.strictEqual((yield* queryOf(id)).outcome, "ok")
      assert.lengthOf(runs, 1)
    })
  )
})

describe("a process that wakes while the query goes on", () => {
  it.effect("leaves the program to the one that took over", () =>
    withAgent(function* ({ id, orchestrator, runs }) {
      const late = yield* OtherProcess.make
      const asking = yield* start(Effect.flip(late.orchestrator.query(id, "talk long")))
      yield* late.faint
      yield* pass("1 second")
      const query = yield* queryOf(id)
      const following = yield* start(Stream.runCollect(orchestrator.events(query.id)))
      yield* pass("20 seconds")
      assert.strictEqual((yield* Fiber.join(asking)).reason._tag, "TakenOver")
      assert.strictEqual((yield* nothingLeft).commands, 1)
      yield* pass("20 seconds")
      assert.deepStrictEqual(said(yield* Fiber.join(following)), [
        ...Array.from({ length: 40 }, (_, index) => `${index} ${index + 1}`),
        "40 42"
      ])
      assert.lengthOf(runs, 1)
    })
  )
})

describe("two processes", () => {
  it.effect("ask one agent one after the other, each query once", () =>
    withAgent(function* ({ id, orchestrator, runs }) {
      const other = yield* OtherProcess.make
      const texts = Array.from({ length: 6 }, (_, index) => taking(1000, String(index)))
      const asking = yield* Effect.forkChild(
        Effect.forEach(
          texts,
          (text, index) => (index % 2 === 0 ? orchestrator : other.orchestrator).query(id, text),
          { concurrency: 6 }
        )
      )
      for (let rounds = 0; rounds < 100 && asking.pollUnsafe() === undefined; rounds++) {
        yield* pass("200 millis")
        assert.isAtMost((yield* nothingLeft).commands, 1)
      }
      const results = yield* Fiber.join(asking)
      assert.isTrue(results.every(({ ok }) => ok))
      assert.deepStrictEqual(runs.toSorted(), texts.toSorted())
      assert.strictEqual((yield* orchestrator.get(id)).queryCount, 6)
    })
  )

  it.effect("see the same log, live, whoever runs the query, and leaving it changes nothing", () =>
    withAgent(function* ({ id, orchestrator }) {
      const other = yield* OtherProcess.make
      const asking = yield* start(other.orchestrator.query(id, "talk"))
      yield* pass("2500 millis")
      const { id: queryId } = yield* queryOf(id)
      yield* Stream.runDrain(Stream.take(orchestrator.events(queryId), 1))
      const seen = yield* makeLog<AgentEvent.EventRecord>()
      yield* start(Stream.runForEach(orchestrator.events(queryId), seen.tell))
      yield* pass("1 second")
      assert.isAtLeast((yield* seen.all).length, 2)
      yield* pass("1 minute")
      assert.isTrue((yield* Fiber.join(asking)).ok)
      assert.deepStrictEqual(said(yield* seen.all), whole)
    })
  )

  it.effect("cancel each other's queries: the one that runs, and the one that waits", () =>
    withAgent(function* ({ id, orchestrator }) {
      const other = yield* OtherProcess.make
      const running = yield* start(Effect.flip(other.orchestrator.query(id, "hang")))
      yield* pass("1 second")
      const waiting = yield* start(Effect.flip(other.orchestrator.query(id, "wait")))
      yield* pass("1 second")
      const store = yield* StateStore.StateStore
      const ids = yield* Stream.runCollect(
        Stream.map(store.listQueries({ agentId: id }), (query) => query.id)
      )
      const [first, second] = ids
      assert(first !== undefined && second !== undefined)
      assert.strictEqual((yield* finish(orchestrator.cancel(second, "ada"))).outcome, "aborted")
      assert.strictEqual((yield* nothingLeft).commands, 1)
      const cancelled = yield* start(orchestrator.cancel(first))
      yield* pass("4 seconds")
      assert.strictEqual((yield* Fiber.join(cancelled)).outcome, "aborted")
      assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
      yield* pass("1 second")
      for (const fiber of [running, waiting]) {
        const { reason } = yield* Fiber.join(fiber)
        assert(reason._tag === "QueryFailed", reason._tag)
        assert.strictEqual(reason.result.outcome, "aborted")
      }
      assert.strictEqual((yield* store.getQuery(second)).cancelRequestedBy, "ada")
      assert.strictEqual((yield* orchestrator.cancel(first)).outcome, "aborted")
    })
  )
})

describe("Orchestrator.start", () => {
  it.effect("leaves the query to whoever listens, and the next one waits for it", () =>
    withAgent(function* ({ id, orchestrator, runs }) {
      const query = yield* orchestrator.start(id, "talk")
      assert.strictEqual(query.status, "running")
      assert.strictEqual(query.job?.id, query.id)
      const other = yield* OtherProcess.make
      const next = yield* start(other.orchestrator.query(id, "next"))
      const log = yield* finish(Stream.runCollect(orchestrator.events(query.id)))
      assert.deepStrictEqual(said(log), whole)
      assert.isTrue((yield* Fiber.join(next)).ok)
      assert.deepStrictEqual(runs, ["talk", "next"])
    })
  )

  it.effect("ends the query as a crash when its sandbox is gone before anybody listens", () =>
    withAgent(function* ({ id, orchestrator }) {
      const query = yield* orchestrator.start(id, "hang")
      yield* orchestrator.terminate(id)
      const log = yield* finish(Stream.runCollect(orchestrator.events(query.id)))
      assert.strictEqual(log.at(-1)?.event.type, "result")
      assert.strictEqual((yield* queryOf(id)).outcome, "aborted")
    })
  )

  it.effect("does not start what cannot be started, and the log says so", () => {
    const faults = { on: false }
    return Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch
      faults.on = true
      const { reason } = yield* Effect.flip(orchestrator.start(id, "why?"))
      assert.strictEqual(reason._tag, "SandboxFailed")
      faults.on = false
      const query = yield* queryOf(id)
      yield* finish(Stream.runDrain(orchestrator.events(query.id)))
      assert.strictEqual((yield* queryOf(id)).outcome, "crash")
    }).pipe(
      Effect.provide(
        layer({
          fault: ({ operation }) =>
            faults.on && operation === "spawn" ? new SandboxError.Unauthorized({}) : undefined
        })
      )
    )
  })
})
