/**
 * What one says to a daemon: are you there, somebody uses you, end.
 *
 * @since 0.1.0
 */
import { Effect, Redacted, Schema } from "effect"
import type { Scope } from "effect"
import * as Http from "node:http"
import { DaemonError, SandboxesLeft, Unanswered } from "./DaemonError.ts"
import * as DaemonFile from "./DaemonFile.ts"
import * as ProcessOwner from "../host/ProcessOwner.ts"

/** The paths of the requests, beside those of E2B. */
export const paths = { status: "/daemon", presence: "/daemon/presence", stop: "/daemon/stop" } as const

/** How a daemon says that it is. */
export const Status = Schema.Struct({
  owner: ProcessOwner.Owner,
  running: Schema.Int,
  paused: Schema.Int,
  /** Requests that are being answered; everybody who uses the daemon keeps one. */
  requests: Schema.Int,
  /** After how many milliseconds without a sandbox and a request it ends by itself; null: never. */
  idleMillis: Schema.NullOr(Schema.Int)
})
export type Status = typeof Status.Type

/** What there is of a daemon of a folder. */
export type Found =
  | Exclude<DaemonFile.Read, { readonly _tag: "Read" }>
  /** Its process has ended without a chance to say so. */
  | { readonly _tag: "Dead"; readonly entry: DaemonFile.Entry }
  /** It starts, ends, hangs, or is not to be reached from here. */
  | { readonly _tag: "Silent"; readonly entry: DaemonFile.Entry }
  | { readonly _tag: "Running"; readonly entry: DaemonFile.Entry; readonly status: Status }

/** Asks to end; `force` although there are sandboxes. */
export const StopRequest = Schema.Struct({ force: Schema.Boolean })

/** Why it does not end: how many sandboxes there are. */
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
        // Whoever says so much is not the daemon.
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

/** How it is; fails when what answers is not this daemon, or is about to end. Does not keep it from being idle. */
const status = Effect.fnUntraced(function* (entry: DaemonFile.Entry) {
  const answer = yield* call(entry, paths.status)
  if (answer.status !== 200) return yield* new NoAnswer()
  const said = yield* Effect.mapError(decodeStatus(answer.text), () => new NoAnswer())
  return ProcessOwner.isSame(said.owner, entry.owner) ? said : yield* new NoAnswer()
})

/**
 * Looks for the daemon of a folder, without starting one. It is `Running` when it answers, with its own key, that it
 * is the process of the file; a pid alone proves nothing, for it may be that of another process by now.
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
 * Is there, as long as the scope is open, so that the daemon does not take itself for idle. Fails with `Unanswered`
 * when it is about to end.
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
      // Not from outside: what is being acquired is not interrupted.
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
 * Asks a daemon to end. Fails with `SandboxesLeft` when it holds sandboxes and `force` is false, with `Unanswered`
 * when it does not answer.
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
