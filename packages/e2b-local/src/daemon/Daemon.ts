/**
 * A server that serves one data folder alone, is found through a file in it, and stops when it is idle or asked to.
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
  Option,
  type Redacted,
  Schedule,
  Schema,
  Stream
} from "effect"
import type { Scope } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { refuse, response } from "../api/ApiError.ts"
import { requireApiKey } from "../api/RequestGuard.ts"
import * as FileLock from "../host/FileLock.ts"
import * as ProcessOwner from "../host/ProcessOwner.ts"
import { randomToken } from "../sandboxes/ManagedSandbox.ts"
import * as E2bServer from "../server/E2bServer.ts"
import * as DaemonControl from "./DaemonControl.ts"
import { AlreadyRunning, DaemonError, FileUnusable, ServerFailed, Unanswered } from "./DaemonError.ts"
import * as DaemonFile from "./DaemonFile.ts"
import * as DaemonGate from "./DaemonGate.ts"
import * as DaemonIsolation from "./DaemonIsolation.ts"
import * as DaemonLog from "./DaemonLog.ts"

export { DaemonError } from "./DaemonError.ts"

/** Options of the daemon. */
export interface Options extends Omit<E2bServer.Options, "directory"> {
  /** The data folder. It contains the file that finds the daemon, its log and the folders of its sandboxes. */
  readonly folder: string
  /** Version of the program that serves. Clients of another version are refused. */
  readonly version: string
  /** Time without a request and without a sandbox, running or paused, after which it stops. Default: never. */
  readonly idle?: Duration.Input | undefined
  /** Whether it runs detached and writes its log to the folder. */
  readonly background?: boolean | undefined
  /** Runs once when it serves. */
  readonly onReady?: ((entry: DaemonFile.Entry) => Effect.Effect<void>) | undefined
}

/** Why it has stopped. `lost`: the data folder or its lock was removed. */
export type End = "idle" | "stopped" | "lost"

const LOCK_TIMEOUT = "30 seconds"

/** Waits for the lock of the folder. A daemon that is stopping releases it soon; one that serves keeps it. */
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
      duration: LOCK_TIMEOUT,
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

/** The routes that only a daemon has. */
const routes = (
  apiKey: Redacted.Redacted,
  status: Effect.Effect<DaemonControl.Status>,
  stop: (force: boolean) => Effect.Effect<typeof DaemonControl.Refusal.Type | undefined>
) => {
  const guarded = <E, R>(handle: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.matchEffect(requireApiKey(apiKey), {
      onFailure: (error) => Effect.succeed(response(error)),
      onSuccess: () => handle
    })
  const stopping = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const asked = yield* Effect.option(Effect.flatMap(request.text, decodeStop))
    if (asked._tag === "None") return response(refuse(400, "force is required"))
    const left = yield* stop(asked.value.force)
    return left === undefined
      ? HttpServerResponse.empty({ status: 202 })
      : HttpServerResponse.jsonUnsafe(left, { status: 409 })
  })
  // The first byte makes the headers be sent.
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

const endTexts: Readonly<Record<End, string>> = {
  idle: "it was idle",
  stopped: "it was asked to",
  lost: "its data folder was removed"
}

const build = Effect.fnUntraced(function* (options: Options, extension: E2bServer.Extension) {
  const scope = yield* Effect.scope
  const { folder, isolation = "auto" } = options
  const attempt = (kind: E2bServer.Options["isolation"]) =>
    Effect.map(
      Layer.buildWithScope(
        E2bServer.layerWith(
          { ...options, isolation: kind, directory: DaemonFile.paths(folder).sandboxes },
          extension
        ),
        scope
      ),
      (context) => Context.get(context, E2bServer.E2bServer)
    )
  return yield* Effect.mapError(
    DaemonIsolation.start(folder, isolation, attempt),
    (cause) => new DaemonError({ operation: "serve", folder, reason: new ServerFailed({ cause }) })
  )
})

