/** The typed client of the API, as promises. */
import { Client } from "@remote-agent/api"
import { Duration, Effect, Layer, ManagedRuntime, Redacted, Result } from "effect"
import { FetchHttpClient } from "effect/http"
import { Connection } from "./Connection.ts"
import { Failure, failureOf } from "./Failure.ts"

type Api = Client.Client["Service"]

/** A server and the token that it is used with. */
export interface ApiSession {
  readonly connection: Connection
  /** Runs a request. Rejects with a `Failure`. */
  readonly run: <A, E>(request: (api: Api) => Effect.Effect<A, E>, signal?: AbortSignal) => Promise<A>
  /** A request whose answer is read as it comes. Rejects with a `Failure` unless the status is 200. */
  readonly open: (
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal
  ) => Promise<ReadableStream<Uint8Array>>
  readonly close: () => void
}

/** No request of the page takes this long, except launches, which may. */
const slowest = Duration.minutes(10)

/** Opens a session. `onUnauthorized` is called when the server refuses the token. */
export const openSession = (token: string, onUnauthorized: () => void): ApiSession => {
  const connection = new Connection()
  const runtime = ManagedRuntime.make(
    Client.layer({ url: location.origin, token: Redacted.make(token) }).pipe(
      Layer.provide(FetchHttpClient.layer)
    )
  )

  const settle = (failure: Failure): Failure => {
    if (failure.kind === "unreachable") connection.failed()
    else connection.answered()
    if (failure.kind === "unauthorized") onUnauthorized()
    return failure
  }

  const run: ApiSession["run"] = async (request, signal) => {
    const result = await runtime.runPromise(
      Effect.flatMap(Client.Client, request).pipe(Effect.timeout(slowest), Effect.result),
      signal === undefined ? undefined : { signal }
    )
    if (Result.isFailure(result)) throw settle(failureOf(result.failure))
    connection.answered()
    return result.success
  }

  const open: ApiSession["open"] = async (path, headers, signal) => {
    const response = await fetch(path, {
      headers: { ...headers, authorization: `Bearer ${token}` },
      cache: "no-store",
      signal
    }).catch((error: unknown) => {
      throw signal.aborted ? error : settle(new Failure("unreachable", "Unreachable", String(error)))
    })
    if (response.status !== 200 || response.body === null) {
      throw settle(failureOf({ response: { status: response.status } }))
    }
    connection.answered()
    return response.body
  }

  return { connection, run, open, close: () => void runtime.dispose() }
}
