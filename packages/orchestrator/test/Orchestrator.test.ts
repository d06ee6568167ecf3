import { assert, describe, it } from "@effect/vitest"
import { type AgentEvent, RemoteAgentConfig, type OrchestratorError } from "@remote-agent/domain"
import { Orchestrator, Profiles, StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes } from "@remote-agent/sandbox"
import { Effect, Fiber, Layer, Stream } from "effect"
import {
  ends,
  exit,
  finish,
  hangs,
  layer,
  layerLogged,
  Logged,
  makeLog,
  nothing,
  nothingLeft,
  pass,
  resultLine,
  standing,
  start,
  taking
} from "./support/support.ts"
import { byId } from "./support/byId.ts"

const ask = (text: string, options?: Orchestrator.AskOptions) =>
  Effect.flatMap(byId, (orchestrator) => orchestrator.ask(text, options))

describe("Orchestrator.ask", () => {
  it.effect("answers, tells of every event in order, and leaves nothing", () =>
    Effect.gen(function* () {
      const events = yield* makeLog<AgentEvent.EventRecord>()
      const result = yield* finish(ask(taking(5000, "why"), { onEvent: events.tell }))
      assert.strictEqual(result.answer, "re: why in 5000 millis")
      const told = yield* events.all
      assert.deepStrictEqual(
        told.map(({ event, seq }) => `${seq} ${event.type}`),
        ["0 thinking", "1 result"]
      )
      const log = (yield* StateStore.StateStore).events(result.queryId, 0)
      assert.deepStrictEqual(told, yield* Stream.runCollect(log))
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      assert.deepStrictEqual(yield* standing, ["terminated"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("leaves nothing when the query fails", () =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(ask("why?"))
      assert(reason._tag === "QueryFailed")
      assert.strictEqual(reason.result.outcome, "denied")
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      assert.deepStrictEqual(yield* standing, ["terminated"])
    }).pipe(Effect.provide(layer({ answer: () => ends("denied", "no") })))
  )

  it.effect("leaves nothing when the launch fails", () =>
    Effect.gen(function* () {
      const stages = yield* makeLog<OrchestratorError.LaunchStage>()
      const { reason } = yield* Effect.flip(ask("why?", { onStage: stages.tell }))
      assert(reason._tag === "LaunchFailed")
      assert.strictEqual(reason.stage, "setup")
      assert.deepStrictEqual(yield* stages.all, ["record", "intent", "create", "assets", "bind", "setup"])
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer({ prepare: () => Stream.make(exit(1)) })))
  )

  it.effect("has nothing to say about an agent that there never was", () =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(ask("why?", { profile: "dexter" }))
      assert.strictEqual(reason._tag, "UnknownProfile")
      assert.deepStrictEqual((yield* Logged).lines, [])
      assert.deepStrictEqual(yield* standing, [])
    }).pipe(Effect.provide([layer(), layerLogged]))
  )

  it.effect("leaves nothing when the time is up", () =>
    Effect.gen(function* () {
      const fiber = yield* start(Effect.flip(ask("hang", { timeout: "20 seconds" })))
      yield* pass("20 seconds")
      const { reason } = yield* Fiber.join(fiber)
      assert(reason._tag === "QueryFailed")
      assert.strictEqual(reason.result.outcome, "timeout")
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer({ answer: () => hangs })))
  )

  it.effect("leaves nothing when it is interrupted, in the query or before", () =>
    Effect.gen(function* () {
      const fiber = yield* start(ask("hang"))
      yield* pass("30 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      const early = yield* Effect.forkChild(ask("hang"))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(early)
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer({ answer: () => hangs })))
  )

  it.effect("leaves nothing when it is interrupted after any number of steps", () =>
    Effect.gen(function* () {
      for (let steps = 0; steps < 120; steps++) {
        const fiber = yield* Effect.forkChild(ask(taking(0)))
        yield* Effect.replicateEffect(Effect.yieldNow, steps, { discard: true })
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* nothingLeft, nothing, `${steps} steps`)
      }
      const statuses = new Set((yield* standing).map((one) => one.split(":")[0]))
      assert.deepStrictEqual(statuses, new Set(["failed", "terminated"]))
    }).pipe(Effect.provide(layer()))
  )

  it.effect("outlives the short life of its sandbox for as long as the query takes", () =>
    Effect.gen(function* () {
      const fiber = yield* start(ask(taking(110_000, "long"), { timeout: "9 minutes", ttl: "1 minute" }))
      yield* pass("110 seconds")
      assert.isTrue((yield* Fiber.join(fiber)).ok)
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer()))
  )
})

describe("Orchestrator.layer", () => {
  it.effect("runs the sample profile over sandboxes in memory, for tests of programs that use it", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      assert.strictEqual((yield* orchestrator.ask("why?")).answer, "because")
      assert.include(
        (yield* Profiles.Profiles).list.map(({ name }) => name),
        "sample"
      )
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(
      Effect.provide(
        Orchestrator.layer.pipe(
          Layer.provideMerge(MemorySandboxes.layer({ run: () => Stream.make(resultLine("because")) })),
          Layer.provide(RemoteAgentConfig.layerFrom({}))
        )
      )
    )
  )
})
