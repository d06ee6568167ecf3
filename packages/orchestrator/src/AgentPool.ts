import type { Agent, AgentEvent, Id, OrchestratorError, Query } from "@remote-agent/domain"
import { Cause, Deferred, Effect, Exit, Queue, Ref, Result, Scope, Semaphore, Stream } from "effect"
import type { Agents, LaunchSpec } from "./Agents.ts"
import type { Queries, QueryOptions } from "./Queries.ts"

/** What a pool is to be: agents of one kind. */
export interface PoolSpec extends Omit<LaunchSpec, "name"> {
  /** How many agents; at least 1. */
  readonly size: number
  /** How many launches may be under way at once; 5 when absent. */
  readonly launchConcurrency?: number | undefined
  /** How often in a row an agent whose sandbox went away is replaced; 3 when absent, 0 leaves it out. */
  readonly replacements?: number | undefined
  /** Told of everything that happens, in order and at once. The pool waits for it: be quick. */
  readonly onEvent?: ((event: PoolEvent) => Effect.Effect<void>) | undefined
}

/** Something that happened in a pool. `slot` counts the pool's places for agents from 0. */
export type PoolEvent =
  | { readonly _tag: "Launching"; readonly slot: number }
  | { readonly _tag: "Ready"; readonly slot: number; readonly agent: Agent.Agent }
  | {
      readonly _tag: "LaunchFailed"
      readonly slot: number
      readonly error: OrchestratorError.OrchestratorError
    }
  | { readonly _tag: "Started"; readonly slot: number; readonly index: number; readonly query: string }
  | { readonly _tag: "Event"; readonly slot: number; readonly record: AgentEvent.EventRecord }
  | { readonly _tag: "Ended"; readonly slot: number; readonly result: PoolResult }
  | { readonly _tag: "Lost"; readonly slot: number; readonly agent: Agent.Agent }

/** What came of one query. `index` is its place among those that were given together. */
export interface PoolResult {
  readonly index: number
  readonly query: string
  /** Absent when no agent was left to ask. */
  readonly agentId?: Id.AgentId | undefined
  readonly result: Result.Result<Query.QueryResult, OrchestratorError.OrchestratorError>
}

/** How queries are put to a pool. */
export interface PoolQueryOptions extends Pick<QueryOptions, "timeout"> {
  /** In the order of the queries, which is the default, or as they come. */
  readonly order?: "input" | "completion" | undefined
}

/** Agents that share the queries put to them. They are terminated with the scope in which the pool was made. */
export interface AgentPool {
  /** How many agents work, or are being launched. */
  readonly size: Effect.Effect<number>
  /**
   * Puts queries to whichever agent is free; there may be many more of them than agents. A failure is the result of
   * its own query and of no other. Leaving the stream stops the queries that run.
   */
  readonly query: (texts: Iterable<string>, options?: PoolQueryOptions) => Stream.Stream<PoolResult>
}

interface Slot {
  readonly number: number
  readonly agent: Agent.Agent
  readonly replaced: number
}

