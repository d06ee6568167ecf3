import { StateStoreError } from "@remote-agent/domain"
import { Context, type DateTime, Effect, Layer, Option } from "effect"

/**
 * An access token of a server, without its secret.
 *
 * @category models
 * @since 0.2.0
 */
export interface AccessToken {
  readonly id: string
  readonly name: string
  /** What the token allows. The server defines the scopes. */
  readonly scope: string
  /** SHA-256 of the secret. A secret has 256 random bits, so that no slow hash is needed. */
  readonly hash: string
  readonly createdAt: DateTime.Utc
  /** The token is valid for ever when absent. */
  readonly expiresAt?: DateTime.Utc | undefined
}

type Result<A> = Effect.Effect<A, StateStoreError.StateStoreError>

/**
 * The access tokens of all servers that use this state.
 *
 * @category services
 * @since 0.2.0
 */
export class AccessTokens extends Context.Service<
  AccessTokens,
  {
    /** Fails with `AlreadyExists` when there is a token with this id or hash. */
    readonly add: (token: AccessToken) => Result<void>
    /** Every token, oldest first, also those that have expired. */
    readonly list: Result<ReadonlyArray<AccessToken>>
    /** The token with this hash, whether or not it has expired. */
    readonly find: (hash: string) => Result<Option.Option<AccessToken>>
    /** Returns whether there was such a token. */
    readonly remove: (id: string) => Result<boolean>
  }
>()("@remote-agent/orchestrator/AccessTokens") {}

const alreadyExists = (id: string) =>
  Effect.fail(
    new StateStoreError.StateStoreError({
      operation: "addAccessToken",
      reason: new StateStoreError.AlreadyExists({ id })
    })
  )

const oldestFirst = (a: AccessToken, b: AccessToken) =>
  a.createdAt.epochMilliseconds - b.createdAt.epochMilliseconds || (a.id < b.id ? -1 : 1)

/**
 * Makes a set of tokens in memory.
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeMemory: Effect.Effect<AccessTokens["Service"]> = Effect.sync(() => {
  const tokens = new Map<string, AccessToken>()
  return AccessTokens.of({
    add: Effect.fn("AccessTokens.add")((token) =>
      Effect.suspend(() => {
        const taken = tokens.has(token.id) || [...tokens.values()].some(({ hash }) => hash === token.hash)
        if (taken) return alreadyExists(token.id)
        tokens.set(token.id, token)
        return Effect.void
      })
    ),
    list: Effect.sync(() => [...tokens.values()].toSorted(oldestFirst)),
    find: Effect.fn("AccessTokens.find")((hash) =>
      Effect.sync(() => Option.fromUndefinedOr([...tokens.values()].find((token) => token.hash === hash)))
    ),
    remove: Effect.fn("AccessTokens.remove")((id) => Effect.sync(() => tokens.delete(id)))
  })
})

/**
 * Tokens in memory. They are lost with the process.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<AccessTokens> = Layer.effect(AccessTokens, makeMemory)
