/** The token that requests carry: the configured one, or one minted for a GitHub App's installation. */
import { GitHubError } from "@remote-agent/domain"
import { Duration, Effect, Option, Redacted, Ref, type Schema, Semaphore } from "effect"
import type { Credential } from "../GitHubConnection.ts"
import { failure, type Request } from "./request.ts"
import type { ServerClock } from "./serverClock.ts"
import * as Wire from "./wire.ts"

type App = Extract<Credential, { readonly _tag: "app" }>

/** Sends one request with an `authorization` header, without a retry. */
type SendOnce = <A>(
  request: Request,
  schema: Schema.Codec<A, unknown>,
  authorization: Option.Option<string>
) => Effect.Effect<A, GitHubError.GitHubError>

// A token is replaced this long before it expires, so that work that starts with it can finish with it.
const margin = Duration.minutes(5)

const signJwt = (request: Request, { appId, privateKey }: App, now: number) =>
  Effect.tryPromise({
    try: async () => {
      const { default: githubAppJwt } = await import("universal-github-app-jwt")
      const options = { id: appId, privateKey: Redacted.value(privateKey), now: Math.floor(now / 1000) }
      return (await githubAppJwt(options)).token
    },
    // Only an unreadable private key makes this fail.
    catch: () => failure(request, new GitHubError.Unauthorized({ credential: "app" }))
  })

/** Tokens for a credential. */
export const make = Effect.fnUntraced(function* (credential: Credential, clock: ServerClock, send: SendOnce) {
  const minting = yield* Semaphore.make(1)
  const minted = yield* Ref.make(
    Option.none<{ readonly token: Redacted.Redacted; readonly expiresAt: number }>()
  )

  const mint = Effect.fnUntraced(function* (app: App) {
    const request: Request = {
      operation: "token",
      target: `app ${app.appId}`,
      route: "POST /app/installations/{installation_id}/access_tokens",
      parameters: { installation_id: app.installationId }
    }
    const attempt = Effect.flatMap(clock.now, (now) =>
      Effect.flatMap(signJwt(request, app, now), (jwt) =>
        send(request, Wire.InstallationToken, Option.some(`bearer ${jwt}`))
      )
    )
    const before = yield* clock.offset
    const { expires_at, token } = yield* Effect.catchReason(
      attempt,
      "GitHubError",
      "Unauthorized",
      // GitHub refuses a signature from the future as it refuses an unknown app. The refusal tells its time.
      (_, error) => Effect.flatMap(clock.offset, (after) => (after === before ? Effect.fail(error) : attempt))
    )
    return { token, expiresAt: expires_at.epochMilliseconds }
  })

  const ofApp = (app: App) =>
    minting.withPermits(1)(
      Effect.gen(function* () {
        const [current, now] = [yield* Ref.get(minted), yield* clock.now]
        if (Option.isSome(current) && now < current.value.expiresAt - Duration.toMillis(margin)) {
          return current.value.token
        }
        const next = yield* mint(app)
        yield* Ref.set(minted, Option.some(next))
        return next.token
      })
    )

  return {
    current: Effect.suspend(() => {
      switch (credential._tag) {
        case "none":
          return Effect.succeedNone
        case "token":
          return Effect.succeedSome(credential.token)
        case "app":
          return Effect.asSome(ofApp(credential))
      }
    }),
    /** Forgets a token that GitHub has refused, unless it was replaced since. */
    discard: (token: Option.Option<Redacted.Redacted>) =>
      Ref.update(minted, (current) => Option.filter(current, (one) => !Option.contains(token, one.token)))
  }
})
