/**
 * A typed client of `remote-agent serve`.
 *
 * @since 0.2.0
 */
import { Client } from "@remote-agent/api"
import { Layer } from "effect"
import { FetchHttpClient } from "effect/http"

export { ApiError } from "@remote-agent/api"

/**
 * The client: a method for each endpoint, by group.
 *
 * @category services
 * @since 0.2.0
 */
export const { Client: RemoteAgentClient } = Client

/**
 * Options of {@link layer}.
 *
 * @category models
 * @since 0.2.0
 */
export type Options = Client.Options

/**
 * A client of one server, over the platform's `fetch`.
 *
 * **Example** (List agents)
 *
 * ```ts
 * import { layer, RemoteAgentClient } from "remote-agent/client"
 * import { Effect, Redacted } from "effect"
 *
 * const names = Effect.gen(function* () {
 *   const { agents } = yield* RemoteAgentClient
 *   const { items } = yield* agents.list({ query: { status: ["active"] } })
 *   return items.map(({ name }) => name)
 * })
 *
 * const here = layer({ url: "http://127.0.0.1:7070", token: Redacted.make("ra_…") })
 * Effect.runPromise(Effect.provide(names, here))
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options): Layer.Layer<Client.Client> =>
  Layer.provide(Client.layer(options), FetchHttpClient.layer)
