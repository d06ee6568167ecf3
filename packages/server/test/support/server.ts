import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { type Authorization, Client } from "@remote-agent/api"
import { RemoteAgentConfig, type StateStoreError } from "@remote-agent/domain"
import { GitHub, GitWorkspace } from "@remote-agent/github"
import { AgentRuntime, Orchestrator, Profiles, Repositories, StateLayer } from "@remote-agent/orchestrator"
import { LocalSandboxes, type Sandboxes } from "@remote-agent/sandbox"
import { Effect, FileSystem, Layer, Logger, Redacted, type Scope } from "effect"
import { FetchHttpClient, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { Draining, Server, TokenStore } from "../../src/index.ts"

const git = Layer.unwrap(
  Effect.map(
    Effect.flatMap(FileSystem.FileSystem, (fs) =>
      fs.makeTempDirectoryScoped({ prefix: "remote-agent-git-" })
    ),
    (directory) => GitWorkspace.layerConfig({ cache: { directory }, lazy: true })
  )
)

/** The library over sandboxes of this process, with its state in memory. */
const library = Repositories.layer.pipe(
  Layer.provideMerge(Orchestrator.layerNoDeps.pipe(Layer.provide(AgentRuntime.layer))),
  Layer.provideMerge(Layer.mergeAll(Profiles.layer(), StateLayer.layerMemory)),
  Layer.provideMerge(Layer.provideMerge(git, GitHub.layer)),
  Layer.provideMerge(LocalSandboxes.layer()),
  Layer.provideMerge(NodeServices.layer)
)

/** Everything that a test of the server may use. */
export type Services =
  | HttpServer.HttpServer
  | TokenStore.TokenStore
  | Draining.Draining
  | Orchestrator.Orchestrator
  | StateLayer.State
  | Sandboxes.Sandboxes
  | NodeServices.NodeServices

/** A server on a free port of the loopback. */
export const server = (
  options?: Server.Options,
  settings: Readonly<Record<string, string>> = {}
): Layer.Layer<Services> =>
  Server.layer(options).pipe(
    Layer.provideMerge(Logger.layer([])),
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
    Layer.provideMerge(Layer.mergeAll(TokenStore.layer, Draining.layer)),
    Layer.provideMerge(library),
    Layer.provide(RemoteAgentConfig.layerFrom(settings)),
    Layer.orDie
  )

/** The address of the server. */
export const urlOf = Effect.map(HttpServer.HttpServer, ({ address }) => HttpServer.formatAddress(address))

/** A request of a client without types. */
export const request = (url: string, init?: RequestInit): Promise<Response> => fetch(url, init)

/** A client with its token. */
export interface Connected {
  readonly client: Client.Client["Service"]
  readonly token: string
  readonly url: string
}

/** The token of a scope, and the client that uses it. */
export const clientOf = Effect.fnUntraced(function* (
  scope: Authorization.Scope
): Effect.fn.Return<
  Connected,
  StateStoreError.StateStoreError,
  HttpServer.HttpServer | TokenStore.TokenStore | Scope.Scope
> {
  const { create } = yield* TokenStore.TokenStore
  const { token } = yield* create({ name: scope, scope })
  const url = yield* urlOf
  const context = yield* Layer.build(Layer.provide(Client.layer({ url, token }), FetchHttpClient.layer))
  return { client: yield* Effect.provide(Client.Client, context), token: Redacted.value(token), url }
})
