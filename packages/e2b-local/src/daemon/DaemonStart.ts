/**
 * Finds the daemon of a data folder, or starts it.
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

/** A daemon that runs, and stays for as long as it is used. */
export class Daemon extends Context.Service<
  Daemon,
  {
    readonly url: string
    readonly apiKey: Redacted.Redacted
    readonly pid: number
    /** `none` when it was asked for, or when it was left to the daemon and nothing else works here. */
    readonly isolation: E2bServer.E2bServer["Service"]["isolation"]
  }
>()("@remote-agent/e2b-local/DaemonStart/Daemon") {}

/** Which daemon, and how it is started when there is none. */
export interface Options {
  readonly folder: string
  /** Of the program that asks; a daemon of another one is refused. */
  readonly version: string
  /** The program that calls `Daemon.serve` for this folder, in the background. */
  readonly command: readonly [string, ...ReadonlyArray<string>]
  /** All of its environment. It outlives whoever starts it, so give it no secret. */
  readonly env: Readonly<Record<string, string>>
  /** What is wanted: a daemon that isolates in another way is refused. Default `auto`: any but a waived isolation. */
  readonly isolation?: E2bServer.Options["isolation"]
}

const PATIENCE = "60 seconds"

/** Says why a daemon is not the one that is wanted, or nothing. */
export const mismatch = (
  { folder, isolation = "auto", version }: Pick<Options, "folder" | "version" | "isolation">,
  entry: DaemonFile.Entry
): DaemonError | undefined => {
  const { pid } = entry.owner
  const fail = (reason: DaemonError["reason"]) => new DaemonError({ operation: "start", folder, reason })
  if (entry.version !== version) {
    return fail(new VersionMismatch({ running: entry.version, wanted: version, pid }))
  }
  // Who says nothing must not run in a daemon that somebody else has said may do without isolation.
  const fits = isolation === "auto" ? !entry.waived : isolation === entry.isolation
  return fits ? undefined : fail(new IsolationMismatch({ running: entry.isolation, wanted: isolation, pid }))
}

const decodeError = Schema.decodeUnknownEffect(Schema.toCodecJson(DaemonError))

/** A process that was started to serve. */
interface Started {
  /** That it has ended because another serves; fails with why it has ended otherwise. */
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
          // In a session of its own, so that neither the terminal nor the end of this process reaches it.
          const child = NodeChildProcess.spawn(program, args, {
            cwd: "/",
            detached: true,
            env: { ...env },
            stdio: ["ignore", out, out, "ipc"]
          })
          let said: unknown
          child.on("message", (message) => (said = message))
          child.on("error", (cause) => fail(cause.message))
          child.on("exit", (code, signal) => {
            const conclude = () =>
              said === undefined
                ? fail(`its process ended with ${signal ?? `code ${code}`}`)
                : Deferred.doneUnsafe(ended, Effect.succeed(said))
            // What it has said may still be under way.
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
  const why = (said: unknown) =>
    Effect.matchEffect(decodeError(said), {
      onFailure: () => Effect.fail(failed("its process ended without a word")),
      onSuccess: (error) => (error.reason._tag === "AlreadyRunning" ? Effect.void : Effect.fail(error))
    })
  return { ended: Effect.flatMap(Deferred.await(ended), why) }
})

const running = (folder: string) =>
  Effect.repeat(DaemonControl.look(folder), {
    until: (found) => found._tag === "Running",
    schedule: Schedule.spaced("25 millis")
  })

/** Starts a daemon if nobody else does just now, and waits until one runs or this one has ended. */
const startUnlessStarting = Effect.fnUntraced(function* (options: Options) {
  const { folder } = options
  const free = yield* FileLock.tryAcquire(DaemonFile.paths(folder).startLock).pipe(
    Effect.mapError(
      ({ detail, path }) =>
        new DaemonError({ operation: "start", folder, reason: new FileUnusable({ path, detail }) })
    )
  )
  if (!free) return yield* Effect.sleep("25 millis")
  // It may have come while the lock was another's.
  const found = yield* DaemonControl.look(folder)
  if (found._tag === "Running") return
  if (found._tag === "Damaged") {
    yield* Effect.logWarning(
      `${found.path} is damaged (${found.detail}). It is written anew, by the server that it was of or by a new one.`
    )
  }
  const { ended } = yield* spawn(options)
  yield* Effect.raceFirst(ended, running(folder))
}, Effect.scoped)

/**
 * The daemon of the folder, started when there is none; it takes itself for used as long as the scope is open. Any
 * number may ask at once and get the same one.
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
      // It has just ended.
      Effect.catchReason("DaemonError", "Unanswered", () =>
        Effect.andThen(Effect.sleep("25 millis"), attempt)
      )
    )
  })
  return yield* Effect.timeoutOrElse(attempt, {
    duration: PATIENCE,
    orElse: () =>
      Effect.fail(new DaemonError({ operation: "start", folder, reason: new Unanswered({ pid: null }) }))
  })
})

/** {@link connect} for the length of the layer. */
export const layer = (options: Options): Layer.Layer<Daemon, DaemonError> =>
  Layer.effect(Daemon, connect(options))

/**
 * Asks the daemon of a folder to end, and waits until it has. Fails with `NotRunning`, with `SandboxesLeft` when it
 * holds sandboxes and `force` is false, and with `Unanswered`.
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
      duration: PATIENCE,
      orElse: () => Effect.fail(fail(new Unanswered({ pid: entry.owner.pid })))
    })
  )
  return { entry, status }
})
