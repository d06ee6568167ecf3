import { RemoteAgentConfig, SandboxError } from "@remote-agent/domain"
import { type DaemonError, DaemonStart, E2bServer, type E2bServerError } from "@remote-agent/e2b-local"
import { Context, Effect, Layer } from "effect"
import * as E2b from "../e2b/E2bSandboxes.ts"
import { type Isolation, Sandboxes } from "../Sandboxes.ts"

/** How sandboxes on this machine are made. */
export interface Options {
  /**
   * `auto` takes the best that works here. `none` runs plain processes in folders of their own, which keeps nothing
   * from anything: say it only for programs you trust as you trust your own shell.
   */
  readonly isolation?: RemoteAgentConfig.Values["REMOTE_AGENT_ISOLATION"] | undefined
  /** Where the folders of sandboxes are; a folder per user in the system's temporary folder when absent. */
  readonly directory?: string | undefined
  /** How many sandboxes are asked for at a time when listing. */
  readonly pageSize?: number | undefined
}

const startFailure = ({ message, reason }: E2bServerError.E2bServerError): SandboxError.SandboxError =>
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
  RemoteAgentConfig.RemoteAgentConfig
> = Layer.unwrap(
  Effect.map(RemoteAgentConfig.RemoteAgentConfig, ({ REMOTE_AGENT_ISOLATION }) =>
    layer({ isolation: REMOTE_AGENT_ISOLATION })
  )
)

/** Which daemon, and how it is started when there is none. */
export interface DaemonOptions {
  /** The data folder of the daemon; one daemon serves it, for all who name it. */
  readonly folder: string
  /** Of the program that starts the daemon; a daemon that another version has started is refused. */
  readonly version: string
  /** What is executed to serve: a program that runs `Daemon.serve` of e2b-local for this folder, in the background. */
  readonly command: DaemonStart.Options["command"]
  /** The whole environment of that program. It outlives this one, so give it no secret. */
  readonly env: Readonly<Record<string, string>>
  /** As for {@link layer}; a daemon that isolates in another way than was asked for is refused. */
  readonly isolation?: Options["isolation"]
  readonly pageSize?: number | undefined
}

const daemonFailure = (error: DaemonError.DaemonError): SandboxError.SandboxError => {
  const { message, reason } = error
  switch (reason._tag) {
    case "ServerFailed":
      return startFailure(reason.cause)
    case "Unanswered":
      return SandboxError.fail("start", new SandboxError.Unreachable({ sent: false }))
    case "VersionMismatch":
    case "IsolationMismatch": {
      const detail = `${message} \`remote-agent local stop\` stops it.`
      return SandboxError.fail("start", new SandboxError.InvalidRequest({ detail }))
    }
    default:
      return SandboxError.fail("start", new SandboxError.InvalidRequest({ detail: message }))
  }
}

/**
 * Sandboxes on this machine that outlive this process: the adapter of E2B over the daemon of a data folder, which is
 * found, or started when there is none. The daemon does not take itself for idle while the layer is there.
 *
 * `isolation` is `missing` when the daemon found that this machine cannot isolate. Fails with `InvalidRequest`, which
 * says what to do, when the daemon is of another version, isolates in another way, or does not start; with
 * `IsolationUnavailable` when a kind of isolation was named that does not work here.
 */
export const layerDaemon = ({
  pageSize,
  ...options
}: DaemonOptions): Layer.Layer<Sandboxes | DaemonStart.Daemon, SandboxError.SandboxError> =>
  Layer.effect(
    Sandboxes,
    Effect.flatMap(DaemonStart.Daemon, ({ apiKey, isolation, url }) =>
      E2b.make({
        provider: "local",
        apiKey,
        apiUrl: url,
        sandboxUrl: url,
        isolation: isolation !== "none" ? "isolated" : options.isolation === "none" ? "waived" : "missing",
        pageSize,
        // The server lives on when a reply is lost, and goes on with the create.
        createDeadline: "30 seconds"
      })
    )
  ).pipe(
    Layer.provideMerge(
      Layer.catchTag(DaemonStart.layer(options), "DaemonError", (error) =>
        Layer.effect(DaemonStart.Daemon, Effect.fail(daemonFailure(error)))
      )
    )
  )
