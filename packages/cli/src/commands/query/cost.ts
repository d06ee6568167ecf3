import { type Id } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, Option, Stream } from "effect"
import * as CostTable from "./CostTable.ts"
import { type Run, Usage } from "../../ui/Failure.ts"
import { bold, dim, line, Screen } from "../../ui/Screen.ts"
import * as State from "../../app/State.ts"
import * as Table from "../../ui/Table.ts"

/** The flags of `cost`. */
export interface CostFlags {
  readonly by: CostTable.By
  readonly since?: string | undefined
  readonly state?: string | undefined
  readonly json: boolean
}

const rows = Effect.fnUntraced(function* (by: CostTable.By, since: Option.Option<DateTime.Utc>) {
  const store = yield* StateStore.StateStore
  const agents = new Map<Id.AgentId, CostTable.Names>()
  yield* Stream.runForEach(store.listAgents(), ({ id, name, profile }) =>
    Effect.sync(() => agents.set(id, { agent: `${name} ${id}`, profile }))
  )
  const found = new Map<string, CostTable.Row>()
  yield* Stream.runForEach(store.listQueries({ status: "ended" }), (query) =>
    Effect.sync(() => {
      const names = agents.get(query.agentId) ?? { agent: query.agentId, profile: "(unknown)" }
      CostTable.add(found, query, names, by, since)
    })
  )
  return [...found.values()].toSorted((a, b) => (a.of < b.of ? -1 : 1))
})

const documentOf = ({ of, queries, usage }: CostTable.Row) => ({ of, queries, ...usage })

/** Prints what queries have used that have ended, by agent, profile or day. */
export const run = Effect.fn("cost")(function* ({ by, json, since: text, state }: CostFlags): Run {
  const { note, out } = yield* Screen
  const now = yield* DateTime.now
  const since = Option.flatMap(Option.fromUndefinedOr(text), (day) => CostTable.sinceOf(day, now))
  if (text !== undefined && Option.isNone(since)) {
    return yield* new Usage({
      message: `${text} is no day. Say one such as 2026-01-31, or 7d for seven days back.`
    })
  }
  const all = yield* Effect.provide(rows(by, since), State.layer({ state }))
  const total = CostTable.total(all)
  if (json) {
    return yield* line(out, JSON.stringify({ by, rows: all.map(documentOf), total: documentOf(total) }))
  }
  if (all.length === 0) return yield* line(note, dim(note, "No query has ended yet."))
  const head = [by.toUpperCase(), "QUERIES", "TOKENS IN", "TOKENS OUT", "COST", "TIME"]
  const shown = Table.render(
    [head, ...all.map(CostTable.cells), CostTable.cells(total)],
    out.live ? out.columns() : undefined
  )
  yield* line(
    out,
    shown.map((row, index) => (index === 0 || index > all.length ? bold(out, row) : row)).join("\n")
  )
})
