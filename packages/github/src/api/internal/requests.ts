import { FetchFailure, GitHubError } from "@remote-agent/domain"
import type { Octokit } from "@octokit/rest"
import {
  Clock,
  Data,
  Duration,
  Effect,
  Option,
  Redacted,
  Ref,
  Schedule,
  Schema,
  Semaphore,
  Stream
} from "effect"
import type { Repo } from "../model.ts"
import * as GitHubReply from "./reply.ts"
import * as Wire from "./wire.ts"

/** What we show ourselves to GitHub with: nothing, a token, or the installation of an app. */
export type Credential =
  | { readonly _tag: "none" }
  | { readonly _tag: "token"; readonly token: Redacted.Redacted }
  | {
      readonly _tag: "app"
      readonly appId: number
      readonly installationId: number
      /** The text of the .pem file. */
      readonly privateKey: Redacted.Redacted
    }

/** Where GitHub is, who we are to it, and how patient. */
export interface Connection {
  readonly credential: Credential
  /** `https://api.github.com` when absent; for Enterprise Server, `https://host/api/v3`. */
  readonly apiUrl?: string | undefined
  /** How we name ourselves; `remote-agent` when absent. */
  readonly userAgent?: string | undefined
  /** How long one answer may take; 30 seconds when absent. */
  readonly requestTimeout?: Duration.Input | undefined
  /** How long a call may wait in all, for a limit to be lifted or between attempts; a minute when absent. */
  readonly retryWindow?: Duration.Input | undefined
}

/** One request: a route of GitHub's REST API and what goes into it. */
export interface Asked {
  readonly operation: GitHubError.Operation
  /** What it is about, for messages. */
  readonly target: string
  readonly route: string
  /** What goes into the address. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined
  readonly body?: unknown
  /** What is sent and must not be shown, should GitHub repeat it. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
}

/** A request about a repository; `{repo}` in the route stands for where it is. */
export const about = (
  repo: Repo,
  operation: GitHubError.Operation,
  route: string,
  parameters: Readonly<Record<string, unknown>> = {},
  body?: unknown
): Asked => ({
  operation,
  target: `${repo.owner}/${repo.name}`,
  route: route.replace("{repo}", "/repos/{owner}/{repo}"),
  parameters: { owner: repo.owner, repo: repo.name, ...parameters },
  body
})

interface Reply<A> {
  readonly value: A
  readonly next: Option.Option<string>
}

interface Known {
  readonly etag: string
  readonly reply: Reply<unknown>
}

interface Minted {
  readonly token: Redacted.Redacted
  readonly expiresAt: number
}

/** A rejection of Octokit that has not been read yet. */
class Rejected extends Data.TaggedError("Rejected")<{ readonly cause: unknown }> {}

const Refused = Schema.Struct({
  status: Schema.Int,
  response: Schema.Struct({
    headers: Schema.Record(Schema.String, Schema.Unknown),
    data: Schema.optionalKey(Schema.Unknown)
  })
})

const readRefused = Schema.decodeUnknownOption(Refused)

/** How long before its end a token of an app is no longer used: what starts with it should also end with it. */
const margin = Duration.minutes(5)

/** How many answers are remembered with their ETag. */
const remembered = 100

/** How many requests may be under way at once; of those that change something, one. */
const concurrency = 8

const isRead = ({ route }: Asked) => route.startsWith("GET ")

/** Requests that create something each time they are made; GitHub does all others once, however often they arrive. */
const isRepeatable = (asked: Asked) => !asked.route.startsWith("POST ") || asked.operation === "token"

const backoff = Schedule.min([Schedule.exponential("300 millis"), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 5 }),
  Schedule.setInputType<GitHubError.GitHubError>(),
  Schedule.modifyDelay(({ duration, input }) =>
    Effect.succeed(input.reason._tag === "RateLimited" ? input.reason.retryAfter : duration)
  )
)

const failure = ({ operation, target }: Asked, reason: GitHubError.Reason) =>
  new GitHubError.GitHubError({ operation, target, reason })

const silent = () => {}

/** Whether a change may have been made although no success was told. */
export const isLost = ({ reason }: GitHubError.GitHubError): boolean =>
  reason._tag === "RequestTimedOut" ||
  reason._tag === "ServerFailed" ||
  (reason._tag === "Unreachable" && reason.sent)

const mayRepeat = (asked: Asked, { reason }: GitHubError.GitHubError): boolean => {
  switch (reason._tag) {
    case "RateLimited":
      return true
    case "Unreachable":
      return !reason.sent || isRepeatable(asked)
    case "RequestTimedOut":
    case "ServerFailed":
      return isRepeatable(asked)
    default:
      return false
  }
}

