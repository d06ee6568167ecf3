import { type AgentEvent, type OrchestratorError, Price, TokenUsage } from "@remote-agent/domain"
import { Deferred, Duration, Effect, Option } from "effect"
import type { ReachedBy } from "./BudgetGuard.ts"

type Failure = OrchestratorError.OrchestratorError

/** How long an agent that has used up a budget may keep silent, as one does before its answer. */
const lastWords = Duration.seconds(30)

/** What a query has used, as its events tell; else what was known before. */
export const usedIn = (
  events: ReadonlyArray<AgentEvent.AgentEvent>,
  before = TokenUsage.zero
): TokenUsage.TokenUsage => events.findLast((event) => event.type === "usage")?.usage ?? before

/** What is known of a query before it runs. */
export interface Known {
  /** Whether its program counts the tokens of a whole session. */
  readonly countsSessions: boolean
  /** What the sessions of the agent had used before, by its own ids of them. */
  readonly totals: Readonly<Record<string, TokenUsage.SessionTotal>>
  readonly price: Price.Price | undefined
}

/** Reads the events of one query for what they cost. */
export interface QueryMeter {
  /** The event as it is stored: with what this query alone has used, priced. */
  readonly read: (event: AgentEvent.AgentEvent) => AgentEvent.AgentEvent
  /** What its session has used in all, when its program told. */
  readonly total: () => TokenUsage.SessionTotal | undefined
}

/** A meter for one query. */
export const make = ({ countsSessions, price, totals }: Known): QueryMeter => {
  let total: TokenUsage.SessionTotal | undefined

  const apart = (event: AgentEvent.AgentEvent): AgentEvent.AgentEvent => {
    if (!countsSessions || event.type !== "result" || event.sessionId === undefined) return event
    const { sessionId, usage } = event
    // A failure may come without counts, which does not mean that the session has none.
    const { inputTokens, outputTokens } = usage
    if (inputTokens + outputTokens > 0) total = new TokenUsage.SessionTotal({ inputTokens, outputTokens })
    const earlier = Object.hasOwn(totals, sessionId) ? totals[sessionId] : undefined
    return { ...event, usage: TokenUsage.since(earlier, usage) }
  }

  const priced = (event: AgentEvent.AgentEvent): AgentEvent.AgentEvent =>
    event.type === "usage" || event.type === "result"
      ? { ...event, usage: Price.priced(price, event.usage) }
      : event

  return { read: (event) => priced(apart(event)), total: () => total }
}

/**
 * Watches what a query uses. `heed` is told of its events and looks at the budgets when they tell of usage; `over`
 * fails with the first budget that is reached, as soon as the agent goes on, or when it has kept silent for long: what
 * an agent has used is told after each call of its model, and after the last only the answer comes.
 */
export const watch = Effect.fnUntraced(function* (look: Effect.Effect<ReachedBy, Failure>) {
  const [reached, goesOn] = [yield* Deferred.make<Failure>(), yield* Deferred.make<never, Failure>()]
  const heed = Effect.fnUntraced(function* (events: ReadonlyArray<AgentEvent.AgentEvent>) {
    const reachedBy = events.some(({ type }) => type === "usage") ? yield* look : Option.none
    for (const event of events) {
      if (yield* Deferred.isDone(reached)) {
        return yield* Deferred.fail(goesOn, yield* Deferred.await(reached))
      }
      const why = event.type === "usage" ? reachedBy(event.usage) : Option.none()
      if (Option.isSome(why)) yield* Deferred.succeed(reached, why.value)
    }
  })
  const silent = Effect.flatMap(Deferred.await(reached), (why) => Effect.delay(Effect.fail(why), lastWords))
  return { heed, over: Effect.raceFirst(Deferred.await(goesOn), silent) }
})
