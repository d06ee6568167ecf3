/**
 * The list of sandboxes: filters, order and pages.
 *
 * @since 0.1.0
 */
import { Effect, Option, Redacted, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { ApiError } from "./ApiError.ts"
import type { Sandbox } from "../sandboxes/Sandbox.ts"

/** How many items a page may have. */
export const Limit = Schema.FiniteFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1000 }))
)

const Query = Schema.Struct({
  metadata: Schema.optionalKey(Schema.String),
  state: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  limit: Schema.optionalKey(Limit),
  nextToken: Schema.optionalKey(Schema.String),
  order: Schema.optionalKey(Schema.Literals(["asc", "desc"])),
  startedAfter: Schema.optionalKey(Schema.String),
  template: Schema.optionalKey(Schema.String)
})

/** What a client asked the list for. */
export interface Query {
  readonly metadata: ReadonlyArray<readonly [string, string]>
  readonly states: ReadonlyArray<string>
  readonly limit: number
  /** Where the page before ended. */
  readonly after: Option.Option<Position>
  readonly order: "asc" | "desc"
  readonly startedAfter: Option.Option<number>
  readonly template: Option.Option<string>
}

/** A place in the list that stays valid when sandboxes come and go. */
export interface Position {
  readonly startedAt: number
  readonly id: string
}

const decodeComponent = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Pairs from the query parameter `metadata`, whose parts the SDK has encoded before it encoded the whole. */
export const decodeMetadata = (metadata: string): ReadonlyArray<readonly [string, string]> =>
  [...new URLSearchParams(metadata)].map(
    ([key, value]) => [decodeComponent(key), decodeComponent(value)] as const
  )

/** The opaque token of a position. */
export const encodeToken = (position: Position): string =>
  Buffer.from(`${position.startedAt}:${position.id}`).toString("base64url")

/** None when the token is not one of ours. */
export const decodeToken = (token: string): Option.Option<Position> => {
  const match = /^(\d{1,15}):(\w+)$/.exec(Buffer.from(token, "base64url").toString("utf8"))
  return match === null ? Option.none() : Option.some({ startedAt: Number(match[1]), id: match[2] ?? "" })
}

const decode = Schema.decodeUnknownEffect(Query)
const bad = (message: string) => new ApiError({ status: 400, message })

/** Fails with 400 when a parameter makes no sense. */
export const decodeQuery = Effect.fnUntraced(function* (
  parameters: unknown
): Effect.fn.Return<Query, ApiError> {
  const query = yield* decode(parameters).pipe(Effect.mapError((error) => bad(String(error))))
  const after = query.nextToken === undefined ? Option.none() : decodeToken(query.nextToken)
  if (query.nextToken !== undefined && Option.isNone(after)) return yield* bad("nextToken is not valid")
  const startedAfter =
    query.startedAfter === undefined ? Option.none() : Option.some(Date.parse(query.startedAfter))
  if (Option.isSome(startedAfter) && Number.isNaN(startedAfter.value))
    return yield* bad("startedAfter is not a time")
  const states =
    query.state === undefined ? [] : typeof query.state === "string" ? query.state.split(",") : query.state
  return {
    metadata: query.metadata === undefined ? [] : decodeMetadata(query.metadata),
    states,
    limit: query.limit ?? 100,
    after,
    order: query.order ?? "desc",
    startedAfter,
    template: Option.fromUndefinedOr(query.template)
  }
})

const compare = (a: Position, b: Position) =>
  a.startedAt !== b.startedAt ? a.startedAt - b.startedAt : a.id < b.id ? -1 : a.id > b.id ? 1 : 0

/** Some items, and the token of the next page if there is one. */
interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: Option.Option<string>
}

/** Cuts one page out of all there is. */
export const cut = <A>(
  all: ReadonlyArray<A>,
  {
    after,
    limit,
    order,
    position
  }: Pick<Query, "after" | "limit" | "order"> & {
    readonly position: (item: A) => Position
  }
): Page<A> => {
  const sign = order === "asc" ? 1 : -1
  const matching = all
    .filter((item) => Option.isNone(after) || sign * compare(position(item), after.value) > 0)
    .toSorted((a, b) => sign * compare(position(a), position(b)))
  const items = matching.slice(0, limit)
  const last = matching.length > items.length ? items.at(-1) : undefined
  return { items, next: Option.map(Option.fromUndefinedOr(last), (item) => encodeToken(position(item))) }
}

/** The sandboxes of one page. Newest first unless asked otherwise. */
export const page = <A extends Pick<Sandbox, "id" | "startedAt" | "state" | "spec">>(
  all: ReadonlyArray<A>,
  query: Query
): Page<A> => {
  const { startedAfter, template } = query
  const matching = all.filter(
    (sandbox) =>
      (query.states.length === 0 || query.states.includes(sandbox.state)) &&
      query.metadata.every(
        ([key, value]) => Object.hasOwn(sandbox.spec.metadata, key) && sandbox.spec.metadata[key] === value
      ) &&
      (Option.isNone(startedAfter) || sandbox.startedAt > startedAfter.value) &&
      (Option.isNone(template) || sandbox.spec.templateId === template.value)
  )
  return cut(matching, { ...query, position: ({ id, startedAt }) => ({ id, startedAt }) })
}

/** The answer to a request for a page. */
export const response = <A>({ items, next }: Page<A>, view: (item: A) => unknown) =>
  HttpServerResponse.jsonUnsafe(items.map(view), {
    headers: Option.match(next, { onNone: () => ({}), onSome: (token) => ({ "x-next-token": token }) })
  })

/** Of the envd whose protocol is spoken here. */
const ENVD_VERSION = "0.6.13"

const iso = (millis: number) => new Date(millis).toISOString()

/** A sandbox as the list shows it. The sizes are what E2B's base template has; nothing enforces them here. */
export const summary = (sandbox: Sandbox) => ({
  sandboxID: sandbox.id,
  templateID: sandbox.spec.templateId,
  clientID: "local",
  startedAt: iso(sandbox.startedAt),
  endAt: iso(sandbox.endAt),
  state: sandbox.state,
  cpuCount: 2,
  memoryMB: 512,
  diskSizeMB: 1024,
  envdVersion: ENVD_VERSION,
  metadata: sandbox.spec.metadata
})

/**
 * What a client needs to talk to a sandbox. The SDK makes the host names of ports of `domain`, and envd is found by
 * the `sandboxUrl` that the client was given.
 */
export const connection = (sandbox: Sandbox, domain: string) => ({
  sandboxID: sandbox.id,
  templateID: sandbox.spec.templateId,
  clientID: "local",
  envdVersion: ENVD_VERSION,
  envdAccessToken: Redacted.value(sandbox.token),
  trafficAccessToken: Option.getOrNull(Option.map(sandbox.trafficToken, Redacted.value)),
  domain
})
