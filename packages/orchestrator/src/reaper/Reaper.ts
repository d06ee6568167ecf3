import {
  RemoteAgentConfig,
  type Id,
  AgentLifecycle,
  type OrchestratorError,
  ReapPlan,
  SandboxError,
  SandboxLabels,
  type StateStoreError
} from "@remote-agent/domain"
import { type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Clock, Context, DateTime, Duration, Effect, Layer, Option, Stream } from "effect"
import { fromSandbox, fromStore } from "../state/AgentStore.ts"
import { LaunchIntents } from "../state/LaunchIntents.ts"
import * as ReaperExecutor from "./ReaperExecutor.ts"
import { StateStore } from "../state/StateStore.ts"

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
  /** Whether to kill sandboxes that were paused for longer, and to terminate their agents. */
  readonly removePaused?: boolean | undefined
  readonly budget?: Budget | undefined
}

/**
 * The options of a pass.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReapOptions extends PlanOptions {
  /** Reports the plan and carries out nothing. */
  readonly dryRun?: boolean | undefined
  /** The number of decisions that are carried out at the same time. Default: 4. */
  readonly concurrency?: number | undefined
}

/**
 * The decisions of a pass, and what they are based on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Plan {
  readonly at: DateTime.Utc
  readonly owner: string
  readonly provider: string
  /** Whether every sandbox of the owner was listed. If not, a sandbox that was not listed is not taken for gone. */
  readonly complete: boolean
  readonly decisions: ReadonlyArray<ReapPlan.Decision>
}

/**
 * The outcome of a decision.
 *
 * - `left`: the decision was to leave it alone.
 * - `planned`: this was a dry run.
 * - `done`: the decision was carried out.
 * - `spared`: a check right before showed that the decision no longer held.
 * - `postponed`: the time of the pass was up.
 * - `failed`: `error` says why; the next pass tries again.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = "left" | "planned" | "done" | "spared" | "postponed" | "failed"

/**
 * A decision and its outcome.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly decision: ReapPlan.Decision
  readonly outcome: Outcome
  readonly error?: SandboxError.SandboxError | StateStoreError.StateStoreError | undefined
}

/** The statuses of agents for which a sandbox is kept. */
const holding = AgentLifecycle.AgentStatus.literals.filter(AgentLifecycle.mayHoldSandbox)

/**
 * A plan and the outcomes of its decisions.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report extends Omit<Plan, "decisions"> {
  readonly dryRun: boolean
  readonly entries: ReadonlyArray<Entry>
}

/**
 * Removes what crashed processes left: sandboxes without an agent, and intents without a launch.
 *
 * **Details**
 *
 * Only sandboxes that are labelled with the configured owner (`REMOTE_AGENT_OWNER`) are touched, and each is checked
 * again right before it is killed. Both methods fail when the provider or the store cannot be reached.
 *
 * @category services
 * @since 0.1.0
 */
export class Reaper extends Context.Service<
  Reaper,
  {
    /** Makes the plan of a pass and carries out nothing. */
    readonly plan: (options?: PlanOptions) => Effect.Effect<Plan, OrchestratorError.OrchestratorError>
    /** Makes a plan and carries it out. The report has the failures of single decisions. */
    readonly reap: (options?: ReapOptions) => Effect.Effect<Report, OrchestratorError.OrchestratorError>
  }
>()("@remote-agent/orchestrator/Reaper") {}

