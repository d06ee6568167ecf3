/**
 * Tokens and what they allow.
 *
 * @since 0.2.0
 */
import { Context, Schema } from "effect"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import { Forbidden, TooManyRequests, Unauthorized, Unavailable } from "./ApiError.ts"

/**
 * The rights of a token. `run` includes `read`, and `admin` includes both.
 *
 * **Details**
 *
 * - `read`: everything that changes nothing.
 * - `run`: launch agents, run queries, and everything else on agents and pools.
 * - `admin`: tokens, reaping, export and import.
 *
 * @category models
 * @since 0.2.0
 */
export const Scope = Schema.Literals(["read", "run", "admin"])
/** @since 0.2.0 */
export type Scope = typeof Scope.Type

/**
 * Whether a token with the scope `has` may do what needs `needs`.
 *
 * @category predicates
 * @since 0.2.0
 */
export const allows = (has: Scope, needs: Scope): boolean =>
  Scope.literals.indexOf(has) >= Scope.literals.indexOf(needs)

/**
 * The scope that an endpoint needs. `read` when it is not annotated.
 *
 * @category annotations
 * @since 0.2.0
 */
export const RequiredScope: Context.Reference<Scope> = Context.Reference<Scope>(
  "@remote-agent/api/RequiredScope",
  { defaultValue: () => "read" }
)

/**
 * The token that a request was made with.
 *
 * @category services
 * @since 0.2.0
 */
export class Caller extends Context.Service<
  Caller,
  {
    /** The id of the token. It is no secret. */
    readonly token: string
    readonly name: string
    readonly scope: Scope
  }
>()("@remote-agent/api/Caller") {}

/**
 * Requires a bearer token whose scope the endpoint needs.
 *
 * @category middleware
 * @since 0.2.0
 */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Caller }>()(
  "@remote-agent/api/Authorization",
  {
    requiredForClient: true,
    security: { bearer: HttpApiSecurity.bearer },
    error: [Unauthorized, Forbidden, TooManyRequests, Unavailable]
  }
) {}
