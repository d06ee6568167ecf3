import {
  type AgentEvent,
  Agent,
  Id,
  type Lease,
  OrchestratorError,
  RemoteAgentConfig,
  Run,
  RunTransition,
  SandboxLabels,
  type StateStoreError
} from "@remote-agent/domain"
import { Sandboxes } from "@remote-agent/sandbox"
import { DateTime, Deferred, Duration, Effect, Option, type Scope, Stream } from "effect"
import * as AgentLocks from "../agents/AgentLocks.ts"
import { Orchestrator } from "../Orchestrator.ts"
import { Profiles } from "../profiles/Profiles.ts"
import { asksOf } from "../queries/limits/QueryPermits.ts"
import * as AgentStore from "../state/AgentStore.ts"
import { Leases } from "../state/Leases.ts"
import { RunStore, slotResource } from "../state/runs/RunStore.ts"
import { SharedLimits } from "../state/runs/SharedLimits.ts"
import { StateStore } from "../state/StateStore.ts"
import { attemptEnd, endsAgent, isPermanent } from "./attemptEnd.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * How the work for a slot ended in this process.
 *
 * - `Held`: another process works for it, at least until `until`.
 * - `Done`: there is nothing to do for it now.
 * - `Yielded`: it was given up for another run.
 *
 * @category models
 * @since 0.2.0
 */
export type SlotEnd =
  | { readonly _tag: "Held"; readonly until: DateTime.Utc }
  | { readonly _tag: "Done" }
  | { readonly _tag: "Yielded" }

/**
 * Works for the slots of runs.
 *
 * @category models
 * @since 0.2.0
 */
export interface RunSlots {
  /**
   * Acquires a slot and answers questions with its agent until there is nothing to do. `shouldYield` is asked between two
   * questions. Interruption hands the slot over: a query that runs is left running, and the next owner follows it.
   */
  readonly work: (
    id: Id.RunId,
    slot: number,
    shouldYield: Effect.Effect<boolean>
  ) => Effect.Effect<SlotEnd, Failure>
}

/** The label with the slot that an agent was launched for. */
const slotLabel = "run-slot"

/** How long the sandbox of an agent outlives the last process that kept it alive. */
const ttl = Duration.minutes(5)

/** How often, and how many times, an idle slot looks for a question before it terminates its agent. */
const idle = { every: Duration.millis(500), times: 20 }

/** The pool that the agents of a run belong to, by which their usage is summed up. */
const poolOf = (id: Id.RunId): Id.PoolName => Id.PoolName.make(id)

const stored = <A>(effect: Effect.Effect<A, StateStoreError.StateStoreError>) =>
  AgentStore.stored("run", effect)

interface Held {
  readonly id: Id.RunId
  readonly slot: number
  readonly lease: Lease.Lease
}

