/**
 * The list of sandboxes: filters, order and pages.
 *
 * @since 0.1.0
 */
import { Effect, Option, Redacted } from "effect"
import { HttpApiSchema } from "effect/http-api"
import type { Sandbox } from "../sandboxes/ManagedSandbox.ts"
import { type ApiError, refuse } from "./ApiError.ts"
import type { ListQuery } from "./schemas.ts"

/** A decoded query of the list. */
export interface Query {
  readonly metadata: ReadonlyArray<readonly [string, string]>
  readonly states: ReadonlyArray<string>
  readonly limit: number
  /** The end of the previous page. */
  readonly after: Option.Option<Position>
  readonly order: "asc" | "desc"
  readonly startedAfter: Option.Option<number>
  readonly template: Option.Option<string>
}

/** A position in the list. It stays valid when sandboxes are added and removed. */
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

/** The pairs in the query parameter `metadata`. The SDK encodes the parts and then the whole. */
export const decodeMetadata = (metadata: string): ReadonlyArray<readonly [string, string]> =>
  [...new URLSearchParams(metadata)].map(
    ([key, value]) => [decodeComponent(key), decodeComponent(value)] as const
  )

/** The opaque token of a position. */
export const encodeToken = (position: Position): string =>
  Buffer.from(`${position.startedAt}:${position.id}`).toString("base64url")

/** The position of a token. None when this server did not make the token. */
export const decodeToken = (token: string): Option.Option<Position> => {
  const match = /^(\d{1,15}):(\w+)$/.exec(Buffer.from(token, "base64url").toString("utf8"))
  return match === null ? Option.none() : Option.some({ startedAt: Number(match[1]), id: match[2] ?? "" })
}

const bad = (message: string) => refuse(400, message)

/** Decodes the tokens and times of a query. Fails with 400 when one of them is not valid. */
export const decodeQuery = Effect.fnUntraced(function* (
  query: typeof ListQuery.Type
): Effect.fn.Return<Query, ApiError> {
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

/** The items of a page, and the token of the next page if there is one. */
interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: Option.Option<string>
}

/** Cuts one page out of all items. */
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

/** The sandboxes of one page. The newest come first by default. */
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
      (Option.isNone(startedAfter) || sandbox.startedAt >= startedAfter.value) &&
      (Option.isNone(template) || sandbox.spec.templateId === template.value)
  )
  return cut(matching, { ...query, position: ({ id, startedAt }) => ({ id, startedAt }) })
}

/** The response with a page. */
export const respond = <A, B>({ items, next }: Page<A>, view: (item: A) => B) =>
  HttpApiSchema.withHeaders({
    body: items.map(view),
    headers: Option.match(next, { onNone: () => ({}), onSome: (token) => ({ "x-next-token": token }) })
  })

/** The version of envd whose protocol this server implements. */
const ENVD_VERSION = "0.6.13"

const iso = (millis: number) => new Date(millis).toISOString()

/** A sandbox in the list. The sizes are those of E2B's base template and are not enforced here. */
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
 * What a client needs to talk to a sandbox. The SDK builds the host names of ports from `domain` and finds envd at its
 * option `sandboxUrl`.
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