/** Requests to GitHub through the unmodified Octokit, their replies decoded, their failures read. */
export interface GitHubRequests {
  /** Makes a request and reads its reply. What GitHub has not changed since it was last asked for, it sends no second time. */
  readonly send: <A>(
    asked: Asked,
    schema: Schema.Codec<A, unknown>
  ) => Effect.Effect<A, GitHubError.GitHubError>
  /** Makes a request whose reply is of no interest. */
  readonly run: (asked: Asked) => Effect.Effect<void, GitHubError.GitHubError>
  /** Every page of a list, each asked for when it is needed. */
  readonly pages: <A>(
    asked: Asked,
    schema: Schema.Codec<A, unknown>
  ) => Stream.Stream<A, GitHubError.GitHubError>
  /** A token that is good for a while: none when there is no credential. */
  readonly token: Effect.Effect<Option.Option<Redacted.Redacted>, GitHubError.GitHubError>
}

export const make = Effect.fnUntraced(function* (connection: Connection) {
  const { credential } = connection
  const timeout = Duration.fromInputUnsafe(connection.requestTimeout ?? "30 seconds")
  const patience = Duration.fromInputUnsafe(connection.retryWindow ?? "1 minute")
  const baseUrl = (connection.apiUrl ?? "https://api.github.com").replace(/\/+$/, "")
  const [all, changes, minting] = [
    yield* Semaphore.make(concurrency),
    yield* Semaphore.make(1),
    yield* Semaphore.make(1)
  ]
  const known = new Map<string, Known>()
  const minted = yield* Ref.make<Option.Option<Minted>>(Option.none())
  const limited = yield* Ref.make<
    Option.Option<{ readonly until: number; readonly limit: GitHubError.RateLimited["limit"] }>
  >(Option.none())

  // Octokit takes a while to load, and most runs have no use for it.
  const octokit: Effect.Effect<Octokit> = yield* Effect.cached(
    Effect.promise(async () => {
      const { Octokit: Client } = await import("@octokit/rest")
      return new Client({
        baseUrl,
        userAgent: connection.userAgent ?? "remote-agent",
        log: { debug: silent, info: silent, warn: silent, error: silent }
      })
    })
  )

  const explain = (asked: Asked, cause: unknown, authorization: Option.Option<string>) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const refused = readRefused(cause)
      if (Option.isNone(refused)) {
        return failure(asked, new GitHubError.Unreachable({ sent: FetchFailure.mayBeSent(cause) }))
      }
      const { response, status } = refused.value
      const reason = GitHubReply.reasonOf(
        { status, headers: response.headers, body: response.data },
        credential._tag,
        now,
        [
          ...Option.toArray(authorization).map((header) => header.replace(/^\w+ /, "")),
          ...(asked.secrets ?? []).map((secret) => Redacted.value(secret))
        ]
      )
      if (reason._tag === "RateLimited") {
        const until = now + Duration.toMillis(reason.retryAfter)
        yield* Ref.set(limited, Option.some({ until, limit: reason.limit }))
      }
      return failure(asked, reason)
    })

  /** Fails while a limit is known to stand: GitHub bans those who keep asking. */
  const held = Effect.fnUntraced(function* (asked: Asked) {
    const [limit, now] = [yield* Ref.get(limited), yield* Clock.currentTimeMillis]
    if (Option.isNone(limit) || limit.value.until <= now) return
    return yield* failure(
      asked,
      new GitHubError.RateLimited({
        limit: limit.value.limit,
        retryAfter: Duration.millis(limit.value.until - now)
      })
    )
  })

  /** One request, made once; an answer that says "not changed" is the one we know. */
  const attempt = <A>(
    asked: Asked,
    schema: Schema.Codec<A, unknown>,
    authorization: Option.Option<string>
  ): Effect.Effect<Reply<A>, GitHubError.GitHubError> =>
    Effect.gen(function* () {
      yield* held(asked)
      const client = yield* octokit
      const { url } = client.request.endpoint(asked.route, asked.parameters)
      const before = isRead(asked) ? known.get(url) : undefined
      const data = asked.body === undefined ? {} : { data: asked.body }
      const headers = {
        "x-github-api-version": "2022-11-28",
        ...(Option.isSome(authorization) ? { authorization: authorization.value } : {}),
        ...(before === undefined ? {} : { "if-none-match": before.etag })
      }
      const answered = yield* Effect.tryPromise({
        // As `data`: spread among the parameters, a field named `url` would become the address.
        try: (signal) =>
          client.request(asked.route, { ...asked.parameters, ...data, headers, request: { signal } }),
        catch: (cause) => new Rejected({ cause })
      }).pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () => Effect.fail(failure(asked, new GitHubError.RequestTimedOut({ after: timeout })))
        }),
        Effect.catchTag("Rejected", ({ cause }) => {
          const status = Option.map(readRefused(cause), (refused) => refused.status)
          return before !== undefined && Option.contains(status, 304)
            ? Effect.succeed(before)
            : Effect.flatMap(explain(asked, cause, authorization), Effect.fail)
        })
      )
      // What is known under an address was decoded with the schema that this address always has.
      if ("reply" in answered) return answered.reply as Reply<A>
      const value = yield* Schema.decodeUnknownEffect(schema)(answered.data).pipe(
        Effect.mapError(() => failure(asked, unreadable(asked, answered)))
      )
      const reply = { value, next: GitHubReply.nextPage(answered.headers.link) }
      if (isRead(asked) && answered.headers.etag !== undefined) remember(url, answered.headers.etag, reply)
      return reply
    })

  const remember = (url: string, etag: string, reply: Reply<unknown>) => {
    known.delete(url)
    known.set(url, { etag, reply })
    const [oldest] = known.keys()
    if (known.size > remembered && oldest !== undefined) known.delete(oldest)
  }

  const patiently = <A>(asked: Asked, effect: Effect.Effect<A, GitHubError.GitHubError>) =>
    Effect.retry(
      effect,
      Schedule.while(
        backoff,
        ({ duration, elapsed, input }) =>
          mayRepeat(asked, input) && elapsed + Duration.toMillis(duration) <= Duration.toMillis(patience)
      )
    )

  const appToken = Effect.fnUntraced(function* (app: Extract<Credential, { readonly _tag: "app" }>) {
    const asked: Asked = {
      operation: "token",
      target: `app ${app.appId}`,
      route: "POST /app/installations/{installation_id}/access_tokens",
      parameters: { installation_id: app.installationId }
    }
    const jwt = yield* Effect.tryPromise({
      try: async () => {
        const { createAppAuth } = await import("@octokit/auth-app")
        const auth = createAppAuth({ appId: app.appId, privateKey: Redacted.value(app.privateKey) })
        return (await auth({ type: "app" })).token
      },
      // Nothing but a key that is none makes this fail.
      catch: () => failure(asked, new GitHubError.Unauthorized({ credential: "app" }))
    })
    const { value } = yield* attempt(asked, Wire.InstallationToken, Option.some(`bearer ${jwt}`))
    return { token: value.token, expiresAt: value.expires_at.epochMilliseconds }
  })

  const appTokenInUse = (app: Extract<Credential, { readonly _tag: "app" }>) =>
    minting.withPermits(1)(
      Effect.gen(function* () {
        const [current, now] = [yield* Ref.get(minted), yield* Clock.currentTimeMillis]
        if (Option.isSome(current) && now < current.value.expiresAt - Duration.toMillis(margin)) {
          return current.value.token
        }
        const next = yield* appToken(app)
        yield* Ref.set(minted, Option.some(next))
        return next.token
      })
    )

  const currentToken = Effect.suspend(() => {
    switch (credential._tag) {
      case "none":
        return Effect.succeedNone
      case "token":
        return Effect.succeedSome(credential.token)
      case "app":
        return Effect.asSome(appTokenInUse(credential))
    }
  })

  /** A request with our credential. A token of an app that was revoked before its time is replaced, once. */
  const authorized = <A>(asked: Asked, schema: Schema.Codec<A, unknown>) => {
    const once = Effect.gen(function* () {
      const token = yield* currentToken
      const authorization = Option.map(token, (value) => `token ${Redacted.value(value)}`)
      return yield* attempt(asked, schema, authorization).pipe(
        Effect.tapError(({ reason }) =>
          reason._tag === "Unauthorized"
            ? Ref.update(minted, (current) =>
                Option.filter(current, (one) => !Option.contains(token, one.token))
              )
            : Effect.void
        )
      )
    })
    const renewed =
      credential._tag === "app" ? Effect.catchReason(once, "GitHubError", "Unauthorized", () => once) : once
    const turn = all.withPermits(1)(renewed)
    return patiently(asked, isRead(asked) ? turn : changes.withPermits(1)(turn)).pipe(
      Effect.withSpan("GitHub.request", {
        kind: "client",
        attributes: { route: asked.route, target: asked.target }
      })
    )
  }

  const nextOf = Effect.fnUntraced(function* (asked: Asked, address: string) {
    // A token must not follow an address to another host.
    if (!URL.canParse(address) || new URL(address).origin !== new URL(baseUrl).origin) {
      return yield* failure(asked, new GitHubError.Unexpected({ detail: "the next page is at another host" }))
    }
    return { ...asked, route: `GET ${address.replaceAll("{", "%7B").replaceAll("}", "%7D")}`, parameters: {} }
  })

  return {
    send: (asked, schema) => Effect.map(authorized(asked, schema), ({ value }) => value),
    run: (asked) => Effect.asVoid(authorized(asked, Schema.Unknown)),
    pages: (asked, schema) =>
      Stream.paginate(
        { ...asked, parameters: { ...asked.parameters, per_page: 100 } },
        Effect.fnUntraced(function* (page: Asked) {
          const { next, value } = yield* authorized(page, schema)
          return [
            [value],
            Option.isNone(next) ? Option.none() : Option.some(yield* nextOf(asked, next.value))
          ] as const
        })
      ),
    token: patiently({ operation: "token", target: "the credential", route: "GET /" }, currentToken)
  } satisfies GitHubRequests
})

/** What a success means that is not the reply we know: half of it, or somebody else's. */
const unreadable = (
  asked: Asked,
  { data, headers }: { readonly data: unknown; readonly headers: Readonly<Record<string, unknown>> }
) => {
  const type = headers["content-type"]
  return typeof data === "string" && typeof type === "string" && type.includes("json")
    ? new GitHubError.Unreachable({ sent: true })
    : new GitHubError.Unexpected({
        detail: `the reply to ${asked.route.split(" ")[0]} of ${asked.operation}`
      })
}
