/**
 * Requests to a daemon: its status, its presence and its stop.
 *
 * Uses `node:http`: a presence is a connection that is closed on purpose, and a client with a pool could keep it open.
 *
 * @since 0.1.0
 */
import { Effect, Redacted, Schema } from "effect"
import type { Scope } from "effect"
import * as Http from "node:http"
import { DaemonError, SandboxesLeft, Unanswered } from "./DaemonError.ts"
import * as DaemonFile from "./DaemonFile.ts"
import * as ProcessOwner from "../host/ProcessOwner.ts"

/** The paths of the requests. They are not part of E2B's API. */
export const paths = { status: "/daemon", presence: "/daemon/presence", stop: "/daemon/stop" } as const

/**
 * The status of a daemon.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Status = Schema.Struct({
  owner: ProcessOwner.Owner,
  running: Schema.Int,
  paused: Schema.Int,
  /** Requests that are being handled. Every client of the daemon keeps one open. */
  requests: Schema.Int,
  /** Time without a sandbox, running or paused, and without a request after which it stops. Null: never. */
  idleMillis: Schema.NullOr(Schema.Int)
})
/** @see {@link Status} */
export type Status = typeof Status.Type

/** The state of the daemon of a folder. */
export type Found =
  | Exclude<DaemonFile.Read, { readonly _tag: "Read" }>
  /** Its process was killed. */
  | { readonly _tag: "Dead"; readonly entry: DaemonFile.Entry }
  /** It starts, stops, hangs, or cannot be reached from here. */
  | { readonly _tag: "Silent"; readonly entry: DaemonFile.Entry }
  | { readonly _tag: "Running"; readonly entry: DaemonFile.Entry; readonly status: Status }

/** Body of a stop. `force` stops the daemon although it has sandboxes. */
export const StopRequest = Schema.Struct({ force: Schema.Boolean })

/** Body of a refused stop: the number of its sandboxes. */
export const Refusal = Schema.Struct({ running: Schema.Int, paused: Schema.Int })

class NoAnswer extends Schema.TaggedError<NoAnswer>()("NoAnswer", {}) {}

const connectionOf = (entry: DaemonFile.Entry, path: string, method = "GET") =>
  ({
    request: new URL(path, entry.apiUrl),
    options: { method, agent: false, headers: { "x-api-key": Redacted.value(entry.apiKey) } }
  }) as const

const MAX_BYTES = 64 * 1024

const call = (entry: DaemonFile.Entry, path: string, method?: "POST", body?: string) =>
  Effect.callback<{ readonly status: number; readonly text: string }, NoAnswer>((resume) => {
    const fail = () => resume(Effect.fail(new NoAnswer()))
    const connection = connectionOf(entry, path, method)
    const sent = Http.request(connection.request, connection.options, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk
        // A daemon never sends this much.
        if (text.length > MAX_BYTES) sent.destroy(new Error("too much"))
      })
      response.on("error", fail)
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, text })))
    })
    sent.on("error", fail)
    sent.end(body)
    return Effect.sync(() => sent.destroy())
  }).pipe(Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.fail(new NoAnswer()) }))

const decodeStatus = Schema.decodeEffect(Schema.fromJsonString(Status))
const decodeRefusal = Schema.decodeEffect(Schema.fromJsonString(Refusal))
const encodeStop = Schema.encodeEffect(Schema.fromJsonString(StopRequest))

/** Fails when another process answers or the daemon is stopping. The request does not count as use. */
const status = Effect.fnUntraced(function* (entry: DaemonFile.Entry) {
  const answer = yield* call(entry, paths.status)
  if (answer.status !== 200) return yield* new NoAnswer()
  const said = yield* Effect.mapError(decodeStatus(answer.text), () => new NoAnswer())
  return ProcessOwner.isSame(said.owner, entry.owner) ? said : yield* new NoAnswer()
})

/**
 * Looks for the daemon of a folder without starting one.
 *
 * **Details**
 *
 * It is `Running` when a request with its key is answered by the process in the file. A pid alone proves nothing, because
 * it may belong to another process now.
 *
 * @category getters
 * @since 0.1.0
 */
export const look = Effect.fn("DaemonControl.look")(function* (folder: string): Effect.fn.Return<Found> {
  const found = yield* DaemonFile.read(folder)
  if (found._tag !== "Read") return found
  const { entry } = found
  if (yield* ProcessOwner.isOwnerDead(entry.owner)) return { _tag: "Dead", entry }
  return yield* Effect.match(status(entry), {
    onFailure: (): Found => ({ _tag: "Silent", entry }),
    onSuccess: (said): Found => ({ _tag: "Running", entry, status: said })
  })
})

/**
 * Keeps the daemon from becoming idle for the duration of the scope. Fails with `Unanswered` when it is stopping.
 *
 * @category constructors
 * @since 0.1.0
 */
export const presence = (
  folder: string,
  entry: DaemonFile.Entry
): Effect.Effect<void, DaemonError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Http.ClientRequest, NoAnswer>((resume) => {
      const fail = () => resume(Effect.fail(new NoAnswer()))
      const connection = connectionOf(entry, paths.presence)
      const sent = Http.get(connection.request, connection.options, (response) => {
        sent.setTimeout(0)
        response.on("error", () => {}).resume()
        if (response.statusCode === 200) return resume(Effect.succeed(sent))
        sent.destroy()
        fail()
      })
      sent.on("error", fail)
      // An acquisition is not interruptible, so the time limit is inside of it.
      sent.setTimeout(5000, () => sent.destroy(new Error("no answer")))
    }),
    (sent) => Effect.sync(() => sent.destroy())
  ).pipe(
    Effect.asVoid,
    Effect.mapError(
      () => new DaemonError({ operation: "start", folder, reason: new Unanswered({ pid: entry.owner.pid }) })
    )
  )

/**
 * Asks a daemon to stop. Fails with `SandboxesLeft` when it has sandboxes and `force` is false, and with `Unanswered`
 * when it does not answer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const askToStop = Effect.fn("DaemonControl.askToStop")(function* (
  folder: string,
  entry: DaemonFile.Entry,
  force: boolean
) {
  const body = yield* Effect.orDie(encodeStop({ force }))
  const unanswered = () =>
    new DaemonError({ operation: "stop", folder, reason: new Unanswered({ pid: entry.owner.pid }) })
  const answer = yield* Effect.mapError(call(entry, paths.stop, "POST", body), unanswered)
  if (answer.status === 202) return
  if (answer.status !== 409) return yield* unanswered()
  const left = yield* Effect.mapError(decodeRefusal(answer.text), unanswered)
  return yield* new DaemonError({ operation: "stop", folder, reason: new SandboxesLeft(left) })
})
