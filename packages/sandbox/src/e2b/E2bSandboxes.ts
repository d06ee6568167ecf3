import { Id, RemoteAgentConfig, SandboxError } from "@remote-agent/domain"
import type * as Sdk from "e2b"
import { type Duration, Effect, Layer, Option, Redacted, Stream } from "effect"
// A digest that is not secret and needed at once; Effect's Crypto would make every caller provide a platform.
import { createHash } from "node:crypto"
import * as KeepAlive from "../KeepAlive.ts"
import type { Host, Sandbox, SandboxInfo, SandboxSpec } from "../Sandbox.ts"
import { type Filter, type Isolation, Sandboxes } from "../Sandboxes.ts"
import { type Connection, E2bCalls } from "./internal/calls.ts"
import * as Files from "./internal/files.ts"
import { launch as launchSandbox } from "./internal/launch.ts"
import * as Lifecycle from "./internal/lifecycle.ts"
import * as Prepare from "./internal/prepare.ts"
import * as Process from "./internal/process.ts"
import * as Snapshots from "./internal/snapshots.ts"
import * as Terminal from "./internal/terminal.ts"

export type { Connection }

/**
 * How E2B, or a server that speaks its protocol, is used.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Connection {
  /** The name of the provider in messages and records; `e2b` when absent. */
  readonly provider?: string | undefined
  /** The template of sandboxes whose spec names none; `base` when absent. */
  readonly template?: string | undefined
  readonly isolation?: Isolation | undefined
  /** The size of the pages of a list; the provider's own when absent. */
  readonly pageSize?: number | undefined
  /** How long the server may work on a create; 70 seconds, as at E2B, when absent. */
  readonly createDeadline?: Duration.Input | undefined
}

/** A prefix of a digest: enough to distinguish two accounts, and it reveals nothing about the key. */
const accountOf = ({ apiKey, apiUrl = "" }: Connection): string =>
  createHash("sha256")
    .update(`${apiUrl}\n${Redacted.value(apiKey)}`)
    .digest("hex")
    .slice(0, 12)

/** Names below `localhost` are on this machine, but many systems and languages do not resolve them. */
const belowLocalhost = /\.localhost(:\d+)?$/

/**
 * The one address that all sandboxes share, where there is one: then headers select the sandbox and the port, and no
 * name has to be resolved.
 */
const sharedAddress = (host: string, sandboxUrl: string | undefined): string | undefined => {
  if (sandboxUrl !== undefined) return sandboxUrl.replace(/\/+$/, "")
  const local = belowLocalhost.exec(host)
  return local === null ? undefined : `http://127.0.0.1${local[1] ?? ""}`
}

/** The address of a port of a sandbox. Where sandboxes share no address, each port has a host name of its own. */
const hostOf = (sandbox: Sdk.Sandbox, sandboxUrl: string | undefined): Sandbox["host"] =>
  Effect.fn("Sandbox.host")(function* (port: number) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      const invalid = new SandboxError.InvalidRequest({ detail: `${port} is no port` })
      return yield* SandboxError.fail("host", invalid, Id.SandboxId.make(sandbox.sandboxId))
    }
    const [token, ownHost] = [sandbox.trafficAccessToken, sandbox.getHost(port)]
    const shared = sharedAddress(ownHost, sandboxUrl)
    const headers: Record<string, string> = {
      ...(shared === undefined ? {} : { "e2b-sandbox-id": sandbox.sandboxId, "e2b-sandbox-port": `${port}` }),
      ...(token === undefined ? {} : { "e2b-traffic-access-token": token })
    }
    return {
      url: shared ?? `https://${ownHost}`,
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, Redacted.make(value)])
      )
    } satisfies Host
  })

const handleOf = (calls: E2bCalls, sandbox: Sdk.Sandbox, sandboxUrl: string | undefined): Sandbox => {
  const id = Id.SandboxId.make(sandbox.sandboxId)
  const processes = Process.make(calls, sandbox, id)
  const files = Files.make(calls, sandbox, id)
  return {
    id,
    ...processes,
    ...Terminal.make(calls, sandbox, id),
    files: { ...files, prepare: Prepare.make(files, processes.exec) },
    host: hostOf(sandbox, sandboxUrl)
  }
}

