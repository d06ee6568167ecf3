import type { ServerApi } from "@remote-agent/api"
import { TokenStore } from "@remote-agent/server"
import { DateTime, Effect, Layer } from "effect"
import type { Environment } from "../../../app/Environment.ts"
import { ServerTarget, type Target } from "../../../app/ServerTarget.ts"
import type { AppFlags } from "../../../app/Settings.ts"
import * as State from "../../../app/State.ts"
import type { Failure } from "../../../ui/Failure.ts"

/** Works with the tokens of a state. */
export const using = <A>(
  flags: AppFlags,
  work: (tokens: TokenStore.TokenStore["Service"]) => Effect.Effect<A, Failure>
): Effect.Effect<A, Failure, Environment> =>
  Effect.flatMap(TokenStore.TokenStore, work).pipe(
    Effect.provide(
      Layer.unwrap(
        Effect.map(ServerTarget, (target) =>
          target === undefined ? Layer.provide(TokenStore.layer, State.layer(flags)) : at(target)
        )
      )
    )
  )

/** The tokens of a server. */
const at = (target: Target) =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("../../../app/remote/layer.ts")),
      ({ tokens }) => tokens(target)
    )
  )

/** A token as JSON, without its secret. */
export const documentOf = ({ createdAt, expiresAt, id, name, scope }: ServerApi.TokenRecord) => ({
  id,
  name,
  scope,
  createdAt: DateTime.formatIso(createdAt),
  expiresAt: expiresAt === undefined ? null : DateTime.formatIso(expiresAt)
})

/** A token in words. */
export const wordsOf = ({ expiresAt, name, scope }: ServerApi.TokenRecord): string =>
  `The token of ${name} allows ${scope}, ${expiresAt === undefined ? "for ever" : `until ${DateTime.formatIso(expiresAt)}`}. It is not shown again.`