/** Makes the slots over the current services. `holder` identifies this process. */
export const make = Effect.fnUntraced(function* (
  holder: string
): Effect.fn.Return<
  RunSlots,
  never,
  | Orchestrator
  | Sandboxes.Sandboxes
  | StateStore
  | RunStore
  | Leases
  | Profiles
  | RemoteAgentConfig.RemoteAgentConfig
> {
  const [{ agents, queries }, sandboxes, store, runs, leases] = yield* Effect.all([
    Orchestrator,
    Sandboxes.Sandboxes,
    StateStore,
    RunStore,
    Leases
  ])
  const [profiles, config] = yield* Effect.all([Profiles, RemoteAgentConfig.RemoteAgentConfig])
  const shared = yield* Effect.serviceOption(SharedLimits)
  const { beat, ttl: leaseTtl } = yield* AgentLocks.Policy
  /** Terminates an agent and every sandbox that was created for it. */
  const terminate = Effect.fnUntraced(function* (id: Id.AgentId) {
    yield* agents.get(id).pipe(
      Effect.flatMap((agent) => agent.terminate),
      Effect.catchReason("OrchestratorError", "AgentNotFound", () => Effect.void)
    )
    yield* sandboxes.list({ metadata: { [SandboxLabels.agentKey]: id } }).pipe(
      Stream.runForEach((info) => sandboxes.terminate(info.id)),
      Effect.mapError(AgentStore.fromSandbox("run"))
    )
  })

  /** Terminates agents that were launched for a slot by a process that died before it recorded them. */
  const sweep = Effect.fnUntraced(function* ({ id, slot }: Held, agentId: Option.Option<Id.AgentId>) {
    const strays = yield* stored(
      Stream.runCollect(
        store.listAgents({
          pool: poolOf(id),
          labels: { [slotLabel]: String(slot) },
          status: ["launching", "active", "paused", "failed"]
        })
      )
    )
    for (const agent of strays) if (!Option.contains(agentId, agent.id)) yield* terminate(agent.id)
  })

  const dropAgent = Effect.fnUntraced(function* ({ id, lease, slot }: Held, agentId: Id.AgentId) {
    yield* terminate(agentId)
    yield* stored(runs.setAgent(id, slot, lease, Option.none()))
  })

  /** Launches the agent of a slot. Returns none when that failed, which is recorded in the run. */
  const launch = Effect.fnUntraced(function* ({ id, lease, slot }: Held, run: Run.Run) {
    const launched = yield* Effect.result(
      agents.launch({
        profile: run.profile,
        ttl,
        persistent: false,
        pool: poolOf(id),
        labels: { run: id, [slotLabel]: String(slot) }
      })
    )
    if (launched._tag === "Success") {
      yield* stored(runs.setAgent(id, slot, lease, Option.some(launched.success.id)))
      return Option.some(launched.success.id)
    }
    const { failure } = launched
    yield* Effect.logWarning("An agent of a run could not be launched", failure)
    yield* stored(
      runs.change(id, (now) => {
        const counted = RunTransition.launchFailed(failure.message)(now)
        return isPermanent(failure) ? RunTransition.stop(counted, "launch") : counted
      })
    )
    yield* stored(runs.finish(id, slot, lease, { _tag: "NotStarted", problem: failure.message }))
    return Option.none<Id.AgentId>()
  })

  /** Cancels a query when its run is cancelled. Never ends by itself. */
  const cancelWithRun = Effect.fnUntraced(function* (id: Id.RunId, queryId: Id.QueryId) {
    for (;;) {
      const run = yield* Effect.option(runs.get(id))
      if (Option.isSome(run) && run.value.status === "cancelled") {
        yield* Effect.flatMap(queries.get(queryId), (query) => query.cancel("run cancel")).pipe(
          Effect.catch((error) => Effect.logDebug("A query of a cancelled run is not cancelled yet", error))
        )
      }
      yield* Effect.sleep(beat)
    }
  })

  /** Runs or follows the query of a started question. Returns undefined when its end is not known. */
  const answer = Effect.fnUntraced(function* (
    run: Run.Run,
    text: string,
    { agentId, queryId }: RunTransition.Attempt
  ) {
    let last: AgentEvent.AgentEvent | undefined
    const log = queries.submit(queryId, agentId, text, { timeout: run.timeout, poolBudget: run.budget })
    const failure = yield* Effect.raceFirst(
      Stream.runForEach(log, ({ event }) => Effect.sync(() => void (last = event))),
      cancelWithRun(run.id, queryId)
    ).pipe(
      Effect.as(undefined),
      Effect.catch((error) => Effect.succeed(error))
    )
    const query = yield* stored(store.getQuery(queryId))
    const end = attemptEnd(query, last?.type === "result" ? last.answer : "", failure, yield* DateTime.now)
    if (end === undefined && failure !== undefined) return yield* failure
    if (end?._tag === "NotStarted") yield* queries.abandon(queryId)
    return { end, agentEnded: failure !== undefined && endsAgent(failure) }
  })

  /** The question that the slot works on: the one it has, or the next one. */
  const next = Effect.fnUntraced(function* (held: Held, agentId: Option.Option<Id.AgentId>) {
    const { id, lease, slot } = held
    if (Option.isNone(agentId)) return yield* stored(runs.claim(id, slot, lease))
    const queryId = yield* Id.nextQueryId
    return yield* stored(runs.claim(id, slot, lease, { agentId: agentId.value, queryId }))
  })

  /** Launches an agent for an assigned question and records its attempt. */
  const started = Effect.fnUntraced(function* (held: Held, run: Run.Run, known: Option.Option<Id.AgentId>) {
    const { id, lease, slot } = held
    if (run.status === "cancelled") {
      yield* stored(runs.finish(id, slot, lease, { _tag: "NotStarted", problem: "The run was cancelled." }))
      return Option.none<Run.Question>()
    }
    const agentId = Option.isSome(known) ? known : yield* launch(held, run)
    if (Option.isNone(agentId)) return Option.none<Run.Question>()
    const attempt = { agentId: agentId.value, queryId: yield* Id.nextQueryId }
    return yield* stored(runs.start(id, slot, lease, attempt))
  })

  /** Lets no other query behind the same keys start before the reset of a usage limit that an agent has met. */
  const blockLimits = Effect.fnUntraced(function* (run: Run.Run, end: RunTransition.AttemptEnd) {
    if (end._tag !== "Answered" || end.limitedUntil === undefined || Option.isNone(shared)) return
    const profile = yield* profiles.get(run.profile)
    const keys = asksOf(profile, config.REMOTE_AGENT_LIMITS).map(({ key }) => key)
    yield* stored(shared.value.block(keys, DateTime.toEpochMillis(end.limitedUntil)))
  })

  const serve = Effect.fnUntraced(function* (held: Held, shouldYield: Effect.Effect<boolean>) {
    const { id, lease, slot } = held
    const current = yield* stored(runs.slot(id, slot))
    let { agentId, question } = current
    yield* sweep(held, agentId)
    let waited = 0
    for (;;) {
      const run = yield* stored(runs.get(id))
      if (Option.isNone(question)) {
        if (!RunTransition.isOpen(run)) break
        if (yield* shouldYield) return { _tag: "Yielded" } as const
        question = yield* next(held, agentId)
      }
      if (Option.isNone(question)) {
        const mayFollow = run.counts.waiting > 0 || !run.sealed
        if (!mayFollow || Option.isNone(agentId) || waited++ >= idle.times) break
        yield* Effect.sleep(idle.every)
        continue
      }
      waited = 0
      if (question.value.state === "assigned") {
        question = yield* started(held, run, agentId)
        if (Option.isNone(question)) break
      }
      const { agentId: asked, queryId, text } = question.value
      if (asked === undefined || queryId === undefined) {
        return yield* Effect.die("a started question has an agent and a query")
      }
      agentId = Option.some(asked)
      const { agentEnded, end } = yield* answer(run, text, { agentId: asked, queryId })
      if (end === undefined) {
        return yield* Effect.die("a query whose stream ended without a failure has ended")
      }
      yield* stored(runs.finish(id, slot, lease, end))
      yield* blockLimits(run, end)
      question = Option.none()
      const gone = agentEnded || (yield* isGone(asked))
      if (gone) {
        yield* dropAgent(held, asked)
        agentId = Option.none()
      }
    }
    const left = (yield* stored(runs.slot(id, slot))).agentId
    if (Option.isSome(left)) yield* dropAgent(held, left.value)
    return { _tag: "Done" } as const
  })

  /** Whether the record of an agent says that it has no sandbox any more. */
  const isGone = Effect.fnUntraced(function* (id: Id.AgentId) {
    const agent: Agent.Agent = yield* stored(store.getAgent(id))
    return agent.status !== "active" && agent.status !== "paused"
  })

  const renew = Effect.fnUntraced(function* (first: Lease.Lease) {
    let lease = first
    for (;;) {
      yield* Effect.sleep(beat)
      const renewed = yield* Effect.result(leases.renew(lease, leaseTtl))
      if (renewed._tag === "Success") lease = renewed.success
      else if (renewed.failure.reason._tag === "LeaseLost") return
      else if (DateTime.isLessThanOrEqualTo(lease.until, yield* DateTime.now)) return
    }
  })

  const acquire = (id: Id.RunId, slot: number): Effect.Effect<Lease.Lease, Failure | SlotHeld, Scope.Scope> =>
    Effect.acquireRelease(leases.acquire(slotResource(id, slot), { holder, ttl: leaseTtl }), (lease) =>
      Effect.catch(leases.release(lease), (error) =>
        Effect.logWarning("The lease of a slot could not be released; it expires by itself", error)
      )
    ).pipe(
      Effect.mapError((error) =>
        error.reason._tag === "LeaseHeld"
          ? new SlotHeld(error.reason.until)
          : AgentStore.fromStore("run")(error)
      )
    )

  const work: RunSlots["work"] = Effect.fn("RunSlots.work")(
    function* (id, slot, shouldYield): Effect.fn.Return<SlotEnd, Failure | SlotHeld, Scope.Scope> {
      const lease = yield* acquire(id, slot)
      const lost = yield* Deferred.make<SlotEnd>()
      const taken = { _tag: "Held", until: DateTime.addDuration(yield* DateTime.now, leaseTtl) } as const
      yield* Effect.forkScoped(Effect.andThen(renew(lease), Deferred.succeed(lost, taken)))
      return yield* Effect.raceFirst(serve({ id, slot, lease }, shouldYield), Deferred.await(lost))
    },
    Effect.scoped,
    Effect.catchIf(
      (error) => error instanceof SlotHeld,
      ({ until }) => Effect.succeed<SlotEnd>({ _tag: "Held", until })
    )
  )

  return { work }
})

/** Another process has the lease of a slot. */
class SlotHeld {
  readonly _tag = "SlotHeld"
  readonly until: DateTime.Utc
  constructor(until: DateTime.Utc) {
    this.until = until
  }
}