/**
 * Makes the reaper of the configured owner.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<
  Reaper["Service"],
  never,
  RemoteAgentConfig.RemoteAgentConfig | Sandboxes.Sandboxes | StateStore | LaunchIntents
> = Effect.gen(function* () {
  const [config, sandboxes, store, intents] = yield* Effect.all([
    RemoteAgentConfig.RemoteAgentConfig,
    Sandboxes.Sandboxes,
    StateStore,
    LaunchIntents
  ])
  const owner = config.REMOTE_AGENT_OWNER

  const acts = ReaperExecutor.make(sandboxes, store, intents)

  const listed = Effect.fnUntraced(
    function* ({ items = 10_000, pages = 100, time = "2 minutes" }: Budget) {
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

  /** The agents that may hold a sandbox, and those that the listed ones were made for: of the ended, no others. */
  const agentsOf = Effect.fnUntraced(function* (seen: ReadonlyArray<Sandbox.SandboxInfo>) {
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

  const look = Effect.fnUntraced(function* (options: PlanOptions, until: number) {
    const now = yield* DateTime.now
    const { complete, sandboxes: seen } = yield* listed(options.budget ?? {})
    const agents = yield* Effect.mapError(agentsOf(seen), fromStore("reap"))
    const open = yield* Effect.mapError(Stream.runCollect(intents.list), fromStore("reap"))
    const ids = new Set(seen.map(({ id }) => id))
    const missing = agents.flatMap(({ binding, status }) =>
      binding?.provider === sandboxes.provider &&
      AgentLifecycle.mayHoldSandbox(status) &&
      !ids.has(binding.sandboxId)
        ? [binding.sandboxId]
        : []
    )
    const gone = yield* Effect.forEach(
      complete ? missing : [],
      Effect.fnUntraced(function* (id) {
        if ((yield* Clock.currentTimeMillis) >= until) return []
        // A sandbox whose provider cannot be reached is not gone.
        return (yield* Effect.orElseSucceed(acts.isGone(id), () => false)) ? [id] : []
      }),
      { concurrency: 4 }
    )
    const facts: ReapPlan.Facts = {
      now,
      owner,
      complete,
      agents,
      provider: sandboxes.provider,
      sandboxes: seen,
      intents: open,
      gone: new Set(gone.flat()),
      grace: Duration.fromInputUnsafe(options.grace ?? "10 minutes"),
      createDeadline: Duration.fromInputUnsafe(options.createDeadline ?? "2 minutes"),
      retention: Duration.fromInputUnsafe(options.retention ?? "7 days"),
      removePaused: options.removePaused ?? false
    }
    return facts
  })

  const planOf = (facts: ReapPlan.Facts): Plan => ({
    at: facts.now,
    owner,
    provider: facts.provider,
    complete: facts.complete,
    decisions: ReapPlan.make(facts)
  })

  const deadline = Effect.fnUntraced(function* (options: PlanOptions) {
    return (yield* Clock.currentTimeMillis) + Duration.toMillis(options.budget?.time ?? "2 minutes")
  })

  const reap = Effect.fn("Reaper.reap")(function* (options: ReapOptions = {}) {
    const until = yield* deadline(options)
    const facts = yield* look(options, until)
    const { decisions, ...plan } = planOf(facts)
    const dryRun = options.dryRun ?? false
    const carryOut = acts.carryOut(facts)

    const one = Effect.fnUntraced(function* (decision: ReapPlan.Decision) {
      const entry = (outcome: Outcome): Entry => ({ decision, outcome })
      if (decision.action === "leave-alone") return entry("left")
      if (dryRun) return entry("planned")
      if ((yield* Clock.currentTimeMillis) >= until) return entry("postponed")
      return yield* carryOut(decision).pipe(
        Effect.map((done) => entry(done ? "done" : "spared")),
        Effect.catch((error) => Effect.succeed<Entry>({ decision, outcome: "failed", error }))
      )
    })

    const entries = yield* Effect.forEach(decisions, one, { concurrency: options.concurrency ?? 4 })
    const report: Report = { ...plan, dryRun, entries }
    return report
  })

  return Reaper.of({
    reap,
    plan: Effect.fn("Reaper.plan")(function* (options: PlanOptions = {}) {
      return planOf(yield* look(options, yield* deadline(options)))
    })
  })
})

/**
 * Makes the reaper of the configured owner.
 *
 * @category constructors
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  Reaper,
  never,
  RemoteAgentConfig.RemoteAgentConfig | Sandboxes.Sandboxes | StateStore | LaunchIntents
> = Layer.effect(Reaper, make)
