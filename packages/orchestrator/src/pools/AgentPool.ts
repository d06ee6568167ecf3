import { type Agent, Id, OrchestratorError } from "@remote-agent/domain"
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
import type { Agents } from "../agents/Agents.ts"
import type { Queries } from "../queries/Queries.ts"
import type { PoolSpec, PoolResult, PoolQueryOptions, AgentPool } from "./PoolSpec.ts"

export type { PoolSpec, PoolEvent, PoolResult, PoolMembers, PoolQueryOptions, AgentPool } from "./PoolSpec.ts"

/** When to retry a full pool that has finished no query yet. */
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

/** The agents that a pool uses again. */
export interface Reuse {
  /** Agents that may be used, in this order. */
  readonly candidates: ReadonlyArray<Agent.Agent>
  /** Resumes an agent and tells whether it is healthy. */
  readonly isWell: (agent: Agent.Agent) => Effect.Effect<boolean>
}

interface Slot {
  readonly number: number
  readonly agent: Agent.Agent
  readonly replaced: number
}

/** Emits results in the order of their queries, each as soon as all results before it are known. */
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

/** Whether a failure means that the agent takes no more queries: it was lost or terminated. */
const endsAgent = ({ reason }: OrchestratorError.OrchestratorError): boolean =>
  reason._tag === "AgentLost" || reason._tag === "AgentNotReady" || reason._tag === "AgentNotFound"

/** Launches a pool and waits for its first agent. Fails with the last failure when no agent could be launched. */
export const make = Effect.fn("Orchestrator.pool")(function* (
  agents: Pick<Agents, "launch" | "launchScoped" | "terminate">,
  queries: Pick<Queries, "query">,
  spec: PoolSpec,
  reuse?: Reuse
) {
  const size = Math.max(1, Math.trunc(spec.size))
  const replacements = spec.replacements ?? 3
  const tell = spec.onEvent ?? (() => Effect.void)
  const launches = yield* Semaphore.make(Math.max(1, spec.launchConcurrency ?? 5))
  const candidates = [...(reuse?.candidates ?? [])]
  const { name, poolBudget, ...launchSpec } = spec
  // The usage of its agents is summed up under a name that only this pool knows.
  const group = poolBudget === undefined ? undefined : Id.PoolName.make(`pool_${yield* Id.nextToken}`)
  const limited = name === undefined ? { poolBudget } : {}
  /** Changed in synchronous steps only. */
  const state = { target: size, working: size, waiting: 0, busy: 0, slots: size, lately: 0 }
  // Shut down at the end, so that no query waits for an agent forever.
  const idle = yield* Effect.acquireRelease(
    Queue.unbounded<Slot, OrchestratorError.OrchestratorError>(),
    Queue.shutdown
  )
  const first = yield* Deferred.make<void, OrchestratorError.OrchestratorError>()
  // In parallel: terminating twenty agents one after the other takes too long.
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
    // After a defect no query may wait for an agent that never comes.
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

  /** Offers an agent for the next query, or retires it when there are too many. */
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

  /** Waits for a free agent, within the limits of the spec. */
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

  /** How many queries of one stream run at once: as many as there may be agents. */
  const limit = () => Math.max(state.target, spec.whenFull === "burst" ? (spec.maxSize ?? 0) : 0)
  /** One for each running stream of queries. */
  const gates = new Set<Semaphore.Semaphore>()

  const openGate = Effect.acquireRelease(
    Effect.sync(() => {
      const gate = Semaphore.makeUnsafe(limit())
      gates.add(gate)
      return gate
    }),
    (gate) => Effect.sync(() => gates.delete(gate))
  )

  const query: AgentPool["query"] = (texts, options = {}) => {
    const numbered = Stream.fromIterable([...texts].map((text, index) => ({ text, index })))
    const results = Stream.unwrap(
      Effect.map(openGate, (gate) =>
        // The gate bounds the concurrency, and follows the size of the pool while the stream runs.
        Stream.mapEffect(numbered, (item) => Effect.as(gate.take(1), item)).pipe(
          Stream.mapEffect(({ index, text }) => Effect.ensuring(one(index, text, options), gate.release(1)), {
            concurrency: "unbounded",
            unordered: true
          })
        )
      )
    )
    return options.order === "completion" ? results : inOrder(results)
  }

  const resize = Effect.fn("AgentPool.resize")(function* (wanted: number) {
    state.target = Math.max(1, Math.trunc(wanted))
    yield* Effect.forEach(gates, (gate) => gate.resize(limit()), { discard: true })
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
