/**
 * Waiting for rate limits and between attempts.
 *
 * `@octokit/plugin-throttling` and `@octokit/plugin-retry` are not used: they wait by `setTimeout` and `Date.now`, which
 * a `TestClock` cannot move, have no bound on the total wait, and the latter repeats a POST that failed with 500.
 */
import { GitHubError } from "@remote-agent/domain"
import { Clock, Duration, Effect, Option, Ref, Schedule } from "effect"
import { failure, mayRepeat, type Request } from "./request.ts"

interface Hold {
  readonly until: number
  readonly limit: GitHubError.RateLimited["limit"]
}

const backoff = Schedule.min([Schedule.exponential("300 millis"), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 5 }),
  Schedule.setInputType<GitHubError.GitHubError>(),
  Schedule.modifyDelay(({ duration, input }) =>
    Effect.succeed(input.reason._tag === "RateLimited" ? input.reason.retryAfter : duration)
  )
)

/** Repeats a request that may be repeated, as long as the next wait ends within the retry window. */
export const retry =
  (request: Request, retryWindow: Duration.Duration) =>
  <A>(effect: Effect.Effect<A, GitHubError.GitHubError>): Effect.Effect<A, GitHubError.GitHubError> =>
    Effect.retry(
      effect,
      Schedule.while(
        backoff,
        ({ duration, elapsed, input }) =>
          mayRepeat(request, input) && elapsed + Duration.toMillis(duration) <= Duration.toMillis(retryWindow)
      )
    )

/** Remembers the limit in force, so that no request is sent while it lasts: GitHub bans clients that keep asking. */
export const make = Effect.map(Ref.make(Option.none<Hold>()), (current) => ({
  /** Fails with `RateLimited` while a limit is known to be in force. */
  check: Effect.fnUntraced(function* (request: Request) {
    const [hold, now] = [yield* Ref.get(current), yield* Clock.currentTimeMillis]
    if (Option.isNone(hold) || hold.value.until <= now) return
    const { limit, until } = hold.value
    return yield* failure(
      request,
      new GitHubError.RateLimited({ limit, retryAfter: Duration.millis(until - now) })
    )
  }),
  /** Notes the limit that a reply reported. */
  note: Effect.fnUntraced(function* ({ limit, retryAfter }: GitHubError.RateLimited) {
    const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(retryAfter)
    yield* Ref.set(current, Option.some({ until, limit }))
  })
}))
