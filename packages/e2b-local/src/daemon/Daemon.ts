/**
 * A server that is found by a file, serves one data folder alone, and ends when it is idle or told to.
 *
 * @since 0.1.0
 */
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Layer,
  Logger,
  Redacted,
  Schedule,
  Schema,
  Stream
} from "effect"
import type { Scope } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { ApiError, response } from "../api/ApiError.ts"
import * as DaemonControl from "./DaemonControl.ts"
import { AlreadyRunning, DaemonError, FileUnusable, ServerFailed, Unanswered } from "./DaemonError.ts"
import * as DaemonFile from "./DaemonFile.ts"
import * as DaemonGate from "./DaemonGate.ts"
import * as DaemonLog from "./DaemonLog.ts"
import * as E2bServer from "../server/E2bServer.ts"
import * as FileLock from "../host/FileLock.ts"
import { sameSecret } from "../api/RequestGuard.ts"
import { randomToken } from "../sandboxes/Sandbox.ts"
import * as OrphanCleanup from "../sandboxes/OrphanCleanup.ts"

export { DaemonError } from "./DaemonError.ts"

/** How to serve. */
export interface Options extends Omit<E2bServer.Options, "directory"> {
  /** The data folder: what finds the daemon, its log and the folders of its sandboxes are in it. */
  readonly folder: string
  /** Of the program that serves; who comes with another one is told so. */
  readonly version: string
  /** How long there may be no sandbox, running or paused, and no request before it ends. Never when absent. */
  readonly idle?: Duration.Input | undefined
  /** Whether it runs detached: what it has to say goes to the log in the folder. */
  readonly background?: boolean | undefined
  /** Run once when it serves. */
  readonly onReady?: ((entry: DaemonFile.Entry) => Effect.Effect<void>) | undefined
}

/** Why it has ended. */
export type End = "idle" | "stopped"

const PATIENCE = "30 seconds"

/** Waits for the folder: whoever is about to end gives it up soon, and whoever serves it keeps it. */
const takeFolder = Effect.fnUntraced(function* (folder: string) {
  const { lock } = DaemonFile.paths(folder)
  const attempt = Effect.gen(function* () {
    const free = yield* FileLock.tryAcquire(lock).pipe(
      Effect.mapError(
        ({ detail, path }) =>
          new DaemonError({ operation: "serve", folder, reason: new FileUnusable({ path, detail }) })
      )
    )
    if (free) return true
    const found = yield* DaemonControl.look(folder)
    if (found._tag !== "Running") return false
    const { background, owner } = found.entry
    return yield* new DaemonError({
      operation: "serve",
      folder,
      reason: new AlreadyRunning({ pid: owner.pid, background })
    })
  })
  yield* attempt.pipe(
    Effect.repeat({ until: (free) => free, schedule: Schedule.spaced("50 millis") }),
    Effect.timeoutOrElse({
      duration: PATIENCE,
      orElse: () =>
        Effect.flatMap(DaemonControl.look(folder), (found) =>
          Effect.fail(
            new DaemonError({
              operation: "serve",
              folder,
              reason: new Unanswered({ pid: "entry" in found ? found.entry.owner.pid : null })
            })
          )
        )
    })
  )
})

const decodeStop = Schema.decodeEffect(Schema.fromJsonString(DaemonControl.StopRequest))

/** The requests that only a daemon answers. */
const routes = (
  apiKey: Redacted.Redacted,
  status: Effect.Effect<DaemonControl.Status>,
  stop: (force: boolean) => Effect.Effect<typeof DaemonControl.Refusal.Type | undefined>
) => {
  const guarded = <E, R>(handle: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      sameSecret(request.headers["x-api-key"], Redacted.value(apiKey))
        ? handle
        : Effect.succeed(response(new ApiError({ status: 401, message: "the API key is missing or wrong" })))
    )
  const stopping = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const asked = yield* Effect.option(Effect.flatMap(request.text, decodeStop))
    if (asked._tag === "None") return response(new ApiError({ status: 400, message: "say force" }))
    const refusal = yield* stop(asked.value.force)
    return refusal === undefined
      ? HttpServerResponse.empty({ status: 202 })
      : HttpServerResponse.jsonUnsafe(refusal, { status: 409 })
  })
  // The first byte sends the headers.
  const present = Stream.concat(Stream.succeed(new Uint8Array([10])), Stream.never)
  return HttpRouter.addAll([
    HttpRouter.route(
      "GET",
      DaemonControl.paths.status,
      guarded(Effect.map(status, (said) => HttpServerResponse.jsonUnsafe(said)))
    ),
    HttpRouter.route(
      "GET",
      DaemonControl.paths.presence,
      guarded(Effect.sync(() => HttpServerResponse.stream(present)))
    ),
    HttpRouter.route("POST", DaemonControl.paths.stop, guarded(stopping))
  ])
}

const build = Effect.fnUntraced(function* (options: Options, extension: E2bServer.Extension) {
  const scope = yield* Effect.scope
  const { folder, isolation = "auto" } = options
  const start = (kind: E2bServer.Options["isolation"]) =>
    Layer.buildWithScope(
      E2bServer.layerWith(
        { ...options, isolation: kind, directory: DaemonFile.paths(folder).sandboxes },
        extension
      ),
      scope
    )
  const started =
    isolation === "auto"
      ? // What may run without isolation is for those to decide who use the daemon.
        Effect.catchReason(start("auto"), "E2bServerError", "IsolationUnavailable", () => start("none"))
      : start(isolation)
  return Context.get(
    yield* Effect.mapError(
      started,
      (cause) => new DaemonError({ operation: "serve", folder, reason: new ServerFailed({ cause }) })
    ),
    E2bServer.E2bServer
  )
})

