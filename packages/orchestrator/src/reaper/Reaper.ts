import {
  RemoteAgentConfig,
  type OrchestratorError,
  ReapPlan,
  type SandboxError,
  type StateStoreError
} from "@remote-agent/domain"
import { Sandboxes } from "@remote-agent/sandbox"
import { Clock, Context, DateTime, Duration, Effect, Layer } from "effect"
import { LaunchIntents } from "../state/LaunchIntents.ts"
import * as ReaperExecutor from "./ReaperExecutor.ts"
import * as ReaperFacts from "./ReaperFacts.ts"
import type { PlanOptions } from "./ReaperFacts.ts"
import { StateStore } from "../state/StateStore.ts"

export type { Budget, PlanOptions } from "./ReaperFacts.ts"

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
  /** Whether every sandbox of the owner was listed. If not, a sandbox that is not in the list may still exist. */
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
  const look = ReaperFacts.make({ owner, sandboxes, store, intents, isGone: acts.isGone })

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
