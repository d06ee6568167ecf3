import { AgentEvent, Id, type Query, TokenUsage } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Clock, DateTime, Effect, Option } from "effect"
import { Argument, Flag } from "effect/cli"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import * as Json from "../../ui/json.ts"
import { age, seconds } from "../../ui/liveLines.ts"
import { bold, line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { jsonText, plain } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { agent, quiet, state, text } from "../shared/flags.ts"
import * as Listing from "../shared/listing.ts"
import * as Time from "../shared/time.ts"

/** How many queries are printed without `--limit`. */
const usualLimit = 50

/** How much of a query's text a table shows. */
const textWidth = 80

const head = ["ID", "AGENT", "OUTCOME", "AGE", "TIME", "TOKENS", "COST", "QUERY"]

type By = "age" | "cost" | "time" | "tokens"

const timeOf = ({ endedAt, startedAt, usage }: Query.Query, now: number): number | undefined =>
  usage?.wallMillis ??
  (startedAt === undefined
    ? undefined
    : (endedAt === undefined ? now : DateTime.toEpochMillis(endedAt)) - DateTime.toEpochMillis(startedAt))

const tokensOf = ({ usage }: Query.Query) => (usage === undefined ? undefined : TokenUsage.totalTokens(usage))

/** The order of `--sort`; queries are listed newest first before. */
const compareBy = (by: By, now: number) => (a: Query.Query, b: Query.Query) => {
  switch (by) {
    case "age":
      return 0
    case "cost":
      return Listing.greatestFirst(a.usage?.costUsd, b.usage?.costUsd)
    case "time":
      return Listing.greatestFirst(timeOf(a, now), timeOf(b, now))
    case "tokens":
      return Listing.greatestFirst(tokensOf(a), tokensOf(b))
  }
}

/** Counts grow wide: `1,234,567` and `$0.0123`. */
const cellsOf = (query: Query.Query, name: string, now: number): ReadonlyArray<string> => {
  const [time, tokens, cost] = [timeOf(query, now), tokensOf(query), query.usage?.costUsd]
  return [
    Id.short(query.id),
    name,
    query.outcome ?? query.status,
    age(now - DateTime.toEpochMillis(query.createdAt)),
    time === undefined ? "-" : seconds(time),
    tokens === undefined ? "-" : `${tokens}`,
    cost === undefined ? "-" : `$${cost.toFixed(4)}`,
    Table.cut(plain(query.text).replaceAll(/\s+/g, " ").trim(), textWidth)
  ]
}

/** The names of the agents of queries. An agent that the state does not have is shown by its id. */
const namesOf = Effect.fnUntraced(function* (queries: ReadonlyArray<Query.Query>) {
  const { getAgent } = yield* StateStore.StateStore
  const ids = [...new Set(queries.map(({ agentId }) => agentId))]
  const names = yield* Effect.forEach(
    ids,
    (id) =>
      getAgent(id).pipe(
        Effect.map(({ name }): string => name),
        Effect.catchReason("StateStoreError", "NotFound", () => Effect.succeed(Id.short(id))),
        Effect.map((name) => [id, name] as const)
      ),
    { concurrency: 8 }
  )
  return new Map(names)
})

/** `queries`. */
export const queries = command({
  name: "queries",
  description: "List queries, newest first: of one agent or of all, also of terminated ones",
  flags: {
    agent: Argument.optional(agent),
    outcome: Flag.Literals("outcome", AgentEvent.Outcome.literals).pipe(
      Flag.withDescription("Only queries that ended like this (repeatable)"),
      Flag.atLeast(0)
    ),
    status: Flag.Literals("status", ["queued", "running", "ended"]).pipe(
      Flag.withDescription("Only queries with this status (repeatable)"),
      Flag.atLeast(0)
    ),
    profile: text("profile", "Only queries to agents of this profile"),
    pool: text("pool", "Only queries to agents of this pool"),
    since: text("since", "Only queries asked on that day (UTC) or later: 2026-01-31, or an age: 7d, 1h30m"),
    limit: Listing.limit(`How many to list (default: ${usualLimit})`),
    sort: Listing.sort(["age", "cost", "time", "tokens"], "The order (default: age, newest first)"),
    state
  },
  examples: [
    { command: "remote-agent queries analyst", description: "The history of an agent" },
    { command: "remote-agent queries --since 7d --sort cost -n 5", description: "What cost most this week" },
    { command: "remote-agent queries --outcome error -q", description: "Only the ids of failed queries" }
  ],
  run: Effect.fn("queries")(
    function* (flags): Run<State.Records | typeof quiet.Identifier> {
      const [{ note, out }, { listQueries }, onlyIds] = [
        yield* Screen,
        yield* StateStore.StateStore,
        yield* quiet
      ]
      const { json, limit = usualLimit, outcome, pool, profile, sort = "age", status } = flags
      const found = Option.isSome(flags.agent) ? yield* AgentLookup.one(flags.agent.value) : undefined
      const now = yield* Clock.currentTimeMillis
      const filter: StateStore.QueryFilter = {
        agentId: found?.id,
        profile,
        pool,
        outcome: outcome.length > 0 ? outcome : undefined,
        status: status.length > 0 ? status : undefined,
        since: yield* Time.since(flags.since)
      }
      // One more tells whether some are left out.
      const range = { order: "newestFirst", limit: sort === "age" ? limit + 1 : undefined } as const
      const some = yield* Listing.first(listQueries(filter, range), compareBy(sort, now), limit + 1)
      const [listed, isCut] = [some.slice(0, limit), some.length > limit]
      if (listed.length === 0) {
        return yield* line(note, "No query matches.\n  remote-agent query <agent> <question>")
      }
      if (json) {
        const documents = yield* Effect.forEach(listed, Json.ofQueryRecord)
        return yield* line(out, documents.map((document) => jsonText(document)).join("\n"))
      }
      if (onlyIds) return yield* Listing.printIds(out)(listed)
      const names = yield* namesOf(listed)
      const rows = listed.map((query) => cellsOf(query, names.get(query.agentId) ?? "", now))
      const [header = "", ...lines] = Table.render([head, ...rows], Table.widthOf(out))
      yield* line(out, [bold(out, header), ...lines].join("\n"))
      if (isCut) yield* line(note, `These are the first ${limit}. List more with --limit.`)
    },
    (effect, { state: location }) => Effect.provide(effect, State.layer({ state: location }))
  )
})