const listWith =
  (calls: E2bCalls, pageSize: number | undefined) =>
  (filter: Filter = {}): Stream.Stream<SandboxInfo, SandboxError.SandboxError> =>
    Stream.suspend(() => {
      const first = calls.client.Sandbox.list({
        ...(pageSize === undefined ? {} : { limit: pageSize }),
        query: {
          ...(filter.metadata === undefined ? {} : { metadata: filter.metadata }),
          ...(filter.state === undefined ? {} : { state: [filter.state] })
        }
      })
      return Stream.paginate(first, (pages) =>
        calls
          .call({ operation: "list" }, (signal) => pages.nextItems({ signal }))
          .pipe(
            // Outside of the call that is retried, because a retry would ask for the next page.
            Effect.flatMap((items) =>
              calls.attempt({ operation: "list" }, async () => items.map(Lifecycle.sandboxInfo))
            ),
            Effect.map((items) => [items, pages.hasNext ? Option.some(pages) : Option.none()] as const)
          )
      )
    }).pipe(Stream.withSpan("Sandboxes.list"))

/**
 * Makes the provider over the unmodified SDK, which is loaded here and not before.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const sdk = yield* Effect.promise(() => import("e2b"))
  const calls = new E2bCalls(sdk, options)
  const { sandboxUrl, template = "base", createDeadline = "70 seconds" } = options
  const { extend, info, pause, recordTtl, resume, terminate } = Lifecycle.make(calls)
  const list = listWith(calls, options.pageSize)

  // Not interruptible: a sandbox whose reply is on its way when the caller gives up must still be terminated.
  const launch = Effect.fn("Sandboxes.launch")(
    function* (spec: SandboxSpec) {
      const created = yield* launchSandbox({ calls, list, template, createDeadline }, spec)
      const sandbox = handleOf(calls, created, sandboxUrl)
      yield* recordTtl(sandbox.id, spec.ttl)
      return sandbox
    },
    (effect) => Effect.uninterruptible(effect)
  )

  const connect = Effect.fn("Sandboxes.connect")(function* (sandboxId: Id.SandboxId, ttl: Duration.Input) {
    const { state } = yield* info(sandboxId)
    const sandbox = yield* calls.call({ operation: "connect", sandboxId }, (signal) =>
      calls.client.Sandbox.connect(sandboxId, { timeoutMs: Lifecycle.milliseconds(ttl), signal })
    )
    yield* recordTtl(sandboxId, ttl)
    return { sandbox: handleOf(calls, sandbox, sandboxUrl), resumed: state === "paused" }
  })

  return Sandboxes.of({
    provider: options.provider ?? "e2b",
    account: accountOf(options),
    isolation: options.isolation ?? "isolated",
    create: (spec) => KeepAlive.create({ launch, terminate, extend }, spec),
    launch,
    connect,
    info,
    list,
    pause,
    resume,
    terminate,
    extend,
    ...Snapshots.make(calls, createDeadline)
  })
})

/**
 * Sandboxes at E2B, or at another server that speaks its protocol.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Sandboxes> => Layer.effect(Sandboxes, make(options))

/**
 * Sandboxes at E2B, from the configuration. Fails when there is no `E2B_API_KEY`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig: Layer.Layer<
  Sandboxes,
  RemoteAgentConfig.ConfigError,
  RemoteAgentConfig.RemoteAgentConfig
> = Layer.unwrap(
  Effect.gen(function* () {
    const values = yield* RemoteAgentConfig.RemoteAgentConfig
    yield* RemoteAgentConfig.requireKeys(values, ["E2B_API_KEY"], "the provider e2b")
    return layer({
      apiKey: values.E2B_API_KEY ?? Redacted.make(""),
      apiUrl: values.E2B_API_URL,
      sandboxUrl: values.E2B_SANDBOX_URL,
      template: values.E2B_TEMPLATE
    })
  })
)
