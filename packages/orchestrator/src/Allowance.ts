import { type Agent, Budget, type Id, OrchestratorError, Query, Usage } from "@remote-agent/domain"
import { Clock, DateTime, Duration, Effect, Option } from "effect"
import * as Records from "./Records.ts"
import type { StateStore } from "./StateStore.ts"

/** What a query may use before a budget is reached: its own, that of its agent, and that of the agent's pool. */
interface Allowance {
  /** United States dollars; no limit when absent. */
  readonly budgetUsd: number | undefined
  /** The `BudgetExceeded` of the first budget that is reached when the query has used so much, beside its time. */
  readonly reachedBy: (used: Usage.Usage) => Option.Option<OrchestratorError.OrchestratorError>
  /** The time that is left; no limit when absent. */
  readonly timeLeft: Query.TimeLeft | undefined
  /** Fails with `BudgetExceeded` when that time is up, and does not succeed. */
  readonly timeUp: Effect.Effect<never, OrchestratorError.OrchestratorError>
}

/** How long a query that was found with a budget used up has to tell what it has said by then. */
const lastWords = Duration.seconds(5)

/** A budget that was reached, as a failure. */
export const usedUp = (
  operation: string,
  id: Id.AgentId,
  { exceeded, of }: Pick<Query.TimeLeft, "exceeded" | "of">
): OrchestratorError.OrchestratorError =>
  Records.failure(operation, new OrchestratorError.BudgetExceeded({ id, of, exceeded }))

/**
 * Holds the budgets against what the store has counted, over all processes. The returned function fails with
 * `BudgetExceeded` when one is used up already, unless the query was begun: then its time is up soon. The seconds of an
 * agent's sandbox are counted from its launch on.
 */
export const make = (store: StateStore["Service"]) => {
  /** What a query may still use, and how long it may take for that. */
  return Effect.fnUntraced(function* (
    operation: string,
    agent: Agent.Agent,
    { budget, startedAt, status }: Query.Query
  ): Effect.fn.Return<Allowance, OrchestratorError.OrchestratorError> {
    const now = yield* Clock.currentTimeMillis
    const sandboxSeconds = (now - DateTime.toEpochMillis(agent.createdAt)) / 1000
    const wallMillis = startedAt === undefined ? 0 : Math.max(0, now - DateTime.toEpochMillis(startedAt))
    const limits: Array<readonly [Query.BudgetOwner, Budget.Budget, Budget.Spent]> = []
    if (budget !== undefined) limits.push(["query", budget, { usage: { ...Usage.zero, wallMillis } }])
    if (agent.budget !== undefined)
      limits.push(["agent", agent.budget, { usage: agent.usage, sandboxSeconds }])
    if (agent.pool !== undefined) {
      const pool = yield* Effect.catchReason(
        Effect.asSome(store.getPool(agent.pool)),
        "StateStoreError",
        "NotFound",
        () => Effect.succeedNone
      ).pipe(Effect.mapError(Records.fromStore(operation)))
      if (Option.isSome(pool) && pool.value.budget !== undefined) {
        const { usage } = yield* Effect.mapError(
          store.usage({ pool: agent.pool }),
          Records.fromStore(operation)
        )
        limits.push(["pool", pool.value.budget, { usage }])
      }
    }
    const error = (of: Query.BudgetOwner, exceeded: Budget.Exceeded) =>
      usedUp(operation, agent.id, { of, exceeded })
    const reachedBy = (used: Usage.Usage) =>
      Option.firstSomeOf(
        limits.map(([of, limited, spent]) =>
          Option.map(
            Budget.exceeded(limited, { ...spent, usage: Usage.add(spent.usage, used) }),
            (exceeded) => error(of, exceeded)
          )
        )
      )
    let [costUsd, time] = [Infinity, Infinity]
    let timeLeft: Query.TimeLeft | undefined
    for (const [of, limited, spent] of limits) {
      const exceeded = Budget.exceeded(limited, spent)
      if (Option.isSome(exceeded)) {
        const why = error(of, exceeded.value)
        if (status === "queued") return yield* why
        return {
          budgetUsd: undefined,
          reachedBy: Option.none,
          timeLeft: undefined,
          timeUp: Effect.delay(Effect.fail(why), lastWords)
        }
      }
      costUsd = Math.min(costUsd, (limited.costUsd ?? Infinity) - (spent.usage.costUsd ?? 0))
      const times = [
        [
          "wall",
          limited.wall === undefined ? Infinity : Duration.toMillis(limited.wall),
          spent.usage.wallMillis
        ],
        ["sandboxSeconds", (limited.sandboxSeconds ?? Infinity) * 1000, (spent.sandboxSeconds ?? 0) * 1000]
      ] as const
      for (const [limit, allowed, used] of times) {
        if (allowed - used >= time) continue
        time = allowed - used
        const unit = limit === "wall" ? 1 : 1000
        timeLeft = new Query.TimeLeft({
          time: Duration.millis(Math.ceil(time)),
          of,
          exceeded: new Budget.Exceeded({ limit, allowed: allowed / unit, spent: allowed / unit })
        })
      }
    }
    return {
      budgetUsd: Number.isFinite(costUsd) ? costUsd : undefined,
      reachedBy,
      timeLeft,
      timeUp:
        timeLeft === undefined
          ? Effect.never
          : Effect.delay(Effect.fail(error(timeLeft.of, timeLeft.exceeded)), time)
    }
  })
}
