import { type Query, TokenUsage } from "@remote-agent/domain"
import { DateTime, Duration, Option } from "effect"

/** What queries are summed up by. */
export type By = "agent" | "profile" | "day"

/** What the queries of one agent, profile or day have used. */
export interface Row {
  readonly of: string
  readonly queries: number
  readonly usage: TokenUsage.TokenUsage
}

/** When `2026-01-31` or `7d`, which is seven days before now, begins. */
export const sinceOf = (text: string, now: DateTime.Utc): Option.Option<DateTime.Utc> => {
  const [, days] = /^(\d{1,4})d$/.exec(text) ?? []
  if (days !== undefined) return Option.some(DateTime.subtractDuration(now, Duration.days(Number(days))))
  const [, day] = /^(\d{4}-\d\d-\d\d)$/.exec(text) ?? []
  return day === undefined
    ? Option.none()
    : Option.filter(
        DateTime.make(`${day}T00:00:00Z`),
        // The 31st of February is some other day.
        (at) => DateTime.formatIso(at).startsWith(day)
      )
}

/** What a query counts for. */
export interface Names {
  readonly agent: string
  readonly profile: string
}

/** Adds what a query has used. One that has not ended, or ended before, has used nothing yet. */
export const add = (
  rows: Map<string, Row>,
  { endedAt, usage }: Query.Query,
  names: Names,
  by: By,
  since: Option.Option<DateTime.Utc>
): void => {
  if (endedAt === undefined) return
  if (Option.isSome(since) && DateTime.isLessThan(endedAt, since.value)) return
  const of = by === "day" ? DateTime.formatIso(endedAt).slice(0, 10) : names[by]
  const row = rows.get(of) ?? { of, queries: 0, usage: TokenUsage.zero }
  rows.set(of, { of, queries: row.queries + 1, usage: TokenUsage.add(row.usage, usage ?? TokenUsage.zero) })
}

/** All rows in one. */
export const total = (rows: ReadonlyArray<Row>): Row => ({
  of: "total",
  queries: rows.reduce((sum, { queries }) => sum + queries, 0),
  usage: rows.reduce((sum, { usage }) => TokenUsage.add(sum, usage), TokenUsage.zero)
})

const grouped = (count: number): string => `${count}`.replaceAll(/\B(?=(\d{3})+$)/g, ",")

/** One row as it is shown. Money that nobody reported is not shown as none. */
export const cells = ({ of, queries, usage }: Row): ReadonlyArray<string> => [
  of,
  grouped(queries),
  grouped(usage.inputTokens),
  grouped(usage.outputTokens),
  usage.costUsd === undefined ? "-" : `$${usage.costUsd.toFixed(4)}`,
  `${(usage.wallMillis / 1000).toFixed(1)} s`
]
