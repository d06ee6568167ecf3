/**
 * An E2B-compatible server in front of isolated process trees of this machine. What is different here:
 *
 * - Snapshots and forks keep files, not memory: nothing runs in what is made from them. They end with the server.
 * - The one template is `base`; whatever else is named must be a snapshot.
 * - A sandbox shares the network of the host unless `allowInternetAccess` is false. Ports are reached as
 *   `http://{port}-{id}.localhost:{port of the server}` or by E2B's two headers, in both cases over plain HTTP.
 * - What cannot be honoured is refused by name: rules of egress, volumes, workload identity, MCP, pauses without memory.
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
import { E2bServerError, ListenFailed } from "../E2bServerError.ts"
import * as FilesService from "../envd/FileTransfer.ts"
import * as FilesystemService from "../envd/FilesystemService.ts"
import * as RequestGuard from "../api/RequestGuard.ts"
import * as Isolation from "../isolation/Isolation.ts"
import * as PortProxy from "../ports/PortProxy.ts"
import * as ProcessService from "../envd/ProcessService.ts"
import { randomToken } from "../sandboxes/Sandbox.ts"
import * as SandboxRegistry from "../sandboxes/SandboxRegistry.ts"
import * as SnapshotStore from "../sandboxes/SnapshotStore.ts"
import * as DataDirectory from "../sandboxes/DataDirectory.ts"

export { E2bServerError } from "../E2bServerError.ts"

/** A running server. Give its URL and key to any E2B SDK as `apiUrl`, `sandboxUrl` and `apiKey`. */
export class E2bServer extends Context.Service<
  E2bServer,
  {
    /** `http://127.0.0.1:PORT`: both apiUrl and sandboxUrl. */
    readonly url: string
    readonly apiKey: Redacted.Redacted
    readonly isolation: "bubblewrap" | "namespaces" | "none"
    /**
     * Which limits hold on this host. Memory needs a control group that the server may make, a disk a real root; the
     * number of processes one of the two: a control group or isolation.
     */
    readonly enforced: { readonly memory: boolean; readonly processes: boolean; readonly disk: boolean }
    /** Sandboxes it holds now, running or paused, those included that are being removed. */
    readonly live: Effect.Effect<number>
    /** How many of them are paused. */
    readonly paused: Effect.Effect<number>
  }
>()("@remote-agent/e2b-local/E2bServer") {}

/** How to run the server. */
export interface Options {
  /** Where the folders of sandboxes live. Default: a folder per user under the temporary folder of the system. */
  readonly directory?: string | undefined
  /**
   * Default `auto`: bubblewrap if it works here, else namespaces, else the layer fails with `IsolationUnavailable`.
   * `none` isolates nothing and is only taken when it is asked for.
   */
  readonly isolation?: "auto" | "bubblewrap" | "namespaces" | "none" | undefined
  /** Default: any free port of the loopback. */
  readonly port?: number | undefined
  /** Per sandbox, except for open files and file sizes, which are per process. `E2bServer.enforced` says which hold. */
  readonly limits?:
    | {
        /** Default 4096, threads included. */
        readonly processes?: number
        /** Default 4096. */
        readonly openFiles?: number
        /** Largest file in bytes, default 4 GiB. */
        readonly fileBytes?: number
        /** Of all processes together, default three quarters of the host's. The largest is killed when it is reached. */
        readonly memoryBytes?: number
        /** All files that a sandbox can write, default none: it may fill the disk of the host. At least 16 MiB. */
        readonly diskBytes?: number | undefined
      }
    | undefined
  /** Absolute paths of the host that sandboxes see read-only at the same place. */
  readonly readOnlyPaths?: ReadonlyArray<string> | undefined
}

/** What a server has beside the protocol of E2B. */
export interface Extension {
  readonly apiKey: Redacted.Redacted
  readonly routes: Layer.Layer<never, never, HttpRouter.HttpRouter>
  /** Around the handling of every request, until the last byte of its response is sent. */
  readonly middleware: typeof RequestGuard.middleware
}

const listen = Effect.fnUntraced(function* (port: number) {
  // Uploads may take as long as they take, and idle clients keep their connection.
  const server = Http.createServer({ requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 75_000 })
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
  // Runs before the server waits for its connections to end.
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
    FilesService.routes,
    extension?.routes ?? Layer.empty
  )
  yield* Layer.build(
    HttpRouter.serve(routes, {
      disableLogger: true,
      disableListenLog: true,
      middleware: (app) => RequestGuard.middleware(extension === undefined ? app : extension.middleware(app))
    }).pipe(
      Layer.provide(Layer.succeed(HttpServer.HttpServer, http)),
      Layer.provide(NodeHttpServer.layerHttpServices)
    )
  )
  yield* PortProxy.install(server)
  // Runs first of all: streams end with their sandboxes, and then the server has nothing to wait for.
  yield* Effect.addFinalizer(() => registry.killAll)
  return { apiKey, registry, url: HttpServer.formatAddress(http.address) }
})

const MiB = 1024 * 1024

/**
 * Runs a server until the layer's scope closes, which kills every sandbox and removes their folders. First removes
 * what dead servers have left in the same directory. Fails with `IsolationUnavailable`, `DirectoryUnusable` or
 * `ListenFailed`.
 */
export const layer = (options: Options = {}): Layer.Layer<E2bServer, E2bServerError> => layerWith(options)

/** The same with routes of one's own. */
export const layerWith = (options: Options, extension?: Extension): Layer.Layer<E2bServer, E2bServerError> =>
  Layer.effect(
    E2bServer,
    Effect.gen(function* () {
      const provider = yield* Isolation.select(options.isolation ?? "auto")
      const scope = yield* Effect.scope
      const context = yield* Layer.buildWithScope(
        SandboxRegistry.layer({
          provider,
          shared: {
            processes: options.limits?.processes ?? 4096,
            memoryBytes: options.limits?.memoryBytes ?? Math.floor(Os.totalmem() * 0.75),
            diskBytes: options.limits?.diskBytes
          },
          limits: {
            openFiles: options.limits?.openFiles ?? 4096,
            fileBytes: options.limits?.fileBytes ?? 4096 * MiB
          },
          readOnlyPaths: options.readOnlyPaths ?? []
        }).pipe(Layer.provideMerge(DataDirectory.layer(options.directory)), (registry) =>
          Layer.provideMerge(SnapshotStore.layer, registry)
        ),
        scope
      )
      const { apiKey, registry, url } = yield* Effect.provideContext(make(options, extension), context)
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
        paused
      })
    })
  ).pipe(Layer.provide(NodeServices.layer))
