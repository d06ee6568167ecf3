/**
 * Tokens of the HTTP API: created, verified, revoked. Only hashes are kept.
 *
 * @since 0.2.0
 */
import { Authorization, type ServerApi } from "@remote-agent/api"
import type { StateStoreError } from "@remote-agent/domain"
import { AccessTokens } from "@remote-agent/orchestrator"
import { Clock, Context, DateTime, type Duration, Effect, Layer, Option, Redacted, Schema } from "effect"
import * as Crypto from "node:crypto"

/**
 * How a token is created.
 *
 * @category models
 * @since 0.2.0
 */
export interface TokenSpec {
  readonly name: string
  readonly scope: Authorization.Scope
  /** How long it is valid. For ever when absent. */
  readonly ttl?: Duration.Duration | undefined
}

/**
 * A token with its secret, which is shown once.
 *
 * @category models
 * @since 0.2.0
 */
export interface Created {
  readonly record: ServerApi.TokenRecord
  readonly token: Redacted.Redacted
}

type Failure = StateStoreError.StateStoreError

/**
 * The tokens of a server, shared by all servers of one state.
 *
 * @category services
 * @since 0.2.0
 */
export class TokenStore extends Context.Service<
  TokenStore,
  {
    readonly create: (spec: TokenSpec) => Effect.Effect<Created, Failure>
    /** The tokens that are valid, oldest first. */
    readonly list: Effect.Effect<ReadonlyArray<ServerApi.TokenRecord>, Failure>
    /** Succeeds with whether there was such a token. */
    readonly revoke: (id: string) => Effect.Effect<boolean, Failure>
    /** The record of a secret, unless it is unknown, revoked or expired. */
    readonly verify: (
      token: Redacted.Redacted
    ) => Effect.Effect<Option.Option<ServerApi.TokenRecord>, Failure>
  }
>()("@remote-agent/server/TokenStore") {}

const hashOf = (token: Redacted.Redacted): string =>
  Crypto.createHash("sha256").update(Redacted.value(token)).digest("hex")

const random = (bytes: number) => Effect.sync(() => Crypto.randomBytes(bytes).toString("base64url"))

const isScope = Schema.is(Authorization.Scope)

/** The record of a token that is valid now. A scope of a later version allows nothing here. */
const valid = (
  { createdAt, expiresAt, id, name, scope }: AccessTokens.AccessToken,
  now: number
): Option.Option<ServerApi.TokenRecord> =>
  (expiresAt !== undefined && DateTime.toEpochMillis(expiresAt) <= now) || !isScope(scope)
    ? Option.none()
    : Option.some({ id, name, scope, createdAt, ...(expiresAt === undefined ? {} : { expiresAt }) })

/**
 * Makes the tokens over those of the state.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.map(AccessTokens.AccessTokens, (tokens) => {
  const removeExpired = Effect.gen(function* () {
    const [now, all] = [yield* Clock.currentTimeMillis, yield* tokens.list]
    const expired = all.filter(
      ({ expiresAt }) => expiresAt !== undefined && DateTime.toEpochMillis(expiresAt) <= now
    )
    yield* Effect.forEach(expired, ({ id }) => tokens.remove(id), { discard: true })
  })

  return TokenStore.of({
    create: Effect.fn("TokenStore.create")(function* ({ name, scope, ttl }: TokenSpec) {
      const [now, secret, suffix] = [yield* DateTime.now, yield* random(32), yield* random(9)]
      const token = Redacted.make(`ra_${secret}`)
      const createdAt = DateTime.makeUnsafe(DateTime.toEpochMillis(now))
      const record = {
        id: `tok_${suffix}`,
        name,
        scope,
        createdAt,
        ...(ttl === undefined ? {} : { expiresAt: DateTime.addDuration(createdAt, ttl) })
      }
      yield* removeExpired
      yield* tokens.add({ ...record, hash: hashOf(token) })
      return { record, token }
    }),
    list: Effect.gen(function* () {
      const [now, all] = [yield* Clock.currentTimeMillis, yield* tokens.list]
      return all.flatMap((token) => Option.toArray(valid(token, now)))
    }),
    revoke: Effect.fn("TokenStore.revoke")((id: string) => tokens.remove(id)),
    // A search by the hash of 256 random bits tells nothing about the secret, however long it takes.
    verify: Effect.fn("TokenStore.verify")(function* (token: Redacted.Redacted) {
      const [now, found] = [yield* Clock.currentTimeMillis, yield* tokens.find(hashOf(token))]
      return Option.flatMap(found, (one) => valid(one, now))
    })
  })
})

/**
 * The tokens of the state.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<TokenStore, never, AccessTokens.AccessTokens> = Layer.effect(TokenStore, make)

/**
 * Tokens in memory, for tests.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<TokenStore> = Layer.provide(layer, AccessTokens.layerMemory)
