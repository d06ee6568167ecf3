import { Effect, Exit, Metric } from "effect"
import type { HttpServerResponse } from "effect/http"

const requests = Metric.counter("remote_agent_http_requests_total", {
  description: "Requests with a valid token, by operation and status",
  incremental: true
})

const durations = Metric.timer("remote_agent_http_request_duration", {
  description: "Time until the response to a request starts, by operation"
})

/**
 * Counts a request and measures the time until its response starts.
 *
 * @category combinators
 * @since 0.2.0
 */
export const measured =
  (operation: string) =>
  <E, R>(response: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.flatMap(Effect.timed(Effect.exit(response)), ([duration, exit]) => {
      const status = Exit.isSuccess(exit) ? String(exit.value.status) : "error"
      return Effect.all([
        Metric.update(Metric.withAttributes(requests, { operation, status }), 1),
        Metric.update(Metric.withAttributes(durations, { operation }), duration)
      ]).pipe(Effect.andThen(exit))
    })
