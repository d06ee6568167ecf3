/**
 * Finds the daemon of a data folder or starts it.
 *
 * Uses `node:child_process`: the daemon must outlive this process, which `effect/process` does not allow.
 *
 * @since 0.1.0
 */
import { Context, Deferred, Effect, Layer, Redacted, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import * as NodeChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as DaemonControl from "./DaemonControl.ts"
import {
  DaemonError,
  FileUnusable,
  IsolationMismatch,
  NotRunning,
  StartFailed,
  Unanswered,
  VersionMismatch
} from "./DaemonError.ts"
import * as DaemonFile from "./DaemonFile.ts"
import * as DaemonLog from "./DaemonLog.ts"
import type * as E2bServer from "../server/E2bServer.ts"
import * as FileLock from "../host/FileLock.ts"
import * as ProcessOwner from "../host/ProcessOwner.ts"

/**
 * A running daemon. It keeps running for as long as it is used.
 *
 * @category services
 * @since 0.1.0
 */
export class Daemon extends Context.Service<
  Daemon,
  {
    readonly url: string
    readonly apiKey: Redacted.Redacted
    readonly pid: number
    /** `none` when it was requested, or when the daemon chose it because no form works here. */
    readonly isolation: E2bServer.E2bServer["Service"]["isolation"]
  }
>()("@remote-agent/e2b-local/DaemonStart/Daemon") {}

/** Options to find the daemon, and to start it when there is none. */
export interface Options {
  readonly folder: string
  /** Version of the client. A daemon of another version is refused. */
  readonly version: string
  /** The program that calls `Daemon.serve` for this folder, in the background. */
  readonly command: readonly [string, ...ReadonlyArray<string>]
  /** The whole environment of the daemon. It outlives the client, so it must not contain a secret. */
  readonly env: Readonly<Record<string, string>>
  /** The requested isolation. A daemon with another one is refused. Default `auto`: any that was not waived. */
  readonly isolation?: E2bServer.Options["isolation"]
}

const START_TIMEOUT = "60 seconds"

/** Why a daemon is not the requested one. Undefined when it is. */
export const mismatch = (
  { folder, isolation = "auto", version }: Pick<Options, "folder" | "version" | "isolation">,
  entry: DaemonFile.Entry
): DaemonError | undefined => {
  const { pid } = entry.owner
  const fail = (reason: DaemonError["reason"]) => new DaemonError({ operation: "start", folder, reason })
  if (entry.version !== version) {
    return fail(new VersionMismatch({ running: entry.version, wanted: version, pid }))
  }
  // A client that requests nothing must not use a daemon whose isolation another client has waived.
  const fits = isolation === "auto" ? !entry.waived : isolation === entry.isolation
  return fits ? undefined : fail(new IsolationMismatch({ running: entry.isolation, wanted: isolation, pid }))
}

const decodeError = Schema.decodeUnknownEffect(Schema.toCodecJson(DaemonError))

/** A process that was started as a daemon. */
interface Started {
  /** Completes when it has ended because another daemon serves. Fails when it has ended for another reason. */
  readonly ended: Effect.Effect<void, DaemonError>
}

const spawn = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Started, DaemonError, Scope.Scope> {
  const { command, env, folder } = options
  const { log } = DaemonFile.paths(folder)
  const failed = (detail: string) =>
    new DaemonError({ operation: "start", folder, reason: new StartFailed({ detail, log }) })
  const ended = yield* Deferred.make<unknown, DaemonError>()
  const fail = (detail: string) => Deferred.doneUnsafe(ended, Effect.fail(failed(detail)))
  yield* Effect.acquireRelease(
    Effect.try({
      try: () => {
        DaemonLog.bound(log)
        const out = Fs.openSync(log, "a", 0o600)
        const [program, ...args] = command
        try {
          // In its own session, so that neither the terminal nor the end of this process reaches it.
          const child = NodeChildProcess.spawn(program, args, {
            cwd: "/",
            detached: true,
            env: { ...env },
            stdio: ["ignore", out, out, "ipc"]
          })
          let message: unknown
          child.on("message", (sent) => (message = sent))
          child.on("error", (cause) => fail(cause.message))
          child.on("exit", (code, signal) => {
            const conclude = () =>
              message === undefined
                ? fail(`its process ended with ${signal ?? `code ${code}`}`)
                : Deferred.doneUnsafe(ended, Effect.succeed(message))
            // Its message may still be in transit.
            if (child.connected) child.once("disconnect", conclude)
            else conclude()
          })
          child.unref()
          return child
        } finally {
          Fs.closeSync(out)
        }
      },
      catch: (cause) => failed(cause instanceof Error ? cause.message : String(cause))
    }),
    (child) =>
      Effect.sync(() => {
        child.removeAllListeners("exit").removeAllListeners("message")
        if (child.connected) child.disconnect()
      })
  )
  const reasonOf = (message: unknown) =>
    Effect.matchEffect(decodeError(message), {
      onFailure: () => Effect.fail(failed("its process ended without a message")),
      onSuccess: (error) => (error.reason._tag === "AlreadyRunning" ? Effect.void : Effect.fail(error))
    })
  return { ended: Effect.flatMap(Deferred.await(ended), reasonOf) }
})

