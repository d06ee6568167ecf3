import {
  type Agent,
  type AgentEvent,
  type Budget,
  Id,
  OrchestratorError,
  type PoolRecord,
  type Query
} from "@remote-agent/domain"
import {
  Cause,
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  Latch,
  Metric,
  Option,
  Queue,
  Result,
  Scope,
  Semaphore,
  Stream
} from "effect"
import type { Agents, LaunchSpec } from "../agents/Agents.ts"
import type { Queries, QueryOptions } from "../queries/Queries.ts"

/** What a pool is to be: agents of one kind. */
export interface PoolSpec extends Omit<LaunchSpec, "name" | "pool"> {
  /**
   * Makes it a pool that is kept in the store under this name: its agents outlive the scope, and whoever opens it again
   * goes on with those that are well. Several processes may use it at once. Of `profile`, `persistent`, `labels`,
   * `whenFull`, `maxSize`, `queueLimit` and `poolBudget`, what is not said when it is opened again is as it was; what
   * is said is so from then on, but for the profile: another one is refused with `OtherProfile`.
   */
  readonly name?: Id.PoolName | undefined
  /** What happens to a query that comes when every agent has one; `wait` when absent. */
  readonly whenFull?: PoolRecord.WhenFull | undefined
  /** How many agents there may be while it bursts; `size` when absent. */
  readonly maxSize?: number | undefined
  /** How many queries may wait before one is rejected; 0 when absent. */
  readonly queueLimit?: number | undefined
  /** What all its agents may use together, those as well that have ended. Of a pool with a name it is kept. */
  readonly poolBudget?: Budget.Budget | undefined
  /** How long the end of the scope waits for queries that run; not at all when absent. */
  readonly drain?: Duration.Input | undefined
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
  | { readonly _tag: "Retired"; readonly slot: number; readonly agent: Agent.Agent }

/** What came of one query. `index` is its place among those that were given together. */
export interface PoolResult {
  readonly index: number
  readonly query: string
  /** Absent when no agent was left to ask. */
  readonly agentId?: Id.AgentId | undefined
  readonly result: Result.Result<Query.QueryResult, OrchestratorError.OrchestratorError>
}

/** The agents of a pool once its launches are over. */
export interface PoolMembers {
  readonly agents: ReadonlyArray<Agent.Agent>
  readonly failures: ReadonlyArray<OrchestratorError.OrchestratorError>
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
  /** How many queries wait for an agent. */
  readonly waiting: Effect.Effect<number>
  /** Waits until no launch is under way, and returns the agents of the pool and the launches that failed. */
  readonly settled: Effect.Effect<PoolMembers>
  /** Makes it larger or smaller. An agent that is too many answers its query first, and is then terminated. */
  readonly resize: (size: number) => Effect.Effect<void>
  /**
   * Puts queries to whichever agent is free; there may be many more of them than agents. A failure is the result of
   * its own query and of no other. Leaving the stream stops the queries that run.
   */
  readonly query: (texts: Iterable<string>, options?: PoolQueryOptions) => Stream.Stream<PoolResult>
}

/** When to come again to a full pool that has answered nothing yet. */
const firstWait = Duration.seconds(10)

/** Queries that wait for an agent of a pool of this process. */
const waitingGauge = Metric.gauge("remote_agent_pool_waiting", {
  description: "Queries that wait for an agent of a pool"
})

/** How long queries have waited for an agent, in milliseconds. */
const waitHistogram = Metric.histogram("remote_agent_pool_wait_millis", {
  description: "How long queries waited for an agent of a pool, in milliseconds",
  boundaries: [1, 10, 100, 1000, 10_000, 60_000, 600_000]
})

/** How a pool finds agents that were there before it. */
export interface Reuse {
  /** Agents that may be used, best first. */
  readonly candidates: ReadonlyArray<Agent.Agent>
  /** Wakes one, and says whether it is well. */
  readonly isWell: (agent: Agent.Agent) => Effect.Effect<boolean>
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
  spec: PoolSpec,
  reuse?: Reuse
) {
  const size = Math.max(1, Math.trunc(spec.size))
  const replacements = spec.replacements ?? 3
  const tell = spec.onEvent ?? (() => Effect.void)
  const launches = yield* Semaphore.make(Math.max(1, spec.launchConcurrency ?? 5))
  const candidates = [...(reuse?.candidates ?? [])]
  const { name, poolBudget, ...launchSpec } = spec
  // What its agents use is summed up by a name, which nobody else can open.
  const group = poolBudget === undefined ? undefined : Id.PoolName.make(`pool_${yield* Id.nextToken}`)
  const limited = name === undefined ? { poolBudget } : {}
  /** Changed in single steps only, in between which nothing else runs. */
  const state = { target: size, working: size, waiting: 0, busy: 0, slots: size, lately: 0 }
  // Shut down at the end, or queries that still wait for an agent would wait for ever.
  const idle = yield* Effect.acquireRelease(
    Queue.unbounded<Slot, OrchestratorError.OrchestratorError>(),
    Queue.shutdown
  )
  const first = yield* Deferred.make<void, OrchestratorError.OrchestratorError>()
  // All at once: twenty agents that end one after the other would keep a person waiting.
  const scope = yield* Effect.acquireRelease(Scope.make("parallel"), (opened) =>
    Scope.close(opened, Exit.void)
  )

  const members = new Map<number, Agent.Agent>()
  const failures: Array<OrchestratorError.OrchestratorError> = []
  const settled = yield* Latch.make(true)
  let launching = 0

  const leave = Effect.fnUntraced(function* (error: OrchestratorError.OrchestratorError) {
    if (--state.working > 0) return
    yield* Deferred.fail(first, error)
    yield* Queue.fail(idle, error)
  })

  const launch = Effect.fnUntraced(function* (number: number) {
    for (let agent = candidates.shift(); agent !== undefined; agent = candidates.shift()) {
      if (yield* reuse?.isWell(agent) ?? Effect.succeed(false)) return agent
      yield* tell({ _tag: "Lost", slot: number, agent })
    }
    return yield* name === undefined
      ? agents.launchScoped({ ...launchSpec, pool: group })
      : agents.launch({ ...launchSpec, pool: name })
  })

  const fill = Effect.fnUntraced(
    function* (number: number, replaced: number) {
      yield* tell({ _tag: "Launching", slot: number })
      const agent = yield* launch(number)
      members.set(number, agent)
      yield* tell({ _tag: "Ready", slot: number, agent })
      yield* rest({ number, agent, replaced })
      yield* Deferred.succeed(first, undefined)
    },
    (effect) => launches.withPermit(effect),
    (effect, number) =>
      Effect.catch(effect, (error) =>
        Effect.suspend(() => {
          failures.push(error)
          return Effect.andThen(tell({ _tag: "LaunchFailed", slot: number, error }), leave(error))
        })
      ),
    // A defect must not leave anybody waiting for an agent that will never come.
    Effect.tapDefect((defect) =>
      Effect.andThen(Deferred.die(first, defect), Queue.failCause(idle, Cause.die(defect)))
    )
  )

  const start = (number: number, replaced: number) =>
    Effect.suspend(() => {
      launching++
      settled.closeUnsafe()
      const launched = Effect.ensuring(
        fill(number, replaced),
        Effect.sync(() => {
          if (--launching === 0) settled.openUnsafe()
        })
      )
      return Effect.forkIn(Scope.provide(launched, scope), scope)
    })

  const retire = Effect.fnUntraced(function* ({ agent, number }: Slot) {
    members.delete(number)
    yield* tell({ _tag: "Retired", slot: number, agent })
    yield* Effect.catch(agents.terminate(agent.id), (error) =>
      Effect.logError("An agent that a pool needs no more may still be running", error)
    )
  })

  /** Lets an agent take the next query, or go when there are too many. */
  const rest = (slot: Slot) =>
    Effect.suspend((): Effect.Effect<unknown> => {
      const most = state.waiting > 0 ? Math.max(state.target, spec.maxSize ?? 0) : state.target
      if (state.working <= most) return Queue.offer(idle, slot)
      state.working--
      return retire(slot)
    })

  const giveBack = Effect.fnUntraced(function* (slot: Slot, { result }: PoolResult) {
    const gone = Result.isFailure(result) && endsAgent(result.failure)
    if (!gone) return yield* rest({ ...slot, replaced: 0 })
    members.delete(slot.number)
    yield* tell({ _tag: "Lost", slot: slot.number, agent: slot.agent })
    return yield* slot.replaced < replacements ? start(slot.number, slot.replaced + 1) : leave(result.failure)
  })

  const grow = Effect.suspend(() => {
    state.working++
    return start(state.slots++, 0)
  })

  const full = () =>
    Effect.fail(
      new OrchestratorError.OrchestratorError({
        operation: "pool",
        reason: new OrchestratorError.PoolFull({
          size: state.working,
          busy: state.busy,
          waiting: state.waiting,
          retryAfter: state.lately === 0 ? firstWait : Duration.millis(Math.ceil(state.lately))
        })
      })
    )

  /** Waits for an agent, as far as that is allowed. */
  const take = Effect.suspend((): Effect.Effect<Slot, OrchestratorError.OrchestratorError> => {
    const free = Queue.sizeUnsafe(idle) > state.waiting
    if (!free && spec.whenFull === "reject" && state.waiting >= (spec.queueLimit ?? 0)) return full()
    const burst = !free && spec.whenFull === "burst" && state.working < (spec.maxSize ?? 0)
    const waited = Effect.acquireUseRelease(
      Effect.andThen(Clock.currentTimeMillis, (now) => {
        state.waiting++
        return Effect.as(Metric.modify(waitingGauge, 1), now)
      }),
      (since) =>
        Effect.tap(Queue.take(idle), () =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => Metric.update(waitHistogram, now - since))
        ),
      () => {
        state.waiting--
        return Metric.modify(waitingGauge, -1)
      }
    )
    return burst ? Effect.andThen(grow, waited) : waited
  })

