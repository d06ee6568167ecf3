/**
 * An E2B-compatible server in front of isolated process trees of this machine.
 *
 * Differences from E2B, listed in full in `docs/e2b-compatibility.md`:
 *
 * - Snapshots and forks keep files, not memory. They end with the server.
 * - The only template is `base`. Every other name must be that of a snapshot.
 * - A sandbox shares the network of the host unless `allowInternetAccess` is false. Its ports are reached at
 *   `http://{port}-{id}.localhost:{port of the server}` or with E2B's two headers, in both cases over plain HTTP.
 * - Options that cannot be honoured are refused by name: egress rules, volumes, workload identity, MCP.
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer, Redacted } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Http from "node:http"
import * as Os from "node:os"
import * as ControlPlane from "../api/ControlPlane.ts"
import * as RequestGuard from "../api/RequestGuard.ts"
import * as Connections from "./connections.ts"
import { E2bServerError, ListenFailed } from "../E2bServerError.ts"
import * as FilesystemService from "../envd/FilesystemService.ts"
import * as FileTransfer from "../envd/FileTransfer.ts"
import * as ProcessService from "../envd/ProcessService.ts"
import * as Isolation from "../isolation/Isolation.ts"
import * as Entry from "../isolation/namespace/entry.ts"
import * as PortProxy from "../ports/PortProxy.ts"
import * as DataDirectory from "../sandboxes/DataDirectory.ts"
import * as DiskGuard from "./DiskGuard.ts"
import { randomToken } from "../sandboxes/ManagedSandbox.ts"
import * as SandboxRegistry from "../sandboxes/SandboxRegistry.ts"
import * as SnapshotStore from "../sandboxes/SnapshotStore.ts"

export { E2bServerError } from "../E2bServerError.ts"

/**
 * A running server.
 *
 * **When to use**
 *
 * Give its URL and key to any E2B SDK as `apiUrl`, `sandboxUrl` and `apiKey`.
 *
 * @category services
 * @since 0.1.0
 */
export class E2bServer extends Context.Service<
  E2bServer,
  {
    /** `http://127.0.0.1:PORT`. It is both `apiUrl` and `sandboxUrl`. */
    readonly url: string
    readonly apiKey: Redacted.Redacted
    readonly isolation: "bubblewrap" | "namespaces" | "none"
    /**
     * Which limits hold on this host. A memory limit needs control groups, a disk limit needs root, and a limit of
     * processes needs control groups or isolation.
     */
    readonly enforced: { readonly memory: boolean; readonly processes: boolean; readonly disk: boolean }
    /** Number of sandboxes, running, paused or being removed. */
    readonly live: Effect.Effect<number>
    /** Number of paused sandboxes. */
    readonly paused: Effect.Effect<number>
    /** Completes when the folder of its sandboxes was removed, after which it cannot serve. */
    readonly lost: Effect.Effect<void>
  }
>()("@remote-agent/e2b-local/E2bServer") {}

/**
 * Options of the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The folder of the sandboxes' folders. Default: one per user in the temporary folder of the system. */
  readonly directory?: string | undefined
  /**
   * Default `auto`: bubblewrap if it works here, otherwise namespaces, otherwise the layer fails with
   * `IsolationUnavailable`. `none` isolates nothing and is only taken when it is asked for.
   */
  readonly isolation?: "auto" | "bubblewrap" | "namespaces" | "none" | undefined
  /** Default: any free port of the loopback. */
  readonly port?: number | undefined
  /** Limits per sandbox. Open files and file sizes are per process. `E2bServer.enforced` lists the ones that hold. */
  readonly limits?:
    | {
        /** Default 4096, threads included. */
        readonly processes?: number
        /** Default 4096. */
        readonly openFiles?: number
        /** Largest file in bytes, default 4 GiB. */
        readonly fileBytes?: number
        /** Of all processes together, default half of the host's. The largest is killed when it is reached. */
        readonly memoryBytes?: number
        /** All files that a sandbox can write, default none: it may fill the disk of the host. At least 16 MiB. */
        readonly diskBytes?: number | undefined
        /**
         * What stays free on the disk of the host, default a twentieth of it and 1 GiB at most. Below it, the sandbox
         * with the most files is terminated. Sandboxes with \`diskBytes\` are bounded by that.
         */
        readonly freeBytes?: number | undefined
      }
    | undefined
  /** Absolute paths of the host that sandboxes see read-only at the same path. */
  readonly readOnlyPaths?: ReadonlyArray<string> | undefined
  /**
   * Whether programs in sandboxes may make user namespaces and mounts in them, for programs that have a sandbox of their
   * own, such as Chromium. Default false: the code of the kernel behind them is a way out of a sandbox.
   */
  readonly userNamespaces?: boolean | undefined
}

/** Additions of a server to E2B's protocol. */
export interface Extension {
  readonly apiKey: Redacted.Redacted
  readonly routes: Layer.Layer<never, never, HttpRouter.HttpRouter>
  /** Wraps the handling of every request, until the last byte of its response is sent. */
  readonly middleware: typeof RequestGuard.middleware
}

