import { TokenUsage } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import { Flag } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { seconds } from "../../ui/liveLines.ts"
import { bold, dim, line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { state, text } from "../shared/flags.ts"
import * as Time from "../shared/time.ts"

/** What usage is summed up by. */
type By = "agent" | "profile" | "day"

/** The usage of one agent, profile or day. */
interface Row {
  readonly of: string
  readonly queries: number
  readonly usage: TokenUsage.TokenUsage
}

const rowOf =
  (by: By) =>
  ({ key, name, queries, usage }: StateStore.UsageGroup): Row => {
    const id = key ?? "(unknown)"
    return { of: by === "agent" && name !== undefined ? `${name} ${id}` : id, queries, usage }
  }

const totalOf = (rows: ReadonlyArray<Row>): Row => ({
  of: "total",
  queries: rows.reduce((sum, { queries }) => sum + queries, 0),
  usage: rows.reduce((sum, { usage }) => TokenUsage.add(sum, usage), TokenUsage.zero)
})

const grouped = (count: number): string => `${count}`.replaceAll(/\B(?=(\d{3})+$)/g, ",")

/** A row as text. A cost that was not reported is unknown, not zero. */
const cellsOf = ({ of, queries, usage }: Row): ReadonlyArray<string> => [
  of,
  grouped(queries),
  grouped(usage.inputTokens),
  grouped(usage.outputTokens),
  usage.costUsd === undefined ? "-" : `$${usage.costUsd.toFixed(4)}`,
  seconds(usage.wallMillis)
]

const documentOf = ({ of, queries, usage }: Row) => ({ of, queries, ...usage })

/** `cost`. */
export const cost = command({
  name: "cost",
  description: "Sum up the usage of ended queries: tokens, money and time",
  flags: {
    by: Flag.Literals("by", ["agent", "profile", "day"]).pipe(
      Flag.withDefault("agent"),
      Flag.withDescription("The groups of the sums (default: agent)")
    ),
    since: text(
      "since",
      "Only queries that ended on that day (UTC) or later: 2026-01-31, or an age: 7d, 1h30m"
    ),
    state
  },
  examples: [
    { command: "remote-agent cost", description: "Per agent" },
    { command: "remote-agent cost --by day --since 7d --json", description: "For programs" }
  ],
  run: Effect.fn("cost")(function* ({ by, json, since: asked, state: location }): Run {
    const { note, out } = yield* Screen
    const since = yield* Time.since(asked)
    const groups = yield* Effect.flatMap(StateStore.StateStore, ({ usageBy }) => usageBy(by, { since })).pipe(
      Effect.provide(State.layer({ state: location }))
    )
    const rows = groups.map(rowOf(by)).toSorted((a, b) => (a.of < b.of ? -1 : 1))
    const total = totalOf(rows)
    if (json) {
      return yield* line(out, jsonText({ by, rows: rows.map(documentOf), total: documentOf(total) }))
    }
    if (rows.length === 0) return yield* line(note, dim(note, "No query has ended yet."))
    const head = [by.toUpperCase(), "QUERIES", "TOKENS IN", "TOKENS OUT", "COST", "TIME"]
    const shown = Table.render([head, ...rows.map(cellsOf), cellsOf(total)], Table.widthOf(out))
    yield* line(
      out,
      shown.map((row, index) => (index === 0 || index > rows.length ? bold(out, row) : row)).join("\n")
    )
  })
})
