import { assert, describe, it } from "@effect/vitest"
import { type Id, type Query } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes } from "@remote-agent/sandbox"
import { Effect, Fiber, Stream } from "effect"
import * as OtherProcess from "../support/otherProcess.ts"
import {
  exit,
  faultAt,
  finish,
  layer,
  nothing,
  nothingLeft,
  type Options,
  pass,
  start,
  taking,
  unreachable
} from "../support/support.ts"
import { byId, type ById } from "../support/byId.ts"

interface Scene {
  readonly id: Id.AgentId
  readonly here: ById
  readonly other: OtherProcess.OtherProcess
}

const scene = Effect.gen(function* () {
  const here = yield* byId
  const { id } = yield* here.launch()
  const all: Scene = { id, here, other: yield* OtherProcess.make }
  return all
})

/** The agent is terminated and nothing more, and nothing of it is left. */
const isOver = Effect.fnUntraced(function* ({ here, id }: Scene) {
  const { binding, detail, endRequestedAt, status } = yield* here.get(id)
  assert.deepStrictEqual(
    { status, detail, binding, endRequestedAt },
    { status: "terminated", detail: undefined, binding: undefined, endRequestedAt: undefined }
  )
  assert.deepStrictEqual(yield* nothingLeft, nothing)
})

const endsOf = Effect.fnUntraced(function* (agentId: Id.AgentId) {
  const store = yield* StateStore.StateStore
  const queries: ReadonlyArray<Query.Query> = yield* Stream.runCollect(store.listQueries({ agentId }))
  return yield* Effect.forEach(queries, ({ id, outcome }) =>
    Effect.map(Stream.runLast(store.events(id, 0)), (last) => {
      const event = last._tag === "Some" ? last.value.event : undefined
      return [outcome, event?.type === "result" ? event.error : undefined]
    })
  )
})

const ended = ["aborted", "Its agent was terminated before the query ended."]

describe("an agent that another process terminates", () => {
  it.effect("ends the query that is answered here as stopped on purpose, and is not lost", () =>
    Effect.gen(function* () {
      const all = yield* scene
      const asking = yield* start(Effect.flip(all.here.query(all.id, taking(60_000))))
      yield* pass("10 seconds")
      yield* finish(all.other.orchestrator.terminate(all.id))
      const { reason } = yield* finish(Fiber.join(asking))
      assert(reason._tag === "AgentNotReady")
      assert.strictEqual(reason.status, "terminated")
      assert.deepStrictEqual(yield* endsOf(all.id), [ended])
      yield* isOver(all)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("is not paused by whoever waits here for that", () =>
    Effect.gen(function* () {
      const all = yield* scene
      const asking = yield* start(Effect.flip(all.here.query(all.id, taking(60_000))))
      const pausing = yield* start(Effect.flip(all.here.pause(all.id, { whenRunning: "wait" })))
      yield* pass("10 seconds")
      assert.isUndefined(pausing.pollUnsafe())
      yield* finish(all.other.orchestrator.terminate(all.id))
      const { operation, reason } = yield* finish(Fiber.join(pausing))
      assert.strictEqual(operation, "pause")
      assert(reason._tag === "AgentNotReady")
      assert.strictEqual(reason.status, "terminated")
      yield* finish(Fiber.join(asking))
      assert.deepStrictEqual(yield* endsOf(all.id), [ended])
      yield* isOver(all)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("stays terminated when it is being updated here", () => {
    let setUps = 0
    const slow: Options = {
      prepare: () =>
        setUps++ === 0
          ? Stream.make(exit(0))
          : Stream.fromEffect(Effect.delay(Effect.succeed(exit(0)), "1 minute"))
    }
    return Effect.gen(function* () {
      const all = yield* scene
      const updating = yield* start(Effect.flip(all.here.update(all.id)))
      yield* pass("10 seconds")
      assert.strictEqual(setUps, 2)
      assert.isUndefined(updating.pollUnsafe())
      yield* finish(all.other.orchestrator.terminate(all.id))
      yield* finish(Fiber.join(updating))
      yield* isOver(all)
    }).pipe(Effect.scoped, Effect.provide(layer(slow)))
  })

  it.effect("is not lost either when the other process dies before it has written that it is over", () =>
    Effect.gen(function* () {
      const all = yield* scene
      const asking = yield* start(Effect.flip(all.here.query(all.id, taking(60_000))))
      yield* pass("10 seconds")
      yield* Effect.forkDetach(all.other.orchestrator.terminate(all.id))
      const ledger = yield* MemorySandboxes.Ledger
      while ((yield* ledger.alive).length > 0) yield* Effect.yieldNow
      yield* all.other.die
      assert.strictEqual((yield* finish(Fiber.join(asking))).reason._tag, "AgentNotReady")
      assert.deepStrictEqual(yield* endsOf(all.id), [ended])
      yield* isOver(all)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("stays as it was when its sandbox could not be ended, and can be terminated from here", () =>
    Effect.gen(function* () {
      const all = yield* scene
      const refused = yield* Effect.flip(all.other.orchestrator.terminate(all.id))
      assert.strictEqual(refused.reason._tag, "SandboxFailed")
      assert.strictEqual((yield* all.here.get(all.id)).status, "active")
      assert.isDefined((yield* all.here.get(all.id)).endRequestedAt)
      yield* all.here.terminate(all.id)
      yield* isOver(all)
    }).pipe(Effect.scoped, Effect.provide(layer({ fault: faultAt("terminate", unreachable, 0) })))
  )
})
