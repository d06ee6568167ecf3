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

/** What a pass of the reaper may see and do at the most; what is beyond it is left for the next. */
export interface Budget {
  /** Pages of the provider's list; 100 when absent. */
  readonly pages?: number | undefined
  /** Sandboxes; 10,000 when absent. */
  readonly items?: number | undefined
  /** Time for all of it; 2 minutes when absent. What was begun is finished. */
  readonly time?: Duration.Input | undefined
}

/** How things are judged. */
export interface PlanOptions {
  /**
   * How young a thing must be to be left alone. Must be several times as long as what lies between two renewals of an
   * intent (`Intents.beat`), and not less than the clocks of machines differ. 10 minutes when absent.
   */
  readonly grace?: Duration.Input | undefined
  /** How long a provider may still be working on a create after it began; 2 minutes when absent. */
  readonly createDeadline?: Duration.Input | undefined
  /** How long a sandbox may sleep before it is named; 7 days when absent. */
  readonly retention?: Duration.Input | undefined
  /** Whether those that have slept for longer are ended, and their agents with them. */
  readonly removePaused?: boolean | undefined
  readonly budget?: Budget | undefined
}

/** How a plan is carried out. */
export interface ReapOptions extends PlanOptions {
  /** Says what would be done, and does nothing. */
  readonly dryRun?: boolean | undefined
  /** How much is done at the same time; 4 when absent. */
  readonly concurrency?: number | undefined
}

/** What is to be done, and on what ground. */
export interface Plan {
  readonly at: DateTime.Utc
  readonly owner: string
  readonly provider: string
  /** Whether every sandbox of the owner was seen. If not, nothing was concluded from what was not seen. */
  readonly complete: boolean
  readonly decisions: ReadonlyArray<ReapPlan.Decision>
}

/**
 * What became of a decision.
 *
 * - `left`: it was to leave alone.
 * - `planned`: this was a dry run.
 * - `done`: carried out.
 * - `spared`: the last look before it showed that it no longer held.
 * - `postponed`: the time was up.
 * - `failed`: `error` says why; the next pass tries again.
 */
export type Outcome = "left" | "planned" | "done" | "spared" | "postponed" | "failed"

/** A decision and what became of it. */
export interface Entry {
  readonly decision: ReapPlan.Decision
  readonly outcome: Outcome
  readonly error?: SandboxError.SandboxError | StateStoreError.StateStoreError | undefined
}

/** The agents in these are what a sandbox may be kept for. */
const holding = AgentLifecycle.AgentStatus.literals.filter(AgentLifecycle.mayHoldSandbox)

/** A plan and what became of it. */
export interface Report extends Omit<Plan, "decisions"> {
  readonly dryRun: boolean
  readonly entries: ReadonlyArray<Entry>
}

/**
 * Ends what crashes have left, and nothing else. Only sandboxes that are stamped with the configured owner
 * (`REMOTE_AGENT_OWNER`) are ever touched, and each is looked at once more right before it is ended.
 *
 * Both fail when the provider or the store cannot be asked: without an answer there is no plan.
 */
export class Reaper extends Context.Service<
  Reaper,
  {
    /** What a pass would do now. */
    readonly plan: (options?: PlanOptions) => Effect.Effect<Plan, OrchestratorError.OrchestratorError>
    /** Makes a plan and carries it out. What fails on the way is told in the report. */
    readonly reap: (options?: ReapOptions) => Effect.Effect<Report, OrchestratorError.OrchestratorError>
  }
>()("@remote-agent/orchestrator/Reaper") {}

/** The reaper of the configured owner, over the provider and the stores there are. */
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
        // A list that ends by itself within its budget is whole; one that reached it may or may not be.
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
        // Whoever cannot be asked about is not gone.
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

/** The reaper of the configured owner, over the provider and the stores there are. */
export const layer: Layer.Layer<
  Reaper,
  never,
  RemoteAgentConfig.RemoteAgentConfig | Sandboxes.Sandboxes | StateStore | LaunchIntents
> = Layer.effect(Reaper, make)
