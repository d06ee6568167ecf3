import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { RequestGuard } from "@remote-agent/server"
import { type Duration, Effect, FileSystem, Layer } from "effect"
import { createServer as createPlain } from "node:http"
import { createServer as createSecure } from "node:https"
import { Usage } from "../../ui/Failure.ts"

/** Where and how a server listens. */
export interface Listening {
  readonly host: string
  readonly port: number
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  /** Accepts an address beside the loopback without TLS. */
  readonly insecure: boolean
  /** Names by which clients address the server, beside those of the loopback. */
  readonly allowHost: ReadonlyArray<string>
}

/** Whether an address is reached from this machine only. */
export const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d+){3}|::1|\[::1\])$/.test(host)

const pem = Effect.fnUntraced(function* (file: string, flag: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.mapError(
    fs.readFileString(file),
    () => new Usage({ message: `The file ${file} cannot be read. Check --${flag}.` })
  )
})

/** The certificate and its key. Fails with `Usage` when they are incomplete, unreadable, or needed and absent. */
export const tlsOf = Effect.fnUntraced(function* ({ host, insecure, tlsCert, tlsKey }: Listening) {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    return yield* new Usage({
      message: "--tls-cert and --tls-key belong together. Give both of them, or neither."
    })
  }
  if (tlsCert !== undefined && tlsKey !== undefined) {
    return { cert: yield* pem(tlsCert, "tls-cert"), key: yield* pem(tlsKey, "tls-key") }
  }
  if (!isLoopback(host) && !insecure) {
    return yield* new Usage({
      message: `Tokens would be sent in the clear to ${host}. Give --tls-cert and --tls-key, or --insecure where a proxy in front adds TLS.`
    })
  }
  return undefined
})

/** The names by which a server may be addressed. Any name when it listens beyond the loopback and none is given. */
export const hostsOf = ({ allowHost, host }: Pick<Listening, "allowHost" | "host">) =>
  isLoopback(host)
    ? [...RequestGuard.loopback, host, ...allowHost]
    : allowHost.length === 0
      ? undefined
      : [...RequestGuard.loopback, ...allowHost]

/** An HTTP server that finishes within `grace` what it answers. Fails with `Usage` when it cannot listen. */
export const layer = (
  { host, port }: Pick<Listening, "host" | "port">,
  tls: { readonly cert: string; readonly key: string } | undefined,
  grace: Duration.Duration
) =>
  NodeHttpServer.layer(
    () => {
      // Streams of events stay open for as long as their queries run.
      const options = { requestTimeout: 300_000, headersTimeout: 30_000 }
      return tls === undefined ? createPlain(options) : createSecure({ ...options, ...tls })
    },
    { port, host, gracefulShutdownTimeout: grace }
  ).pipe(
    Layer.catchTag("ServeError", () =>
      Layer.effectContext(
        Effect.fail(
          new Usage({
            message: `Port ${port} at ${host} cannot be used. Give another --port, or --port 0 for a free one.`
          })
        )
      )
    )
  )
