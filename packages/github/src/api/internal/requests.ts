/** Sends requests to GitHub through Octokit, decodes the replies and explains the refusals. */
import type { Octokit } from "@octokit/rest"
import { FetchFailure, GitHubError } from "@remote-agent/domain"
import { Data, Duration, Effect, Option, Redacted, Schema, Semaphore, Stream } from "effect"
import type { Connection } from "../GitHubConnection.ts"
import * as Fetch from "../../network/fetch.ts"
import type { Network } from "../../network/Network.ts"
import * as AccessToken from "./accessToken.ts"
import * as EtagCache from "./etagCache.ts"
import * as RateLimit from "./rateLimit.ts"
import * as GitHubReply from "./reply.ts"
import { failure, isRead, type Request } from "./request.ts"
import * as ServerClock from "./serverClock.ts"

interface Reply<A> {
  readonly value: A
  readonly nextPage: Option.Option<string>
}

/** An error thrown by Octokit. */
class OctokitFailure extends Data.TaggedError("OctokitFailure")<{ readonly cause: unknown }> {}

const Refusal = Schema.Struct({
  status: Schema.Int,
  response: Schema.Struct({
    headers: Schema.Record(Schema.String, Schema.Unknown),
    data: Schema.optionalKey(Schema.Unknown)
  })
})

const readRefusal = Schema.decodeUnknownOption(Refusal)

/** GitHub asks clients to send few requests at once, and changes one at a time. */
const concurrency = 8

const silent = () => {}

/** Requests to GitHub. All failures are `GitHubError`s. */
export interface GitHubRequests {
  /** Sends a request and decodes its reply. An unchanged resource is not transferred again. */
  readonly send: <A>(
    request: Request,
    schema: Schema.Codec<A, unknown>
  ) => Effect.Effect<A, GitHubError.GitHubError>
  /** Sends a request and ignores the content of its reply. */
  readonly run: (request: Request) => Effect.Effect<void, GitHubError.GitHubError>
  /** The pages of a list, each requested when it is needed. */
  readonly pages: <A>(
    request: Request,
    schema: Schema.Codec<A, unknown>
  ) => Stream.Stream<A, GitHubError.GitHubError>
  /** A token that stays valid for at least five minutes, or none without a credential. */
  readonly token: Effect.Effect<Option.Option<Redacted.Redacted>, GitHubError.GitHubError>
}

const makeOctokit = (baseUrl: string, userAgent: string, network: Network) =>
  // Loading Octokit takes time, and most commands never use it.
  Effect.cached(
    Effect.gen(function* () {
      const fetch = yield* Fetch.make(network, baseUrl)
      const { Octokit: Client } = yield* Effect.promise(() => import("@octokit/rest"))
      const client: Octokit = new Client({
        baseUrl,
        userAgent,
        log: { debug: silent, info: silent, warn: silent, error: silent },
        ...(fetch === undefined ? {} : { request: { fetch } })
      })
      return client
    })
  )

/** Sends one request once. */
const makeSendOnce = Effect.fnUntraced(function* (
  { credential, network = {}, requestTimeout, userAgent = "remote-agent" }: Connection,
  baseUrl: string,
  clock: ServerClock.ServerClock
) {
  const timeout = Duration.fromInputUnsafe(requestTimeout ?? "30 seconds")
  const octokit = yield* makeOctokit(baseUrl, userAgent, network)
  const limits = yield* RateLimit.make
  const replies = yield* EtagCache.make<Reply<unknown>>()

  const explain = Effect.fnUntraced(function* (
    request: Request,
    cause: unknown,
    authorization: Option.Option<string>
  ) {
    const refusal = readRefusal(cause)
    if (Option.isNone(refusal)) {
      return failure(request, new GitHubError.Unreachable({ sent: FetchFailure.mayBeSent(cause) }))
    }
    const { response, status } = refusal.value
    yield* clock.observe(response.headers)
    const reason = GitHubReply.reasonOf(
      { status, headers: response.headers, body: response.data },
      credential._tag,
      yield* clock.now,
      [
        ...Option.toArray(authorization).map((header) => header.replace(/^\w+ /, "")),
        ...(request.secrets ?? []).map((secret) => Redacted.value(secret))
      ]
    )
    if (reason._tag === "RateLimited") yield* limits.note(reason)
    return failure(request, reason)
  })

  return <A>(request: Request, schema: Schema.Codec<A, unknown>, authorization: Option.Option<string>) =>
    Effect.gen(function* () {
      yield* limits.check(request)
      const client = yield* octokit
      const { url } = client.request.endpoint(request.route, request.parameters)
      const known = isRead(request) ? yield* replies.get(url) : Option.none()
      const data = request.body === undefined ? {} : { data: request.body }
      const headers = {
        "x-github-api-version": "2022-11-28",
        ...(Option.isSome(authorization) ? { authorization: authorization.value } : {}),
        ...(Option.isSome(known) ? { "if-none-match": known.value.etag } : {})
      }
      const answered = yield* Effect.tryPromise({
        // The body goes in as `data`: among the parameters, a field named `url` would replace the address.
        try: (signal) =>
          client.request(request.route, { ...request.parameters, ...data, headers, request: { signal } }),
        catch: (cause) => new OctokitFailure({ cause })
      }).pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () => Effect.fail(failure(request, new GitHubError.RequestTimedOut({ after: timeout })))
        }),
        Effect.catchTag("OctokitFailure", ({ cause }) => {
          const status = Option.map(readRefusal(cause), (refusal) => refusal.status)
          return Option.isSome(known) && Option.contains(status, 304)
            ? Effect.succeed(known.value)
            : Effect.flatMap(explain(request, cause, authorization), Effect.fail)
        })
      )
      // A reply in the cache was decoded with the schema that always belongs to its address.
      if ("reply" in answered) return answered.reply as Reply<A>
      yield* clock.observe(answered.headers)
      const value = yield* Schema.decodeUnknownEffect(schema)(answered.data).pipe(
        Effect.mapError(() => failure(request, unreadable(request, answered)))
      )
      const reply = { value, nextPage: GitHubReply.nextPage(answered.headers.link) }
      if (isRead(request)) yield* replies.set(url, answered.headers.etag, reply)
      return reply
    })
})

