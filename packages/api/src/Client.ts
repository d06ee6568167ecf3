/**
 * The typed client of the HTTP API.
 *
 * @since 0.2.0
 */
import { Context, Layer, Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient, HttpApiMiddleware } from "effect/http-api"
import { Api } from "./Api.ts"
import { Authorization } from "./Authorization.ts"

/**
 * Where a server is and with which token it is used.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  readonly url: string
  readonly token: Redacted.Redacted
}

/**
 * The client: a method for each endpoint, by group.
 *
 * @category services
 * @since 0.2.0
 */
// The requirement that it names is `never` for each mode of a response.
// @effect-diagnostics-next-line leakingRequirements:off
export class Client extends Context.Service<Client, HttpApiClient.ForApi<typeof Api>>()(
  "@remote-agent/api/Client"
) {}

/**
 * A client of one server.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = ({ token, url }: Options): Layer.Layer<Client, never, HttpClient.HttpClient> =>
  Layer.effect(
    Client,
    HttpApiClient.make(Api, {
      transformClient: HttpClient.mapRequest(HttpClientRequest.prependUrl(url))
    })
  ).pipe(
    Layer.provide(
      HttpApiMiddleware.layerClient(Authorization, ({ next, request }) =>
        next(HttpClientRequest.bearerToken(request, Redacted.value(token)))
      )
    )
  )
