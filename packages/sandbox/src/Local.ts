import { Config, SandboxError } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { Context, Effect, Layer } from "effect"
import * as E2b from "./E2b.ts"
import { type Isolation, Sandboxes } from "./Sandboxes.ts"

/** How sandboxes on this machine are made. */
export interface Options {
  /**
   * `auto` takes the best that works here. `none` runs plain processes in folders of their own, which keeps nothing
   * from anything: say it only for programs you trust as you trust your own shell.
   */
  readonly isolation?: Config.Values["REMOTE_AGENT_ISOLATION"] | undefined
  /** Where the folders of sandboxes are; a folder per user in the system's temporary folder when absent. */
  readonly directory?: string | undefined
  /** How many sandboxes are asked for at a time when listing. */
  readonly pageSize?: number | undefined
}

const startFailure = ({ message, reason }: E2bServer.E2bServerError): SandboxError.SandboxError =>
  SandboxError.fail(
    "start",
    reason._tag === "IsolationUnavailable"
      ? new SandboxError.IsolationUnavailable({ hint: reason.hint })
      : new SandboxError.InvalidRequest({ detail: message.replaceAll("\n", " ") })
  )

/** A server in this process, and the adapter of E2B pointed at it. */
const start = Effect.fnUntraced(function* ({ pageSize, ...options }: Options, isolation: Isolation) {
  const services = yield* Effect.mapError(
    Layer.buildWithScope(E2bServer.layer(options), yield* Effect.scope),
    startFailure
  )
  const { apiKey, url } = Context.get(services, E2bServer.E2bServer)
  const sandboxes = yield* E2b.make({
    provider: "local",
    apiKey,
    apiUrl: url,
    sandboxUrl: url,
    isolation,
    pageSize,
    // The server is this process: what it has not made by the time it answered, it will never make.
    createDeadline: "1 second"
  })
  return Context.add(services, Sandboxes, sandboxes)
})

/**
 * Sandboxes on this machine: the adapter of E2B over an E2B server that lives in this process and ends, with every
 * sandbox, with the layer.
 *
 * With `auto` on a machine that cannot isolate, `isolation` is `missing` and only trusted profiles will run. Fails
 * with `IsolationUnavailable` when a kind of isolation was named that does not work here.
 */
export const layer = (
  options: Options = {}
): Layer.Layer<Sandboxes | E2bServer.E2bServer, SandboxError.SandboxError> => {
  const { isolation = "auto" } = options
  const started = start(options, isolation === "none" ? "waived" : "isolated")
  return Layer.effectContext(
    isolation === "auto"
      ? Effect.catchReason(started, "SandboxError", "IsolationUnavailable", () =>
          start({ ...options, isolation: "none" }, "missing")
        )
      : started
  )
}

/** The same from the configuration. */
export const layerConfig: Layer.Layer<
  Sandboxes | E2bServer.E2bServer,
  SandboxError.SandboxError,
  Config.Config
> = Layer.unwrap(
  Effect.map(Config.Config, ({ REMOTE_AGENT_ISOLATION }) => layer({ isolation: REMOTE_AGENT_ISOLATION }))
)
