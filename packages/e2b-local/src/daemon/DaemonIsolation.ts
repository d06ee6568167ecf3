/**
 * Which form of isolation the server of a data folder starts with.
 *
 * @since 0.1.0
 */
import { Effect, Schedule } from "effect"
import * as Fs from "node:fs/promises"
import type { E2bServerError } from "../E2bServerError.ts"
import type * as E2bServer from "../server/E2bServer.ts"
import * as DaemonFile from "./DaemonFile.ts"

type Wanted = NonNullable<E2bServer.Options["isolation"]>

// A machine under load can fail a probe that works a moment later.
const RETRIES = 4

const isMarked = (folder: string) =>
  Effect.promise(() =>
    Fs.access(DaemonFile.paths(folder).isolated).then(
      () => true,
      () => false
    )
  )

const mark = (folder: string, isolated: boolean) =>
  Effect.promise(() => {
    const path = DaemonFile.paths(folder).isolated
    return isolated
      ? Fs.writeFile(path, "", { mode: 0o600 }).catch(() => {})
      : Fs.rm(path, { force: true }).catch(() => {})
  })

/**
 * Starts the server with the wanted form of isolation. With `auto` on a machine that cannot isolate, it starts without,
 * and its clients decide whether they use it.
 *
 * **Details**
 *
 * What the probe found is logged, and the host is probed again. A folder whose server was isolated before does not get
 * one without isolation unless `none` is requested: fails with `IsolationUnavailable`.
 */
export const start = Effect.fnUntraced(function* <A extends { readonly isolation: DaemonFile.Kind }>(
  folder: string,
  wanted: Wanted,
  attempt: (kind: Wanted) => Effect.Effect<A, E2bServerError>
) {
  const isolated = yield* isMarked(folder)
  const retries = isolated ? RETRIES : 1
  const logged = Effect.tapError(attempt(wanted), ({ reason }) =>
    reason._tag === "IsolationUnavailable"
      ? Effect.logWarning(`Isolation does not work here: ${reason.detail}`)
      : Effect.void
  )
  const server = yield* wanted === "none"
    ? attempt("none")
    : logged.pipe(
        Effect.retry({
          while: ({ reason }) => reason._tag === "IsolationUnavailable",
          schedule: Schedule.spaced("1 second"),
          times: retries
        }),
        Effect.catchIf(
          ({ reason }) => wanted === "auto" && !isolated && reason._tag === "IsolationUnavailable",
          () =>
            Effect.andThen(
              Effect.logWarning("Serves without isolation. Only clients that allow it use this server."),
              attempt("none")
            )
        )
      )
  yield* mark(folder, server.isolation !== "none")
  return server
})
