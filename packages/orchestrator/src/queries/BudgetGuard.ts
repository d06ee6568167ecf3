import {
  type Agent,
  Budget,
  type Id,
  AgentLifecycle,
  OrchestratorError,
  Query,
  TokenUsage
} from "@remote-agent/domain"
import { Clock, DateTime, Duration, Effect, Option, Stream } from "effect"
import * as AgentStore from "../state/AgentStore.ts"
import type { StateStore } from "../state/StateStore.ts"

type Failure = OrchestratorError.OrchestratorError

/** The `BudgetExceeded` of the first budget that a query reaches with this usage. Time is checked separately. */
export type ReachedBy = (used: TokenUsage.TokenUsage) => Option.Option<Failure>

/** What a query may use before it reaches a budget of its own, of its agent, or of the agent's pool. */
export interface Allowance {
  /** United States dollars; no limit when absent. */
  readonly budgetUsd: number | undefined
  /** Reads what the rest of the pool has used by now. Fails when the store cannot be read. */
  readonly look: Effect.Effect<ReachedBy, Failure>
  /** The time that is left; no limit when absent. */
  readonly timeLeft: Query.TimeLeft | undefined
  /** Fails with `BudgetExceeded` when the time is up. Never succeeds. */
  readonly timeUp: Effect.Effect<never, Failure>
}

/** What the record of a query does not say. */
interface Circumstances {
  /** The wall timeout of the profile. */
  readonly longest: Duration.Duration
  /** What all agents of the pool may use together; as the store has it by the pool's name when absent. */
  readonly poolBudget?: Budget.Budget | undefined
}

/** A budget with its owner and what was spent of it. */
type Limit = readonly [Query.BudgetOwner, Budget.Budget, Budget.Spent]

/** How long the output of a query is still read when its budget is used up already. */
const drainTimeout = Duration.seconds(5)

/** The failure of a budget that was reached. */
export const usedUp = (
  operation: string,
  id: Id.AgentId,
  { exceeded, of }: Pick<Query.TimeLeft, "exceeded" | "of">
): Failure => AgentStore.failure(operation, new OrchestratorError.BudgetExceeded({ id, of, exceeded }))

/** The times that budgets leave, shortest first. */
const timesLeft = (limits: ReadonlyArray<Limit>) =>
  limits
    .flatMap(([of, { sandboxSeconds: seconds, wall }, spent]) => {
      const all: Array<{ readonly left: number; readonly of: Limit[0]; readonly exceeded: Budget.Exceeded }> =
        []
      const limited = (limit: "wall" | "sandboxSeconds", allowed: number, left: number) =>
        all.push({ left, of, exceeded: new Budget.Exceeded({ limit, allowed, spent: allowed }) })
      if (wall !== undefined) {
        const allowed = Duration.toMillis(wall)
        limited("wall", allowed, allowed - spent.usage.wallMillis)
      }
      if (seconds !== undefined && spent.sandboxSeconds !== undefined) {
        limited("sandboxSeconds", seconds, (seconds - spent.sandboxSeconds) * 1000)
      }
      return all
    })
    .toSorted((a, b) => a.left - b.left)

/** How often the agents that other processes add to a pool are counted. */
const lookAgain = Duration.toMillis(Duration.minutes(1))

/**
 * Compares budgets with the usage that the store has counted over all processes. The returned function fails with
 * `BudgetExceeded` when a budget is used up, unless the query has begun: then its time is up soon. Sandbox seconds
 * count from the launch of an agent to its termination, as the record tells it.
 */
