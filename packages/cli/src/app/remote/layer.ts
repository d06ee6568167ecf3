import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Client } from "@remote-agent/api"
import { Orchestrator, Repositories, StateLayer, StateStore } from "@remote-agent/orchestrator"
import { Sandboxes } from "@remote-agent/sandbox"
import { TokenStore } from "@remote-agent/server"
import { Context, Effect, Layer, Redacted } from "effect"
import { CommandHost } from "../../process/CommandHost.ts"
import type { Target } from "../ServerTarget.ts"
import type { Connection } from "./Connection.ts"
import * as Failures from "./failures.ts"
import * as RemoteOrchestrator from "./RemoteOrchestrator.ts"
import * as RemoteRepositories from "./RemoteRepositories.ts"
import * as RemoteStateStore from "./RemoteStateStore.ts"

// No time limit of a client applies: launches and queries take as long as they take.
const clientOf = (target: Target): Layer.Layer<Client.Client> =>
  Layer.provide(Client.layer(target), NodeHttpClient.layerNodeHttp)

const connectionOf = (target: Target, profile: string | undefined) =>
  Effect.map(Client.Client, (made): Connection => {
    const failures = Failures.make(target.url)
    return { client: made, failures, profile, store: RemoteStateStore.make({ client: made, failures }) }
  })

/** The records at a server. The other parts of a state are not used with it. */
export const state = (target: Target): Layer.Layer<StateLayer.State> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const services = yield* Layer.build(StateLayer.layerMemory)
      const { store } = yield* connectionOf(target, undefined)
      return Context.add(services, StateStore.StateStore, store)
    })
  ).pipe(Layer.provide(clientOf(target)))

/** Sandboxes are the server's own affair. */
const noSandboxes = Layer.mock(Sandboxes.Sandboxes)({ provider: "server", isolation: "isolated" })

/** The orchestrator and the repositories at a server. `profile` is that of new agents. */
export const services = (target: Target, profile: string | undefined) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const connection = yield* connectionOf(target, profile)
      const { leftovers } = yield* CommandHost
      leftovers("Agents and queries at the server continue.")
      return Context.make(Orchestrator.Orchestrator, yield* RemoteOrchestrator.make(connection)).pipe(
        Context.add(Repositories.Repositories, RemoteRepositories.make(connection))
      )
    })
  ).pipe(Layer.provide(clientOf(target)), Layer.provideMerge(noSandboxes))

/** The tokens of a server. */
export const tokens = (target: Target): Layer.Layer<TokenStore.TokenStore> =>
  Layer.effect(
    TokenStore.TokenStore,
    Effect.map(Client.Client, ({ server }) => {
      const { store, unsupported } = Failures.make(target.url)
      return TokenStore.TokenStore.of({
        create: ({ name, scope, ttl }) =>
          Effect.mapBoth(
            server.createToken({ payload: { name, scope, ...(ttl === undefined ? {} : { ttl }) } }),
            {
              onFailure: store("createToken"),
              onSuccess: ({ token, ...record }) => ({ record, token: Redacted.make(token) })
            }
          ),
        list: Effect.mapError(server.listTokens(), store("listTokens")),
        revoke: (id) =>
          server.revokeToken({ params: { id } }).pipe(
            Effect.as(true),
            Effect.catchTag("NotFound", () => Effect.succeed(false)),
            Effect.mapError(store("revokeToken"))
          ),
        verify: () => Effect.fail(unsupported("verifyToken"))
      })
    })
  ).pipe(Layer.provide(clientOf(target)))

/** The profiles of a server. */
export const profiles = (target: Target) =>
  Effect.flatMap(Client.Client, ({ server }) =>
    Effect.mapError(server.profiles(), Failures.make(target.url).store("profiles"))
  ).pipe(Effect.provide(clientOf(target)))
