import { RemoteAgentConfig, SandboxError } from "@remote-agent/domain"
import { type DaemonError, DaemonStart, E2bServer, type E2bServerError } from "@remote-agent/e2b-local"
import { Context, Effect, Layer } from "effect"
import * as E2bSandboxes from "../e2b/E2bSandboxes.ts"
import { type Isolation, Sandboxes } from "../Sandboxes.ts"

/**
 * How sandboxes on this machine are made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How they are isolated. `auto` uses the best isolation that works on this machine. `none` runs plain processes in
   * folders of their own, without any protection: use it only for programs that you trust like your own shell.
   */
  readonly isolation?: RemoteAgentConfig.Values["REMOTE_AGENT_ISOLATION"] | undefined
  /** The folder for the files of sandboxes; a folder per user in the system's temporary folder when absent. */
  readonly directory?: string | undefined
  /** The size of the pages of a list. */
  readonly pageSize?: number | undefined
}

const startFailure = ({ message, reason }: E2bServerError.E2bServerError): SandboxError.SandboxError =>
  SandboxError.fail(
    "start",
    reason._tag === "IsolationUnavailable"
      ? new SandboxError.IsolationUnavailable({ hint: reason.hint })
      : new SandboxError.InvalidRequest({ detail: message.replaceAll("\n", " ") })
  )

/** Starts a server in this process, and connects the E2B adapter to it. */
const start = Effect.fnUntraced(function* ({ pageSize, ...options }: Options, isolation: Isolation) {
  const services = yield* Effect.mapError(
    Layer.buildWithScope(E2bServer.layer(options), yield* Effect.scope),
    startFailure
  )
  const { apiKey, url } = Context.get(services, E2bServer.E2bServer)
  const sandboxes = yield* E2bSandboxes.make({
    provider: "local",
    apiKey,
    apiUrl: url,
    sandboxUrl: url,
    isolation,
    pageSize,
    // The server is this process, so it does not work on a create after its reply.
    createDeadline: "1 second"
  })
  return Context.add(services, Sandboxes, sandboxes)
})

/**
 * Sandboxes on this machine that end with the layer.
 *
 * **Details**
 *
 * The layer starts an E2B-compatible server in this process and uses the E2B adapter with it. With `auto` on a machine
 * that cannot isolate, `isolation` is `missing` and only trusted profiles run. Fails with `IsolationUnavailable` when the
 * requested kind of isolation does not work here.
 *
 * @category layers
 * @since 0.1.0
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

/**
 * Sandboxes on this machine that end with the layer, from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig: Layer.Layer<
  Sandboxes | E2bServer.E2bServer,
  SandboxError.SandboxError,
  RemoteAgentConfig.RemoteAgentConfig
> = Layer.unwrap(
  Effect.map(RemoteAgentConfig.RemoteAgentConfig, ({ REMOTE_AGENT_ISOLATION }) =>
    layer({ isolation: REMOTE_AGENT_ISOLATION })
  )
)

/**
 * The daemon to use, and how to start it.
 *
 * @category models
 * @since 0.1.0
 */
export interface DaemonOptions {
  /** The data folder of the daemon. One daemon serves each data folder. */
  readonly folder: string
  /** The version of the program that starts the daemon. A daemon of another version is refused. */
  readonly version: string
  /** The program that serves in the background: it runs `Daemon.serve` of e2b-local for this folder. */
  readonly command: DaemonStart.Options["command"]
  /** The whole environment of that program. It outlives this process, so it must hold no secret. */
  readonly env: Readonly<Record<string, string>>
  /** As for {@link layer}. A daemon with another isolation is refused. */
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
 * Sandboxes on this machine that outlive this process.
 *
 * **Details**
 *
 * The layer uses the E2B adapter with the daemon of a data folder, and starts the daemon when none is running. The daemon
 * does not stop for being idle while the layer exists. `isolation` is `missing` when the machine cannot isolate.
 *
 * Fails with `InvalidRequest`, which says what to do, when the daemon has another version or isolation, or does not
 * start; and with `IsolationUnavailable` when the requested kind of isolation does not work here.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDaemon = ({
  pageSize,
  ...options
}: DaemonOptions): Layer.Layer<Sandboxes | DaemonStart.Daemon, SandboxError.SandboxError> =>
  Layer.effect(
    Sandboxes,
    Effect.flatMap(DaemonStart.Daemon, ({ apiKey, isolation, url }) =>
      E2bSandboxes.make({
        provider: "local",
        apiKey,
        apiUrl: url,
        sandboxUrl: url,
        isolation: isolation !== "none" ? "isolated" : options.isolation === "none" ? "waived" : "missing",
        pageSize,
        // The daemon keeps running when a reply is lost, and continues with the create.
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