/** Requests over a connection. */
export const make = Effect.fnUntraced(function* (connection: Connection) {
  const { credential } = connection
  const retryWindow = Duration.fromInputUnsafe(connection.retryWindow ?? "1 minute")
  const baseUrl = (connection.apiUrl ?? "https://api.github.com").replace(/\/+$/, "")
  const [all, writes] = [yield* Semaphore.make(concurrency), yield* Semaphore.make(1)]
  const clock = yield* ServerClock.make
  const sendOnce = yield* makeSendOnce(connection, baseUrl, clock)
  const tokens = yield* AccessToken.make(credential, clock, (request, schema, authorization) =>
    Effect.map(sendOnce(request, schema, authorization), ({ value }) => value)
  )

  /** Sends a request with the credential. A token of an app that was revoked early is replaced once. */
  const authorized = <A>(request: Request, schema: Schema.Codec<A, unknown>) => {
    const once = Effect.gen(function* () {
      const token = yield* tokens.current
      const authorization = Option.map(token, (value) => `token ${Redacted.value(value)}`)
      return yield* sendOnce(request, schema, authorization).pipe(
        Effect.tapError(({ reason }) =>
          reason._tag === "Unauthorized" ? tokens.discard(token) : Effect.void
        )
      )
    })
    const renewed =
      credential._tag === "app" ? Effect.catchReason(once, "GitHubError", "Unauthorized", () => once) : once
    const bounded = all.withPermits(1)(renewed)
    return (isRead(request) ? bounded : writes.withPermits(1)(bounded)).pipe(
      RateLimit.retry(request, retryWindow),
      Effect.withSpan("GitHub.request", {
        kind: "client",
        attributes: { route: request.route, target: request.target }
      })
    )
  }

  const nextRequest = Effect.fnUntraced(function* (request: Request, address: string) {
    // The token must not follow an address to another host.
    if (!URL.canParse(address) || new URL(address).origin !== new URL(baseUrl).origin) {
      return yield* failure(
        request,
        new GitHubError.Unexpected({ detail: "the next page is at another host" })
      )
    }
    const path = address.replaceAll("{", "%7B").replaceAll("}", "%7D")
    return { ...request, route: `GET ${path}`, parameters: {} }
  })

  const token: Request = { operation: "token", target: "the credential", route: "GET /" }
  return {
    send: (request, schema) => Effect.map(authorized(request, schema), ({ value }) => value),
    run: (request) => Effect.asVoid(authorized(request, Schema.Unknown)),
    pages: (request, schema) =>
      Stream.paginate(
        { ...request, parameters: { ...request.parameters, per_page: 100 } },
        Effect.fnUntraced(function* (page: Request) {
          const { nextPage, value } = yield* authorized(page, schema)
          return [
            [value],
            Option.isNone(nextPage) ? Option.none() : Option.some(yield* nextRequest(request, nextPage.value))
          ] as const
        })
      ),
    token: RateLimit.retry(token, retryWindow)(tokens.current)
  } satisfies GitHubRequests
})

/** The reason for a successful reply that cannot be decoded: it was cut off, or is not GitHub's. */
const unreadable = (
  request: Request,
  { data, headers }: { readonly data: unknown; readonly headers: Readonly<Record<string, unknown>> }
) => {
  const type = headers["content-type"]
  return typeof data === "string" && typeof type === "string" && type.includes("json")
    ? new GitHubError.Unreachable({ sent: true })
    : new GitHubError.Unexpected({
        detail: `the reply to ${request.route.split(" ")[0]} of ${request.operation}`
      })
}
