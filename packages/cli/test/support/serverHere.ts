import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { GitHub, GitWorkspace } from "@remote-agent/github"
import { AgentRuntime, Orchestrator, Profiles, Repositories, StateLayer } from "@remote-agent/orchestrator"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { Draining, Server, TokenStore } from "@remote-agent/server"
import { Context, Effect, FileSystem, Layer, Logger, Redacted, type Scope } from "effect"
import { HttpServer } from "effect/http"
import { createServer } from "node:http"

const git = Layer.unwrap(
  Effect.map(
    Effect.flatMap(FileSystem.FileSystem, (fs) =>
      fs.makeTempDirectoryScoped({ prefix: "remote-agent-git-" })
    ),
    (directory) => GitWorkspace.layerConfig({ cache: { directory }, lazy: true })
  )
)

const served = (settings: Readonly<Record<string, string>>) =>
  Server.layer().pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
    Layer.provideMerge(Layer.mergeAll(TokenStore.layer, Draining.layer)),
    Layer.provide(Repositories.layer),
    Layer.provideMerge(Orchestrator.layerNoDeps.pipe(Layer.provide(AgentRuntime.layer))),
    Layer.provideMerge(Layer.mergeAll(Profiles.layer(), StateLayer.layerMemory)),
    Layer.provide(Layer.provideMerge(git, GitHub.layer)),
    Layer.provide(LocalSandboxes.layer()),
    Layer.provide(NodeServices.layer),
    Layer.provide(RemoteAgentConfig.layerFrom(settings)),
    Layer.provide(Logger.layer([])),
    Layer.orDie
  )

/** A server of this process, over sandboxes and a state of its own. */
export interface ServerHere {
  readonly url: string
  readonly token: string
  readonly orchestrator: Orchestrator.Orchestrator["Service"]
}

/** Starts a server that stops with the scope, with a token that allows everything. */
export const serverHere = (
  settings: Readonly<Record<string, string>> = {}
): Effect.Effect<ServerHere, never, Scope.Scope> =>
  Effect.gen(function* () {
    const services = yield* Layer.build(Layer.fresh(served(settings)))
    const { create } = Context.get(services, TokenStore.TokenStore)
    const { token } = yield* Effect.orDie(create({ name: "test", scope: "admin" }))
    const { address } = Context.get(services, HttpServer.HttpServer)
    return {
      url: HttpServer.formatAddress(address),
      token: Redacted.value(token),
      orchestrator: Context.get(services, Orchestrator.Orchestrator)
    }
  })