/** Restores the file for as long as the daemon serves. Completes when the folder or its lock was removed. */
const keepFile = Effect.fnUntraced(function* (folder: string, entry: DaemonFile.Entry) {
  const lock = yield* DaemonFile.lockOf(folder)
  const check = Effect.gen(function* () {
    if (!(yield* DaemonFile.restore(folder, entry, lock))) return
    yield* Effect.logWarning(
      "The file with the address of the server was changed or removed. It was restored."
    )
  }).pipe(Effect.catch((error) => Effect.logWarning(error.message)))
  // Without its lock another daemon can serve the folder, and no client finds this one again.
  const isLost = Effect.map(
    DaemonFile.lockOf(folder),
    (now) => Option.isSome(lock) && Option.getOrUndefined(now) !== lock.value
  )
  yield* Effect.repeat(Effect.andThen(check, isLost), {
    until: (lost) => lost,
    schedule: Schedule.spaced("1 second")
  })
})

const run = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<End, DaemonError, Scope.Scope> {
  const { folder } = options
  yield* takeFolder(folder)
  const [owner, startedAt, apiKey, gate, end, ready] = [
    yield* ProcessOwner.self,
    yield* Clock.currentTimeMillis,
    yield* randomToken("e2b_"),
    yield* DaemonGate.make,
    yield* Deferred.make<End>(),
    yield* Deferred.make<E2bServer.E2bServer["Service"]>()
  ]
  const log = options.background === true ? Effect.logInfo : () => Effect.void
  const idleMillis = options.idle === undefined ? null : Duration.toMillis(options.idle)
  const counts = Effect.gen(function* () {
    const { live, paused } = yield* Deferred.await(ready)
    const asleep = yield* paused
    return { running: (yield* live) - asleep, paused: asleep }
  })
  const stop = Effect.fnUntraced(function* (force: boolean) {
    // The gate is closed first, so that the count cannot grow any more.
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
  // The file is removed before everything else, so that no client finds a server that is stopping.
  yield* Effect.acquireRelease(DaemonFile.write(folder, entry), () => DaemonFile.remove(folder, entry))
  yield* Effect.raceFirst(keepFile(folder, entry), server.lost).pipe(
    Effect.andThen(Deferred.succeed(end, "lost")),
    Effect.forkScoped
  )
  if (idleMillis !== null) {
    const idle = Effect.flatMap(server.live, (live) => gate.shutIfIdle(idleMillis, live))
    yield* Effect.repeat(idle, {
      until: (shut) => shut,
      schedule: Schedule.spaced(Math.min(5000, Math.max(20, idleMillis / 10)))
    }).pipe(Effect.andThen(Deferred.succeed(end, "idle")), Effect.forkScoped)
  }
  yield* log(`Serves at ${server.url} with isolation ${server.isolation}`)
  if (options.onReady !== undefined) yield* options.onReady(entry)
  const why = yield* Deferred.await(end)
  yield* log(`Stops: ${endTexts[why]}`)
  return why
}, Effect.scoped)

const encodeError = Schema.encodeEffect(Schema.toCodecJson(DaemonError))

/** Reports why the daemon does not serve to the process that started it, if that still exists. */
const report = Effect.fnUntraced(function* (error: DaemonError) {
  const json = yield* Effect.orDie(encodeError(error))
  yield* Effect.callback<void>((resume) => {
    if (process.send === undefined || !process.connected) return resume(Effect.void)
    process.send(json, () => resume(Effect.void))
  })
})

/**
 * Serves a data folder until the daemon is idle, asked to stop or interrupted. Its sandboxes end with it.
 *
 * **Details**
 *
 * One process at a time serves a folder, and the next one removes what a killed one left. It waits for a daemon that is
 * stopping. It also stops when the data folder is removed: no client could find it or its sandboxes any more.
 *
 * Fails with `AlreadyRunning` when the folder is served, with `Unanswered` when a process holds it and does not answer,
 * with `ServerFailed` when the server cannot start, and with `FileUnusable`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serve = Effect.fn("Daemon.serve")(function* (options: Options) {
  const folder = yield* DaemonFile.ensureFolder("serve", options.folder)
  const serving = run({ ...options, folder })
  if (options.background !== true) return yield* serving
  const log = Logger.layer([DaemonLog.logger(DaemonFile.paths(folder).log)])
  return yield* serving.pipe(
    Effect.tapError((error) => Effect.andThen(Effect.logError(error.message), report(error))),
    Effect.tapDefect((defect) => Effect.logFatal("Unexpected failure", defect)),
    Effect.provide(log)
  )
})