const listen = Effect.fnUntraced(function* (port: number) {
  // Uploads have no time limit, and idle clients keep their connection.
  const server = Http.createServer({
    requestTimeout: 0,
    headersTimeout: 60_000,
    keepAliveTimeout: 75_000,
    // As at E2B. The default of 16 KiB refuses metadata and signed URLs that E2B accepts.
    maxHeaderSize: 1024 * 1024
  })
  const http = yield* NodeHttpServer.make(() => server, {
    port,
    host: "127.0.0.1",
    gracefulShutdownTimeout: 0
  }).pipe(
    Effect.mapError(
      (error) =>
        new E2bServerError({
          operation: "listen",
          reason: new ListenFailed({
            port,
            detail: error.cause instanceof Error ? error.cause.message : error.message
          })
        })
    )
  )
  // Runs before the server waits for its connections to close.
  yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
  return { http, server }
})

const make = Effect.fnUntraced(function* (options: Options, extension: Extension | undefined) {
  const registry = yield* SandboxRegistry.SandboxRegistry
  const { http, server } = yield* listen(options.port ?? 0)
  const apiKey = extension?.apiKey ?? (yield* randomToken("e2b_"))
  const routes = Layer.mergeAll(
    ControlPlane.routes(apiKey),
    ProcessService.routes,
    FilesystemService.routes,
    FileTransfer.routes,
    extension?.routes ?? Layer.empty
  )
  yield* Layer.build(
    HttpRouter.serve(routes, {
      disableLogger: true,
      disableListenLog: true,
      middleware: (app) => RequestGuard.middleware(extension === undefined ? app : extension.middleware(app))
    }).pipe(
      // The default drops routes whose parameter is longer than 100 characters.
      Layer.provide(Layer.succeed(HttpRouter.RouterConfig, { maxParamLength: 16_384 })),
      Layer.provide(Layer.succeed(HttpServer.HttpServer, http)),
      Layer.provide(NodeHttpServer.layerHttpServices)
    )
  )
  yield* PortProxy.install(server)
  yield* Connections.bound(server)
  // Runs first: streams end with their sandboxes, so that the server does not wait for them.
  yield* Effect.addFinalizer(() => registry.killAll)
  return { apiKey, registry, url: HttpServer.formatAddress(http.address) }
})

const MiB = 1024 * 1024

/**
 * Runs a server until the scope of the layer closes.
 *
 * **Details**
 *
 * First removes what dead servers left in the same directory. Closing the scope kills every sandbox and removes its
 * folder. Fails with `IsolationUnavailable`, `DirectoryUnusable` or `ListenFailed`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<E2bServer, E2bServerError> => layerWith(options)

/**
 * Runs a server with additional routes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options, extension?: Extension): Layer.Layer<E2bServer, E2bServerError> =>
  Layer.effect(
    E2bServer,
    Effect.gen(function* () {
      const provider = yield* Isolation.select(options.isolation ?? "auto")
      if (provider.kind !== "none" && !Entry.isRestricting()) {
        yield* Effect.logWarning(
          "perl is not installed: sandboxes run without a filter of system calls and cannot be copied (snapshots, forks)"
        )
      }
      const scope = yield* Effect.scope
      const context = yield* Layer.buildWithScope(
        SandboxRegistry.layer({
          provider,
          shared: {
            processes: options.limits?.processes ?? 4096,
            memoryBytes: options.limits?.memoryBytes ?? Math.floor(Os.totalmem() / 2),
            diskBytes: options.limits?.diskBytes
          },
          limits: {
            openFiles: options.limits?.openFiles ?? 4096,
            fileBytes: options.limits?.fileBytes ?? 4096 * MiB
          },
          readOnlyPaths: options.readOnlyPaths ?? [],
          userNamespaces: options.userNamespaces ?? false
        }).pipe(Layer.provideMerge(DataDirectory.layer(options.directory)), (registry) =>
          Layer.provideMerge(SnapshotStore.layer, registry)
        ),
        scope
      )
      const { apiKey, registry, url } = yield* Effect.provideContext(make(options, extension), context)
      const { lost, path } = Context.get(context, DataDirectory.DataDirectory)
      if (!registry.enforced.disk) {
        yield* Effect.forkIn(DiskGuard.guard(registry, path, options.limits?.freeBytes), scope)
      }
      // Without its folder a sandbox has no files, and the next server cannot clean up after it.
      yield* lost.pipe(
        Effect.andThen(Effect.logError("The folder of the server was removed. Its sandboxes are killed.")),
        Effect.andThen(registry.killAll),
        Effect.forkIn(scope)
      )
      const paused = Effect.map(
        registry.list,
        (sandboxes) => sandboxes.filter(({ state }) => state === "paused").length
      )
      return E2bServer.of({
        url,
        apiKey,
        isolation: provider.kind,
        enforced: {
          ...registry.enforced,
          processes: registry.enforced.processes || provider.kind !== "none"
        },
        live: registry.live,
        paused,
        lost
      })
    })
  ).pipe(Layer.provide(NodeServices.layer))