const running = (folder: string) =>
  Effect.repeat(DaemonControl.look(folder), {
    until: (found) => found._tag === "Running",
    schedule: Schedule.spaced("25 millis")
  })

/** Starts a daemon unless another client is starting one. Waits until a daemon runs or the started one has ended. */
const startUnlessStarting = Effect.fnUntraced(function* (options: Options) {
  const { folder } = options
  const free = yield* FileLock.tryAcquire(DaemonFile.paths(folder).startLock).pipe(
    Effect.mapError(
      ({ detail, path }) =>
        new DaemonError({ operation: "start", folder, reason: new FileUnusable({ path, detail }) })
    )
  )
  if (!free) return yield* Effect.sleep("25 millis")
  // Another client may have started it while it held the lock.
  const found = yield* DaemonControl.look(folder)
  if (found._tag === "Running") return
  if (found._tag === "Damaged") {
    yield* Effect.logWarning(
      `${found.path} is damaged (${found.detail}). It is restored by its server or by a new one.`
    )
  }
  const { ended } = yield* spawn(options)
  yield* Effect.raceFirst(ended, running(folder))
}, Effect.scoped)

/**
 * Connects to the daemon of the folder and starts it when there is none.
 *
 * **Details**
 *
 * The daemon does not become idle for the duration of the scope. Any number of clients get the same daemon.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = Effect.fn("DaemonStart.connect")(function* (
  given: Options
): Effect.fn.Return<Daemon["Service"], DaemonError, Scope.Scope> {
  const folder = yield* DaemonFile.ensureFolder("start", given.folder)
  const options = { ...given, folder }
  const attempt: Effect.Effect<Daemon["Service"], DaemonError, Scope.Scope> = Effect.gen(function* () {
    const found = yield* DaemonControl.look(folder)
    if (found._tag !== "Running") {
      yield* startUnlessStarting(options)
      return yield* attempt
    }
    const { entry } = found
    const wrong = mismatch(options, entry)
    if (wrong !== undefined) return yield* wrong
    return yield* DaemonControl.presence(folder, entry).pipe(
      Effect.as({
        url: entry.apiUrl,
        apiKey: entry.apiKey,
        pid: entry.owner.pid,
        isolation: entry.isolation
      }),
      // It has just stopped.
      Effect.catchReason("DaemonError", "Unanswered", () =>
        Effect.andThen(Effect.sleep("25 millis"), attempt)
      )
    )
  })
  return yield* Effect.timeoutOrElse(attempt, {
    duration: START_TIMEOUT,
    orElse: () =>
      Effect.fail(new DaemonError({ operation: "start", folder, reason: new Unanswered({ pid: null }) }))
  })
})

/**
 * {@link connect} while the layer is in use.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Daemon, DaemonError> =>
  Layer.effect(Daemon, connect(options))

/**
 * Stops the daemon of a folder and waits until its process has ended. Fails with `NotRunning`, with `SandboxesLeft` when
 * it has sandboxes and `force` is false, and with `Unanswered`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stop = Effect.fn("DaemonStart.stop")(function* (folder: string, force: boolean) {
  const found = yield* DaemonControl.look(folder)
  const fail = (reason: DaemonError["reason"]) => new DaemonError({ operation: "stop", folder, reason })
  if (found._tag === "Silent") return yield* fail(new Unanswered({ pid: found.entry.owner.pid }))
  if (found._tag === "Damaged") {
    return yield* fail(new FileUnusable({ path: found.path, detail: found.detail }))
  }
  if (found._tag !== "Running") return yield* fail(new NotRunning())
  const { entry, status } = found
  yield* DaemonControl.askToStop(folder, entry, force)
  yield* Effect.repeat(ProcessOwner.isOwnerDead(entry.owner), {
    until: (dead) => dead,
    schedule: Schedule.spaced("25 millis")
  }).pipe(
    Effect.timeoutOrElse({
      duration: START_TIMEOUT,
      orElse: () => Effect.fail(fail(new Unanswered({ pid: entry.owner.pid })))
    })
  )
  return { entry, status }
})