  const one = (index: number, query: string, options: PoolQueryOptions) =>
    Effect.uninterruptibleMask((restore) =>
      restore(take).pipe(
        Effect.flatMap((slot) =>
          Effect.gen(function* () {
            state.busy++
            const since = yield* Clock.currentTimeMillis
            yield* tell({ _tag: "Started", slot: slot.number, index, query })
            const result = yield* Effect.result(
              queries.query(slot.agent.id, query, { timeout: options.timeout, ...limited }, (record) =>
                tell({ _tag: "Event", slot: slot.number, record })
              )
            )
            const took = (yield* Clock.currentTimeMillis) - since
            state.lately = state.lately === 0 ? took : 0.8 * state.lately + 0.2 * took
            const done: PoolResult = { index, query, agentId: slot.agent.id, result }
            yield* tell({ _tag: "Ended", slot: slot.number, result: done })
            return done
          }).pipe(
            restore,
            Effect.onExit((exit) => {
              state.busy--
              return Exit.isSuccess(exit) ? giveBack(slot, exit.value) : rest(slot)
            })
          )
        ),
        Effect.catch((error) => Effect.succeed<PoolResult>({ index, query, result: Result.fail(error) }))
      )
    )

  const query: AgentPool["query"] = (texts, options = {}) => {
    const numbered = Stream.fromIterable([...texts].map((text, index) => ({ text, index })))
    const results = Stream.suspend(() =>
      Stream.mapEffect(numbered, ({ index, text }) => one(index, text, options), {
        concurrency: Math.max(state.target, spec.whenFull === "burst" ? (spec.maxSize ?? 0) : 0),
        unordered: true
      })
    )
    return options.order === "completion" ? results : inOrder(results)
  }

  const resize = Effect.fn("AgentPool.resize")(function* (wanted: number) {
    state.target = Math.max(1, Math.trunc(wanted))
    while (state.working < state.target) yield* grow
    const tooMany: Array<Slot> = []
    while (state.working > state.target) {
      const slot = Queue.sizeUnsafe(idle) > 0 ? yield* Effect.option(Queue.take(idle)) : Option.none<Slot>()
      if (Option.isNone(slot)) break
      state.working--
      tooMany.push(slot.value)
    }
    yield* Effect.forEach(tooMany, retire, { concurrency: 5, discard: true })
  })

  const drained = Effect.gen(function* () {
    const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(spec.drain ?? 0)
    while (state.busy > 0 && (yield* Clock.currentTimeMillis) < until) yield* Effect.sleep("50 millis")
  })
  yield* Effect.addFinalizer(() => drained)

  yield* Effect.forEach(Array.from({ length: size }).keys(), (number) => start(number, 0), { discard: true })
  yield* Deferred.await(first)
  return {
    size: Effect.sync(() => state.working),
    waiting: Effect.sync(() => state.waiting),
    settled: Effect.map(settled.await, () => ({ agents: [...members.values()], failures: [...failures] })),
    resize,
    query
  } satisfies AgentPool
})
