import {
  type Agent,
  AgentLifecycle,
  type Id,
  type ReapPlan,
  SandboxError,
  SandboxLabels
} from "@remote-agent/domain"
import { type Sandbox, type Sandboxes } from "@remote-agent/sandbox"
import { Clock, DateTime, Duration, Effect, Option, Stream } from "effect"
import { fromSandbox, fromStore } from "../state/AgentStore.ts"
import type { LaunchIntents } from "../state/LaunchIntents.ts"
import type { StateStore } from "../state/StateStore.ts"
import * as ReaperExecutor from "./ReaperExecutor.ts"

/**
 * The limits of one pass of the reaper. The next pass does the rest.
 *
 * @category models
 * @since 0.1.0
 */
export interface Budget {
  /** Pages of the provider's list. Default: 100. */
  readonly pages?: number | undefined
  /** Sandboxes. Default: 10,000. */
  readonly items?: number | undefined
  /** The time for the whole pass. Default: 2 minutes. Steps that have begun are finished. */
  readonly time?: Duration.Input | undefined
}

/**
 * The options of a plan.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlanOptions {
  /**
   * The age below which sandboxes and intents are left alone. Must be several times the interval between two renewals
   * of an intent (`LaunchIntents.beat`), and more than the clocks of the machines differ. Default: 10 minutes.
   */
  readonly grace?: Duration.Input | undefined
  /** How long a provider may take to create a sandbox. Default: 2 minutes. */
  readonly createDeadline?: Duration.Input | undefined
  /** How long a sandbox may be paused before it is reported. Default: 7 days. */
  readonly retention?: Duration.Input | undefined
  /** Whether to terminate sandboxes that were paused for longer, and their agents. */
  readonly removePaused?: boolean | undefined
  readonly budget?: Budget | undefined
}

/**
 * Where the facts come from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sources extends Pick<ReaperExecutor.ReaperExecutor, "isGone"> {
  readonly owner: string
  readonly sandboxes: Sandboxes.Sandboxes["Service"]
  readonly store: StateStore["Service"]
  readonly intents: LaunchIntents["Service"]
}

/** The statuses of agents for which a sandbox is kept. */
const holding = AgentLifecycle.AgentStatus.literals.filter(AgentLifecycle.mayHoldSandbox)

/** The sandboxes of the owner, and whether these are all. */
const list = Effect.fnUntraced(
  function* ({ owner, sandboxes }: Sources, { items = 10_000, pages = 100, time = "2 minutes" }: Budget) {
    const seen = new Map<Id.SandboxId, Sandbox.SandboxInfo>()
    let read = 0
    const all = sandboxes.list({ metadata: { [SandboxLabels.ownerKey]: owner } }).pipe(
      Stream.chunks,
      Stream.runForEachWhile((page) =>
        Effect.sync(() => {
          for (const info of page) if (seen.size < items) seen.set(info.id, info)
          return ++read < pages && seen.size < items
        })
      ),
      // A list that ended within its limits is complete. One that reached a limit may not be.
      Effect.map(() => read < pages && seen.size < items),
      Effect.timeoutOption(time)
    )
    const complete = yield* all
    if (Option.isNone(complete) && read === 0) {
      const after = Duration.fromInputUnsafe(time)
      return yield* SandboxError.fail("list", new SandboxError.RequestTimedOut({ after }))
    }
    return { complete: Option.getOrElse(complete, () => false), sandboxes: [...seen.values()] }
  },
  Effect.mapError(fromSandbox("reap"))
)

/** The agents that may hold a sandbox, and the terminated agents whose sandboxes are in the list. */
const agentsOf = Effect.fnUntraced(function* (
  { owner, store }: Sources,
  seen: ReadonlyArray<Sandbox.SandboxInfo>
) {
  const holders = yield* Stream.runCollect(store.listAgents({ status: holding }))
  const found = new Set(holders.map(({ id }) => id))
  const stamped = new Set(
    seen.flatMap(({ metadata }) =>
      Option.toArray(SandboxLabels.read(metadata)).flatMap(({ agentId, owner: whose }) =>
        whose === owner && !found.has(agentId) ? [agentId] : []
      )
    )
  )
  const ended = yield* Effect.forEach(stamped, (id) => ReaperExecutor.known(store, id), { concurrency: 4 })
  return [...holders, ...ended.flatMap(Option.toArray)]
})

/** The sandboxes of agents that are not in a complete list and that the provider confirms not to exist. */
const goneOf = Effect.fnUntraced(function* (
  { isGone, sandboxes }: Sources,
  agents: ReadonlyArray<Agent.Agent>,
  ids: ReadonlySet<Id.SandboxId>,
  until: number
) {
  const missing = agents.flatMap(({ binding, status }) =>
    binding?.provider === sandboxes.provider &&
    AgentLifecycle.mayHoldSandbox(status) &&
    !ids.has(binding.sandboxId)
      ? [binding.sandboxId]
      : []
  )
  const gone = yield* Effect.forEach(
    missing,
    Effect.fnUntraced(function* (id) {
      if ((yield* Clock.currentTimeMillis) >= until) return []
      // A sandbox whose provider cannot be reached is not gone.
      return (yield* Effect.orElseSucceed(isGone(id), () => false)) ? [id] : []
    }),
    { concurrency: 4 }
  )
  return gone.flat()
})

/**
 * Makes the function that collects the facts for a plan, until a time in milliseconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (sources: Sources) =>
  Effect.fnUntraced(function* (options: PlanOptions, until: number) {
    const { intents, owner, sandboxes } = sources
    const now = yield* DateTime.now
    const { complete, sandboxes: seen } = yield* list(sources, options.budget ?? {})
    const agents = yield* Effect.mapError(agentsOf(sources, seen), fromStore("reap"))
    const open = yield* Effect.mapError(Stream.runCollect(intents.list), fromStore("reap"))
    const ids = new Set(seen.map(({ id }) => id))
    const gone = complete ? yield* goneOf(sources, agents, ids, until) : []
    const facts: ReapPlan.Facts = {
      now,
      owner,
      complete,
      agents,
      provider: sandboxes.provider,
      sandboxes: seen,
      intents: open,
      gone: new Set(gone),
      grace: Duration.fromInputUnsafe(options.grace ?? "10 minutes"),
      createDeadline: Duration.fromInputUnsafe(options.createDeadline ?? "2 minutes"),
      retention: Duration.fromInputUnsafe(options.retention ?? "7 days"),
      removePaused: options.removePaused ?? false
    }
    return facts
  })
