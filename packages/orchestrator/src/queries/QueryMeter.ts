import { type AgentEvent, type OrchestratorError, Price, TokenUsage } from "@remote-agent/domain"
import { Deferred, Duration, Effect, Option } from "effect"
import type { ReachedBy } from "./BudgetGuard.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * How long an agent that has reached a budget may be silent before it is stopped. Agents are silent before they
 * answer.
 */
const drainTimeout = Duration.seconds(30)

/** The usage that the events of a query tell, or the usage known before. */
export const usedIn = (
  events: ReadonlyArray<AgentEvent.AgentEvent>,
  before = TokenUsage.zero
): TokenUsage.TokenUsage => events.findLast((event) => event.type === "usage")?.usage ?? before

/** What is known of a query before it runs. */
export interface Known {
  /** Whether the program reports the tokens of a whole session. */
  readonly countsSessions: boolean
  /** What the sessions of the agent had used before, by the agent's own session ids. */
  readonly totals: Readonly<Record<string, TokenUsage.SessionTotal>>
  readonly price: Price.Price | undefined
}

/** Turns the usage in the events of one query into that of this query alone, with its price. */
export interface QueryMeter {
  /** The event as it is stored: with what this query alone has used, priced. */
  readonly read: (event: AgentEvent.AgentEvent) => AgentEvent.AgentEvent
  /** What the session has used in all, when the program reported it. */
  readonly total: () => TokenUsage.SessionTotal | undefined
}

/** A meter for one query. */
export const make = ({ countsSessions, price, totals }: Known): QueryMeter => {
  let total: TokenUsage.SessionTotal | undefined

  const apart = (event: AgentEvent.AgentEvent): AgentEvent.AgentEvent => {
    if (!countsSessions || event.type !== "result" || event.sessionId === undefined) return event
    const { sessionId, usage } = event
    // A failed result may come without counts, although the session has used some.
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
 * Watches the usage of a query. `heed` receives its events and checks the budgets whenever they report usage. `over`
 * fails with the first budget that is reached, when the agent goes on or stays silent for too long: agents report
 * usage after each call of their model, and after the last call only the answer follows.
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
  const silent = Effect.flatMap(Deferred.await(reached), (why) =>
    Effect.delay(Effect.fail(why), drainTimeout)
  )
  return { heed, over: Effect.raceFirst(Deferred.await(goesOn), silent) }
})
