import {
  type OrchestratorError,
  type Profile,
  ProfileEnvironment,
  type Query,
  RemoteAgentConfig,
  TokenUsage
} from "@remote-agent/domain"
import { Clock, Duration, Effect, Option } from "effect"
import * as AgentStore from "../../state/AgentStore.ts"
import { type Ask, SharedLimits } from "../../state/runs/SharedLimits.ts"
import { StateStore } from "../../state/StateStore.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * Lets queries start only within the limits that all processes share.
 *
 * @category models
 * @since 0.2.0
 */
export interface QueryPermits {
  /**
   * Waits until a query may start, and counts it. Returns false when the query was closed meanwhile. Returns at once
   * for a profile whose keys have no limit.
   */
  readonly acquire: (
    operation: string,
    query: Query.Query,
    profile: Profile.Profile
  ) => Effect.Effect<boolean, Failure>
  /** Records that a query has ended. */
  readonly release: (query: Query.Query, used: TokenUsage.TokenUsage) => Effect.Effect<void>
}

/** The time before a waiting query asks again, at least and at most. */
const [shortest, longest] = [100, 2000]

/** How long a query whose process died counts beyond its wall timeout. */
const margin = Duration.minutes(1)

/**
 * The limits that apply to a profile: those of the settings that it reads.
 *
 * @category decisions
 * @since 0.2.0
 */
export const asksOf = (
  profile: Profile.Profile,
  limits: RemoteAgentConfig.Values["REMOTE_AGENT_LIMITS"]
): ReadonlyArray<Ask> =>
  [...new Set(ProfileEnvironment.names(profile))].flatMap((key) => {
    const limit = limits[key]
    return limit === undefined ? [] : [{ key, limit }]
  })

/** Makes the permits of the current state. A state without shared limits lets every query start. */
export const make: Effect.Effect<QueryPermits, never, StateStore | RemoteAgentConfig.RemoteAgentConfig> =
  Effect.gen(function* () {
    const [store, { REMOTE_AGENT_LIMITS: limits }] = yield* Effect.all([
      StateStore,
      RemoteAgentConfig.RemoteAgentConfig
    ])
    const shared = Option.getOrUndefined(yield* Effect.serviceOption(SharedLimits))

    const acquire: QueryPermits["acquire"] = Effect.fnUntraced(function* (operation, query, profile) {
      const asks = asksOf(profile, limits)
      if (shared === undefined || asks.length === 0) return true
      const wall = Duration.sum(query.timeouts?.wall ?? profile.run.wallTimeout, margin)
      for (;;) {
        const now = yield* Clock.currentTimeMillis
        const asker = { id: query.id, until: now + Duration.toMillis(wall) }
        const at = yield* AgentStore.stored(operation, shared.acquire(asks, asker))
        if (at === 0) return true
        yield* Effect.sleep(Math.max(shortest, Math.min(longest, at - now)))
        const { status } = yield* AgentStore.stored(operation, store.getQuery(query.id))
        if (status === "ended") return false
      }
    })

    const release: QueryPermits["release"] = ({ id }, used) =>
      shared === undefined || Object.keys(limits).length === 0
        ? Effect.void
        : Effect.catch(shared.release(id, TokenUsage.totalTokens(used)), (error) =>
            Effect.logWarning("The end of a query could not be counted; it counts until its timeout", error)
          )

    return { acquire, release }
  })
