import { assert, describe, it } from "@effect/vitest"
import type { Id } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect, Fiber, Stream, Tracer } from "effect"
import * as OtherProcess from "../support/otherProcess.ts"
import { finish, hangs, layer, pass, start, taking } from "../support/support.ts"
import { byId } from "../support/byId.ts"

const launch = Effect.flatMap(byId, (orchestrator) => orchestrator.launch())

/** A tracer that keeps its spans, all of one trace if that is named. */
const recorder = (traceId?: string) => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      if (traceId !== undefined) Object.defineProperty(span, "traceId", { value: traceId })
      spans.push(span)
      return span
    }
  })
  const one = (name: string): Tracer.Span => {
    const [found, ...more] = spans.filter((span) => span.name === name)
    assert.lengthOf(more, 0, name)
    assert(found !== undefined, name)
    return found
  }
  return { spans, tracer, one }
}

const linked = ({ links }: Tracer.Span) => links.map(({ span }) => span.spanId)

const queryOf = (agentId: Id.AgentId) =>
  Effect.gen(function* () {
    const [query] = yield* Stream.runCollect((yield* StateStore.StateStore).listQueries({ agentId }))
    assert(query !== undefined)
    return query
  })

/** A query that a process asked in a trace of its own before it died. */
const orphaned = Effect.fnUntraced(function* (tracer: Tracer.Tracer, text: string) {
  const { id } = yield* launch
  const other = yield* OtherProcess.make
  const asking = other.orchestrator.query(id, text).pipe(Effect.withSpan("asker"), Effect.withTracer(tracer))
  yield* Effect.forkDetach(asking)
  yield* pass("1 second")
  yield* other.die
  return yield* queryOf(id)
})

const answer = (text: string) => (text === "hang" ? hangs : undefined)

describe("the trace of a query", () => {
  it.effect("goes on in the process that takes it over, which is linked with it", () => {
    const { one, tracer } = recorder()
    return Effect.gen(function* () {
      const query = yield* orphaned(tracer, taking(5000))
      const following = Stream.runDrain((yield* byId).events(query.id))
      yield* finish(following.pipe(Effect.withSpan("follower"), Effect.withTracer(tracer)))
      const [asker, follower, events] = [one("asker"), one("follower"), one("Orchestrator.events")]
      const asked = one("Orchestrator.stream")
      assert.strictEqual(query.trace, `00-${asker.traceId}-${asked.spanId}-01`)
      for (const name of ["Orchestrator.events", "Orchestrator.takeOver", "AgentRuntime.follow"]) {
        assert.strictEqual(one(name).traceId, asker.traceId, name)
      }
      assert.notStrictEqual(follower.traceId, asker.traceId)
      assert.deepStrictEqual([linked(events), linked(follower)], [[follower.spanId], [asked.spanId]])
      assert.deepStrictEqual(linked(one("Orchestrator.takeOver")), [], "it is in the trace already")
    }).pipe(Effect.scoped, Effect.provide(layer({ answer })))
  })

  it.effect("is not that of the next query, which brings it to its end", () => {
    const { one, spans, tracer } = recorder()
    return Effect.gen(function* () {
      const { agentId, trace = "" } = yield* orphaned(tracer, taking(5000))
      const next = (yield* byId).query(agentId, "next")
      yield* finish(next.pipe(Effect.withSpan("next"), Effect.withTracer(tracer)))
      const [taken, caller] = [one("Orchestrator.takeOver"), one("next")]
      assert.include(trace, taken.traceId)
      assert.lengthOf(linked(taken), 1)
      const own = spans.filter(({ name }) => name === "AgentRuntime.run").map(({ traceId }) => traceId)
      assert.deepStrictEqual(own, [taken.traceId, caller.traceId])
    }).pipe(Effect.scoped, Effect.provide(layer({ answer })))
  })

  it.effect("has who cancels it in it", () => {
    const { one, tracer } = recorder()
    return Effect.gen(function* () {
      const { id, trace = "" } = yield* orphaned(tracer, "hang")
      const cancel = (yield* byId).cancel(id)
      yield* finish(cancel.pipe(Effect.withSpan("canceller"), Effect.withTracer(tracer)))
      assert.include(trace, one("Orchestrator.cancel").traceId)
      assert.deepStrictEqual(linked(one("Orchestrator.cancel")), [one("canceller").spanId])
    }).pipe(Effect.scoped, Effect.provide(layer({ answer })))
  })

  it.effect("leaves who is in it where they are, below their own span", () => {
    const { one, tracer } = recorder()
    return Effect.gen(function* () {
      const { agentId } = yield* Effect.gen(function* () {
        const { id } = yield* launch
        const running = yield* start((yield* byId).query(id, taking(1000)))
        yield* pass("500 millis")
        const { id: queryId } = yield* queryOf(id)
        const events = Stream.runDrain((yield* byId).events(queryId))
        yield* finish(Effect.withSpan(events, "below"))
        yield* Fiber.join(running)
        return { agentId: id }
      }).pipe(Effect.withSpan("all"), Effect.withTracer(tracer))
      assert.include((yield* queryOf(agentId)).trace ?? "", one("all").traceId)
      const parent = one("Orchestrator.events").parent
      assert.strictEqual(parent._tag === "Some" && parent.value.spanId, one("below").spanId)
      assert.deepStrictEqual(linked(one("below")), [])
    }).pipe(Effect.scoped, Effect.provide(layer({ answer })))
  })

  it.effect("is not kept where its ids are not those that others could go on with", () => {
    const { tracer } = recorder("trace one")
    return Effect.gen(function* () {
      const { id } = yield* launch
      const asking = (yield* byId).query(id, "what?")
      yield* finish(Effect.withTracer(asking, tracer))
      assert.isUndefined((yield* queryOf(id)).trace)
    }).pipe(Effect.scoped, Effect.provide(layer({ answer })))
  })
})