/** Emits results in the order of their queries, each as soon as all before it are there. */
export const inOrder = <A extends { readonly index: number }, E, R>(
  results: Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> =>
  Stream.mapAccum(
    results,
    (): { readonly next: number; readonly waiting: ReadonlyMap<number, A> } => ({
      next: 0,
      waiting: new Map()
    }),
    ({ next, waiting }, result) => {
      const all = new Map(waiting).set(result.index, result)
      const out: Array<A> = []
      let at = next
      for (let hit = all.get(at); hit !== undefined; hit = all.get(at)) {
        out.push(hit)
        all.delete(at++)
      }
      return [{ next: at, waiting: all }, out] as const
    }
  )

/** Whether a failure means that its agent will answer nothing any more: it was lost, or somebody else ended it. */
const endsAgent = ({ reason }: OrchestratorError.OrchestratorError): boolean =>
  reason._tag === "AgentLost" || reason._tag === "AgentNotReady" || reason._tag === "AgentNotFound"

/** Launches a pool. Waits for the first agent; fails with the last failure when there will be none. */
export const make = Effect.fn("Orchestrator.pool")(function* (
  agents: Agents,
  queries: Queries,
  spec: PoolSpec
) {
  const size = Math.max(1, Math.trunc(spec.size))
  const replacements = spec.replacements ?? 3
  const tell = spec.onEvent ?? (() => Effect.void)
  const launches = yield* Semaphore.make(Math.max(1, spec.launchConcurrency ?? 5))
  const working = yield* Ref.make(size)
  // Shut down at the end, or queries that still wait for an agent would wait for ever.
  const idle = yield* Effect.acquireRelease(
    Queue.bounded<Slot, OrchestratorError.OrchestratorError>(size),
    Queue.shutdown
  )
  const first = yield* Deferred.make<void, OrchestratorError.OrchestratorError>()
  // All at once: twenty agents that end one after the other would keep a person waiting.
  const scope = yield* Effect.acquireRelease(Scope.make("parallel"), (opened) =>
    Scope.close(opened, Exit.void)
  )

  const leave = Effect.fnUntraced(function* (error: OrchestratorError.OrchestratorError) {
    const left = yield* Ref.updateAndGet(working, (count) => count - 1)
    if (left > 0) return
    yield* Deferred.fail(first, error)
    yield* Queue.fail(idle, error)
  })

  const fill = Effect.fnUntraced(
    function* (number: number, replaced: number) {
      yield* tell({ _tag: "Launching", slot: number })
      const agent = yield* agents.launchScoped(spec)
      yield* tell({ _tag: "Ready", slot: number, agent })
      yield* Queue.offer(idle, { number, agent, replaced })
      yield* Deferred.succeed(first, undefined)
    },
    (effect) => launches.withPermit(effect),
    (effect, number) =>
      Effect.catch(effect, (error) =>
        Effect.andThen(tell({ _tag: "LaunchFailed", slot: number, error }), leave(error))
      ),
    // A defect must not leave anybody waiting for an agent that will never come.
    Effect.tapDefect((defect) =>
      Effect.andThen(Deferred.die(first, defect), Queue.failCause(idle, Cause.die(defect)))
    )
  )

  const start = (number: number, replaced: number) =>
    Effect.forkIn(Scope.provide(fill(number, replaced), scope), scope)

  const giveBack = Effect.fnUntraced(function* (slot: Slot, { result }: PoolResult) {
    const gone = Result.isFailure(result) && endsAgent(result.failure)
    if (!gone) return yield* Queue.offer(idle, { ...slot, replaced: 0 })
    yield* tell({ _tag: "Lost", slot: slot.number, agent: slot.agent })
    return yield* slot.replaced < replacements ? start(slot.number, slot.replaced + 1) : leave(result.failure)
  })

  const one = (index: number, query: string, options: PoolQueryOptions) =>
    Effect.uninterruptibleMask((restore) =>
      restore(Queue.take(idle)).pipe(
        Effect.flatMap((slot) =>
          Effect.gen(function* () {
            yield* tell({ _tag: "Started", slot: slot.number, index, query })
            const result = yield* Effect.result(
              queries.query(slot.agent.id, query, { timeout: options.timeout }, (record) =>
                tell({ _tag: "Event", slot: slot.number, record })
              )
            )
            const done: PoolResult = { index, query, agentId: slot.agent.id, result }
            yield* tell({ _tag: "Ended", slot: slot.number, result: done })
            return done
          }).pipe(
            restore,
            Effect.onExit((exit) =>
              Exit.isSuccess(exit) ? giveBack(slot, exit.value) : Queue.offer(idle, slot)
            )
          )
        ),
        Effect.catch((error) => Effect.succeed<PoolResult>({ index, query, result: Result.fail(error) }))
      )
    )

  const query: AgentPool["query"] = (texts, options = {}) => {
    const numbered = Stream.fromIterable([...texts].map((text, index) => ({ text, index })))
    const results = Stream.mapEffect(numbered, ({ index, text }) => one(index, text, options), {
      concurrency: size,
      unordered: true
    })
    return options.order === "completion" ? results : inOrder(results)
  }

  yield* Effect.forEach(Array.from({ length: size }).keys(), (number) => start(number, 0), { discard: true })
  yield* Deferred.await(first)
  return { size: Ref.get(working), query } satisfies AgentPool
})
