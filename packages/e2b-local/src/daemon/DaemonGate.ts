/**
 * Counts the requests of a daemon and refuses those that come when it is stopping.
 *
 * @since 0.1.0
 */
import { Clock, Effect, Exit } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { refuse, response } from "../api/ApiError.ts"
import * as DaemonControl from "./DaemonControl.ts"

/** The gate of a daemon. Closing it is one step, so that no request is accepted and then dropped. */
export interface Gate {
  /** Wraps every request, until its response is sent. */
  readonly middleware: <E, R>(
    app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest>
  /** Number of requests that are being handled. */
  readonly requests: Effect.Effect<number>
  /** Closes the gate unless sandboxes are being created; `force` closes it anyway. Returns how many are being created. */
  readonly shut: (force: boolean) => Effect.Effect<number>
  /** Reverts `shut`. */
  readonly open: Effect.Effect<void>
  /** Closes the gate after a time without requests and without `live` sandboxes. Returns whether it did. */
  readonly shutIfIdle: (idleMillis: number, live: number) => Effect.Effect<boolean>
}

const pathOf = (url: string): string => url.split("?", 1)[0] ?? ""

/** Requests about the daemon itself do not count as use. */
const counts = (path: string): boolean =>
  path !== DaemonControl.paths.status && path !== DaemonControl.paths.stop

/** An open gate. */
export const make: Effect.Effect<Gate> = Effect.gen(function* () {
  let shut = false
  let [requests, creates] = [0, 0]
  let usedAt = yield* Clock.currentTimeMillis

  const middleware: Gate["middleware"] = (app) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
      const path = pathOf(url)
      if (shut && path !== DaemonControl.paths.stop) {
        return Effect.succeed(response(refuse(503, "the server is stopping")))
      }
      if (!counts(path)) return app
      const creating = method === "POST" && (path === "/v2/sandboxes" || path === "/sandboxes") ? 1 : 0
      requests += 1
      creates += creating
      return Effect.onExit(app, (exit) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          requests -= 1
          creates -= creating
          // Requests without the key do not keep the server alive.
          if (Exit.isFailure(exit) || exit.value.status !== 401) usedAt = now
        })
      )
    })

  return {
    middleware,
    requests: Effect.sync(() => requests),
    shut: (force) =>
      Effect.sync(() => {
        shut ||= force || creates === 0
        return creates
      }),
    open: Effect.sync(() => {
      shut = false
    }),
    shutIfIdle: (idleMillis, live) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (requests > 0 || live > 0) usedAt = now
        shut ||= now - usedAt >= idleMillis
        return shut
      })
  }
})