/** Looks after the file for as long as the daemon serves. */
const keepFile = Effect.fnUntraced(function* (folder: string, entry: DaemonFile.Entry) {
  const lock = yield* DaemonFile.lockOf(folder)
  const check = Effect.gen(function* () {
    if (!(yield* DaemonFile.restore(folder, entry, lock))) return
    yield* Effect.logWarning(
      "The file that tells where the server is was changed or removed. It is there again."
    )
  })
  yield* Effect.repeat(
    Effect.catch(check, (error) => Effect.logWarning(error.message)),
    Schedule.spaced("1 second")
  )
})

const run = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<End, DaemonError, Scope.Scope> {
  const { folder } = options
  yield* takeFolder(folder)
  const [owner, startedAt, apiKey, gate, end, ready] = [
    yield* OrphanCleanup.self,
    yield* Clock.currentTimeMillis,
    yield* randomToken("e2b_"),
    yield* DaemonGate.make,
    yield* Deferred.make<End>(),
    yield* Deferred.make<E2bServer.E2bServer["Service"]>()
  ]
  const say = options.background === true ? Effect.logInfo : () => Effect.void
  const idleMillis = options.idle === undefined ? null : Duration.toMillis(options.idle)
  const counts = Effect.gen(function* () {
    const { live, paused } = yield* Deferred.await(ready)
    const asleep = yield* paused
    return { running: (yield* live) - asleep, paused: asleep }
  })
  const stop = Effect.fnUntraced(function* (force: boolean) {
    // Shut first: what is counted then is all that there will ever be.
    const creating = yield* gate.shut(force)
    const { paused, running } = yield* counts
    if (!force && creating + running + paused > 0) {
      yield* gate.open
      return { running: creating + running, paused }
    }
    yield* Deferred.succeed(end, "stopped")
    return undefined
  })
  const server = yield* build(options, {
    apiKey,
    middleware: gate.middleware,
    routes: routes(
      apiKey,
      Effect.gen(function* () {
        return { ...(yield* counts), requests: yield* gate.requests, owner, idleMillis }
      }),
      stop
    )
  })
  const entry = new DaemonFile.Entry({
    owner,
    version: options.version,
    apiUrl: server.url,
    sandboxUrl: server.url,
    apiKey,
    isolation: server.isolation,
    waived: options.isolation === "none",
    background: options.background === true,
    startedAt
  })
  yield* Deferred.succeed(ready, server)
  // Removed before all else, so that nobody comes to a server that ends.
  yield* Effect.acquireRelease(DaemonFile.write(folder, entry), () => DaemonFile.remove(folder, entry))
  yield* Effect.forkScoped(keepFile(folder, entry))
  if (idleMillis !== null) {
    const idle = Effect.flatMap(server.live, (live) => gate.shutIfIdle(idleMillis, live))
    yield* Effect.repeat(idle, {
      until: (shut) => shut,
      schedule: Schedule.spaced(Math.min(5000, Math.max(20, idleMillis / 10)))
    }).pipe(Effect.andThen(Deferred.succeed(end, "idle")), Effect.forkScoped)
  }
  yield* say(`Serves at ${server.url} with the isolation ${server.isolation}`)
  if (options.onReady !== undefined) yield* options.onReady(entry)
  const why = yield* Deferred.await(end)
  yield* say(why === "idle" ? "Ends: it was idle" : "Ends: it was told to")
  return why
}, Effect.scoped)

const encodeError = Schema.encodeEffect(Schema.toCodecJson(DaemonError))

/** Tells whoever has started this process, should it still be there, why it does not serve. */
const tell = Effect.fnUntraced(function* (error: DaemonError) {
  const json = yield* Effect.orDie(encodeError(error))
  yield* Effect.callback<void>((resume) => {
    if (process.send === undefined || !process.connected) return resume(Effect.void)
    process.send(json, () => resume(Effect.void))
  })
})

/**
 * Serves a data folder until it is idle or told to stop, or is interrupted; its sandboxes end with it. One process at
 * a time serves a folder, and the next one removes what a killed one has left. Waits for one that is about to end.
 *
 * Fails with `AlreadyRunning` when the folder is served, with `Unanswered` when it is held by a process that does not
 * answer, with `ServerFailed` when there can be no server, and with `FileUnusable`.
 */
export const serve = Effect.fn("Daemon.serve")(function* (options: Options) {
  const folder = yield* DaemonFile.ensureFolder("serve", options.folder)
  const serving = run({ ...options, folder })
  if (options.background !== true) return yield* serving
  const log = Logger.layer([DaemonLog.logger(DaemonFile.paths(folder).log)])
  return yield* serving.pipe(
    Effect.tapError((error) => Effect.andThen(Effect.logError(error.message), tell(error))),
    Effect.tapDefect((defect) => Effect.logFatal("Unexpected failure", defect)),
    Effect.provide(log)
  )
})
