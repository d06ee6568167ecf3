import { Agent, AgentEvent, Id, TokenUsage } from "@remote-agent/domain"
import { DateTime, Effect, Schema } from "effect"
import { type Database, Plain, Whole } from "./database/SqlDatabase.ts"
import {
  byKey,
  type StateStore,
  type UsageFilter,
  type UsageGroup,
  type UsageGrouping
} from "../StateStore.ts"

/**
 * The methods of the store that sum up usage.
 *
 * @category models
 * @since 0.1.0
 */
export type SqlUsage = Pick<StateStore["Service"], "usage" | "usageBy" | "poolUsage">

/**
 * The columns of a usage. All are null where there is none.
 *
 * @category encoding
 * @since 0.1.0
 */
export const usageColumns = (usage: TokenUsage.TokenUsage | undefined) => ({
  input_tokens: usage?.inputTokens ?? null,
  output_tokens: usage?.outputTokens ?? null,
  cost_usd: usage?.costUsd ?? null,
  wall_millis: usage?.wallMillis ?? null
})

const most = Number.MAX_SAFE_INTEGER

/**
 * Reads a usage from its columns. Sums greater than the greatest usage become that.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toUsage = (row: Readonly<Record<keyof ReturnType<typeof usageColumns>, number | null>>) =>
  row.input_tokens === null || row.output_tokens === null || row.wall_millis === null
    ? undefined
    : new TokenUsage.TokenUsage({
        inputTokens: Math.min(most, row.input_tokens),
        outputTokens: Math.min(most, row.output_tokens),
        wallMillis: Math.min(most, row.wall_millis),
        ...(row.cost_usd === null ? {} : { costUsd: Math.min(most, row.cost_usd) })
      })

const sums = {
  input_tokens: Schema.NullOr(Schema.Finite),
  output_tokens: Schema.NullOr(Schema.Finite),
  cost_usd: Schema.NullOr(Schema.Finite),
  wall_millis: Schema.NullOr(Schema.Finite)
}

const OutcomeRow = Schema.Struct({ outcome: AgentEvent.Outcome, queries: Whole, ...sums })

const GroupRow = Schema.Struct({
  key: Schema.NullOr(Schema.String),
  name: Schema.NullOr(Agent.AgentName),
  queries: Whole,
  ...sums
})

/** A running query of a pool, or without an id the usage of all ended queries of its agents. */
const PoolRow = Schema.Struct({
  id: Schema.NullOr(Id.QueryId),
  started_at: Schema.NullOr(Schema.DateTimeUtcFromString),
  ...sums
})

/** Text of any other form is not sent to the database: some databases cannot hold it. */
const isPoolName = Schema.is(Id.PoolName)

const decodeProfile = Schema.decodeOption(Plain)

const names = Object.keys(usageColumns(undefined))

/** Sums up floating-point numbers: the sum of integers may be greater than a database can hold. */
const sum = (column: string) => `SUM(CAST(q.${column} AS DOUBLE PRECISION)) AS ${column}`

const usedOf = (row: Parameters<typeof toUsage>[0]) => toUsage(row) ?? TokenUsage.zero

/** Sums up the usage of the queries in a database. See `SqlStateStore.make`. */
export const make = ({ reader, run, sql }: Database): SqlUsage => {
  const [outcomes, groups, ofPool] = [reader(OutcomeRow), reader(GroupRow), reader(PoolRow)]
  const allSums = sql.literal(names.map(sum).join(", "))

  const clausesOf = ({ agentId, pool, since }: UsageFilter) => [
    sql`q.outcome IS NOT NULL`,
    ...(agentId === undefined ? [] : [sql`q.agent_id = ${agentId}`]),
    ...(pool === undefined ? [] : [sql`q.agent_id IN (SELECT id FROM remote_agents WHERE pool = ${pool})`]),
    ...(since === undefined ? [] : [sql`q.ended_at >= ${DateTime.formatIso(since)}`])
  ]

  const usage: SqlUsage["usage"] = Effect.fn("StateStore.usage")(function* (filter = {}) {
    if (filter.pool !== undefined && !isPoolName(filter.pool)) {
      return { usage: TokenUsage.zero, queries: 0, outcomes: {} }
    }
    const rows = yield* sql`
      SELECT outcome, COUNT(*) AS queries, ${allSums} FROM remote_queries q
      WHERE ${sql.and(clausesOf(filter))} GROUP BY outcome ORDER BY outcome`.pipe(
      outcomes("usage"),
      run("usage")
    )
    return {
      usage: rows.reduce((all, row) => TokenUsage.add(all, usedOf(row)), TokenUsage.zero),
      queries: rows.reduce((all, row) => all + row.queries, 0),
      outcomes: Object.fromEntries(rows.map((row) => [row.outcome, row.queries]))
    }
  })

  const keys: Record<UsageGrouping, { readonly key: string; readonly name: string }> = {
    agent: { key: "q.agent_id", name: "MAX(a.name)" },
    profile: { key: "a.profile", name: "NULL" },
    // An ISO date begins with its day, and every date is written in UTC.
    day: { key: "SUBSTR(q.ended_at, 1, 10)", name: "NULL" }
  }

  const usageBy: SqlUsage["usageBy"] = Effect.fn("StateStore.usageBy")(function* (grouping, filter = {}) {
    if (filter.pool !== undefined && !isPoolName(filter.pool)) return []
    const [key, name] = [sql.literal(keys[grouping].key), sql.literal(keys[grouping].name)]
    const rows = yield* sql`
      SELECT ${key} AS key, CAST(${name} AS TEXT) AS name, COUNT(*) AS queries, ${allSums}
      FROM remote_queries q LEFT JOIN remote_agents a ON a.id = q.agent_id
      WHERE ${sql.and(clausesOf(filter))} GROUP BY ${key}`.pipe(groups("usageBy"), run("usageBy"))
    const found = rows.map((row): UsageGroup => {
      const text = row.key === null || grouping !== "profile" ? row.key : undefined
      const profile = grouping === "profile" && row.key !== null ? decodeProfile(row.key) : undefined
      const named = profile?._tag === "Some" ? profile.value : (text ?? undefined)
      return {
        ...(named === undefined ? {} : { key: named }),
        ...(row.name === null ? {} : { name: row.name }),
        queries: row.queries,
        usage: usedOf(row)
      }
    })
    return found.toSorted(byKey)
  })

  // One statement sees one moment: a query that ends meanwhile is counted once.
  const poolUsage: SqlUsage["poolUsage"] = Effect.fn("StateStore.poolUsage")(function* (pool) {
    const numbers = sql.literal(names.map((name) => `CAST(${name} AS DOUBLE PRECISION)`).join(", "))
    const rows = yield* sql`
      SELECT CAST(NULL AS TEXT) AS id, CAST(NULL AS TEXT) AS started_at, ${allSums}
      FROM remote_agents q WHERE pool = ${pool}
      UNION ALL
      SELECT CAST(id AS TEXT), CAST(started_at AS TEXT), ${numbers} FROM remote_queries
      WHERE status = 'running' AND agent_id IN (SELECT id FROM remote_agents WHERE pool = ${pool})
      ORDER BY id`.pipe(ofPool("poolUsage"), run("poolUsage"))
    return {
      ended: rows.reduce(
        (all, row) => (row.id === null ? TokenUsage.add(all, usedOf(row)) : all),
        TokenUsage.zero
      ),
      running: rows.flatMap((row) =>
        row.id === null || row.started_at === null
          ? []
          : [{ id: row.id, startedAt: row.started_at, usage: usedOf(row) }]
      )
    }
  })

  return { usage, usageBy, poolUsage }
}
