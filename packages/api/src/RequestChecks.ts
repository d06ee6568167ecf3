/**
 * The rules of every request: a correct form and a limited size.
 *
 * @since 0.2.0
 */
import { HttpApiMiddleware } from "effect/http-api"
import { Invalid, PayloadTooLarge } from "./ApiError.ts"

/**
 * Refuses requests that are not as the contract describes them, with an error of the same shape as all others.
 *
 * @category middleware
 * @since 0.2.0
 */
export class RequestChecks extends HttpApiMiddleware.Service<RequestChecks>()(
  "@remote-agent/api/RequestChecks",
  { error: [Invalid, PayloadTooLarge] }
) {}
