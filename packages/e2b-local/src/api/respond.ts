/**
 * Helpers of the handlers of the control plane.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { RegistryError } from "../sandboxes/RegistryError.ts"
import { type ApiError, body, ofRegistry } from "./ApiError.ts"
import type { Refusal } from "./E2bApi.ts"

/** Fails with a refusal in the form of the wire. */
export const refusing = <A, R>(
  effect: Effect.Effect<A, ApiError | RegistryError, R>
): Effect.Effect<A, Refusal, R> =>
  Effect.mapError(
    effect,
    // The statuses of an ApiError are exactly the codes of the refusals.
    (error) => body(error._tag === "RegistryError" ? ofRegistry(error) : error) as Refusal
  )

/** The domain of the ports of sandboxes for the sender of a request. Every host name leads to this server. */
export const domainOf = ({ headers }: HttpServerRequest.HttpServerRequest): string => {
  const port = /:(\d{1,5})$/.exec(headers["host"] ?? "")?.[1]
  return port === undefined ? "localhost" : `localhost:${port}`
}