export const make = (store: StateStore["Service"]) => {
  const sandboxesOf = Effect.fnUntraced(function* (pool: Id.PoolName, now: number) {
    const agents = yield* Stream.runCollect(store.listAgents({ pool }))
    let [millis, alive] = [0, 0]
    for (const { binding, createdAt, status, updatedAt } of agents) {
      const lives = binding !== undefined || AgentLifecycle.mayHoldSandbox(status)
      if (lives) alive++
      millis += Math.max(
        0,
        (lives ? now : DateTime.toEpochMillis(updatedAt)) - DateTime.toEpochMillis(createdAt)
      )
    }
    return { alive, sandboxSeconds: millis / 1000 }
  })

  /** What a pool has spent without this query, and how fast its time passes. */
  const spentBy = Effect.fnUntraced(function* (
    pool: Id.PoolName,
    budget: Budget.Budget,
    own: Id.QueryId,
    longest: Duration.Duration
  ) {
    const { ended, running } = yield* store.poolUsage(pool)
    const now = yield* Clock.currentTimeMillis
    // A query whose process died looks as if it still ran. It cannot have run for longer than this.
    const most = Duration.toMillis(longest)
    let [usage, answering, ownMillis] = [ended, 0, 0]
    for (const { id, startedAt, usage: told } of running) {
      const millis = Math.max(0, now - DateTime.toEpochMillis(startedAt))
      if (id === own || millis < most) answering++
      if (id === own) ownMillis = millis
      else
        usage = TokenUsage.add(
          usage,
          new TokenUsage.TokenUsage({ ...told, wallMillis: Math.min(millis, most) })
        )
    }
    const none = { alive: 0, sandboxSeconds: undefined }
    const { alive, sandboxSeconds } =
      budget.sandboxSeconds === undefined ? none : yield* sandboxesOf(pool, now)
    return { spent: { usage, sandboxSeconds }, ownMillis, answering, alive }
  })

  /** What a query may still use, and how long it may take. */
  return Effect.fnUntraced(function* (
    operation: string,
    agent: Agent.Agent,
    { budget, id, startedAt, status }: Query.Query,
    { longest, poolBudget }: Circumstances
  ): Effect.fn.Return<Allowance, Failure> {
    const now = yield* Clock.currentTimeMillis
    const sandboxSeconds = (now - DateTime.toEpochMillis(agent.createdAt)) / 1000
    const wallMillis = startedAt === undefined ? 0 : Math.max(0, now - DateTime.toEpochMillis(startedAt))
    const own: Array<Limit> = []
    if (budget !== undefined) {
      own.push([
        "query",
        budget,
        { usage: { ...TokenUsage.zero, wallMillis }, sandboxSeconds: wallMillis / 1000 }
      ])
    }
    if (agent.budget !== undefined) own.push(["agent", agent.budget, { usage: agent.usage, sandboxSeconds }])

    const { pool } = agent
    const kept =
      pool === undefined || poolBudget !== undefined
        ? poolBudget
        : yield* Effect.map(store.getPool(pool), (known) => known.budget).pipe(
            Effect.catchReason("StateStoreError", "NotFound", () => Effect.void),
            Effect.mapError(AgentStore.fromStore(operation))
          )
    const shared = pool === undefined || kept === undefined ? undefined : { pool, budget: kept }
    const lookAt = (all: NonNullable<typeof shared>) =>
      AgentStore.stored(operation, spentBy(all.pool, all.budget, id, longest))

    const error = (of: Limit[0], exceeded: Budget.Exceeded) => usedUp(operation, agent.id, { of, exceeded })
    const reached = (limits: ReadonlyArray<Limit>, used: TokenUsage.TokenUsage) =>
      Option.firstSomeOf(
        limits.map(([of, limited, spent]) =>
          Option.map(
            Budget.exceeded(limited, { ...spent, usage: TokenUsage.add(spent.usage, used) }),
            (exceeded) => error(of, exceeded)
          )
        )
      )
    const current = Effect.gen(function* () {
      if (shared === undefined) return own
      const { spent } = yield* lookAt(shared)
      return [...own, ["pool", shared.budget, spent]] satisfies ReadonlyArray<Limit>
    })

    const limits = yield* current
    const already = reached(limits, TokenUsage.zero)
    if (Option.isSome(already)) {
      if (status === "queued") return yield* already.value
      return {
        budgetUsd: undefined,
        look: Effect.succeed(Option.none),
        timeLeft: undefined,
        timeUp: Effect.delay(Effect.fail(already.value), drainTimeout)
      }
    }

    const costUsd = Math.min(
      ...limits.map(([, limited, { usage }]) => (limited.costUsd ?? Infinity) - (usage.costUsd ?? 0))
    )
    const [first] = timesLeft(limits)
    const [soonest] = timesLeft(own)
    const ownTimeUp =
      soonest === undefined
        ? Effect.never
        : Effect.delay(Effect.fail(error(soonest.of, soonest.exceeded)), soonest.left)

    /** The number of agents in a pool, and of those that run a query, changes while the query runs. */
    const poolTimeUp = Effect.fnUntraced(function* (all: NonNullable<typeof shared>) {
      const { costUsd: _, tokens: __, ...limited } = all.budget
      const allowed = {
        wall: limited.wall === undefined ? Infinity : Duration.toMillis(limited.wall),
        sandbox: (limited.sandboxSeconds ?? Infinity) * 1000
      }
      for (;;) {
        const seen = yield* Effect.result(lookAt(all))
        if (seen._tag === "Failure") {
          yield* Effect.logWarning("What a pool has used could not be read", seen.failure)
          yield* Effect.sleep(lookAgain)
          continue
        }
        const { alive, answering, ownMillis, spent } = seen.success
        const usage = TokenUsage.add(
          spent.usage,
          new TokenUsage.TokenUsage({ ...TokenUsage.zero, wallMillis: ownMillis })
        )
        const exceeded = Budget.exceeded(new Budget.Budget(limited), { ...spent, usage })
        if (Option.isSome(exceeded)) return yield* error("pool", exceeded.value)
        const left = Math.min(
          lookAgain,
          (allowed.wall - usage.wallMillis) / Math.max(1, answering),
          (allowed.sandbox - (spent.sandboxSeconds ?? 0) * 1000) / Math.max(1, alive)
        )
        yield* Effect.sleep(Math.ceil(left))
      }
    })
    const timed =
      shared !== undefined && (shared.budget.wall !== undefined || shared.budget.sandboxSeconds !== undefined)
    return {
      budgetUsd: Number.isFinite(costUsd) ? costUsd : undefined,
      look: Effect.map(current, (all) => (used) => reached(all, used)),
      timeLeft:
        first === undefined
          ? undefined
          : new Query.TimeLeft({
              time: Duration.millis(Math.ceil(first.left)),
              of: first.of,
              exceeded: first.exceeded
            }),
      timeUp: timed ? Effect.raceFirst(ownTimeUp, poolTimeUp(shared)) : ownTimeUp
    }
  })
}
