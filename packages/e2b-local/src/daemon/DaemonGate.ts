/**
 * Counts what a daemon has to do, and shuts out what comes too late.
 *
 * @since 0.1.0
 */
import { Clock, Effect, Exit } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { ApiError, response } from "../api/ApiError.ts"
import * as DaemonControl from "./DaemonControl.ts"

/** The requests of a daemon. Whether it ends is decided in one step, so that no request falls between. */
export interface Gate {
  /** Around every request, until its response is sent. */
  readonly middleware: <E, R>(
    app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest>
  /** How many requests are being answered. */
  readonly requests: Effect.Effect<number>
  /** Shuts, but not while sandboxes are being created, unless forced; succeeds with how many are. */
  readonly shut: (force: boolean) => Effect.Effect<number>
  /** Takes a `shut` back. */
  readonly open: Effect.Effect<void>
  /** Shuts when nothing has happened for so many milliseconds; `live` sandboxes are something. Whether it did. */
  readonly shutIfIdle: (idleMillis: number, live: number) => Effect.Effect<boolean>
}

const pathOf = (url: string): string => url.split("?", 1)[0] ?? ""

/** What is asked about a daemon is no use of it. */
const counts = (path: string): boolean =>
  path !== DaemonControl.paths.status && path !== DaemonControl.paths.stop

/** A gate that is open. */
export const make: Effect.Effect<Gate> = Effect.gen(function* () {
  let shut = false
  let [requests, creates] = [0, 0]
  let usedAt = yield* Clock.currentTimeMillis

  const middleware: Gate["middleware"] = (app) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
      const path = pathOf(url)
      if (shut && path !== DaemonControl.paths.stop) {
        return Effect.succeed(response(new ApiError({ status: 503, message: "the server is ending" })))
      }
      if (!counts(path)) return app
      const creating = method === "POST" && path === "/v2/sandboxes" ? 1 : 0
      requests += 1
      creates += creating
      return Effect.onExit(app, (exit) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          requests -= 1
          creates -= creating
          // Whoever has no key does not use the server, however often he knocks.
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
