import { type Agent, AgentLifecycle } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Clock, DateTime, Effect, Ref, Stream } from "effect"
import type * as App from "../../app/App.ts"
import * as Documents from "../../ui/json.ts"
import * as Elapsed from "../../ui/Elapsed.ts"
import type { Run } from "../../ui/Failure.ts"
import * as Labels from "./Labels.ts"
import { bold, line, Screen } from "../../ui/Screen.ts"
import * as State from "../../app/State.ts"
import * as Table from "../../ui/Table.ts"

/** The flags of `list`. */
export interface ListFlags extends App.AppFlags {
  readonly status: ReadonlyArray<AgentLifecycle.AgentStatus>
  readonly label: ReadonlyArray<string>
  readonly pool?: string | undefined
  readonly all: boolean
  readonly json: boolean
}

/** How many agents are read and printed at once. */
const pageSize = 200

const head = ["ID", "NAME", "STATUS", "PROFILE", "QUERIES", "AGE", "LABELS"]

const rowOf = (agent: Agent.Agent, now: number): ReadonlyArray<string> => [
  agent.id,
  agent.name,
  agent.status,
  agent.profile,
  String(agent.queryCount),
  Elapsed.short(now - DateTime.toEpochMillis(agent.createdAt)),
  Labels.toText(agent.labels)
]

const statusesOf = ({ all, status }: ListFlags) => {
  if (status.length > 0) return status
  return all ? undefined : AgentLifecycle.AgentStatus.literals.filter((one) => one !== "terminated")
}

/** Whether every agent was asked for, and not only some of them. */
const wantsAny = ({ label, pool, profile, status }: ListFlags): boolean =>
  status.length === 0 && label.length === 0 && pool === undefined && profile === undefined

/** Prints the agents there is a record of, oldest first, a page at a time: a table, or one JSON document per line. */
export const run = Effect.fn("list")(function* (flags: ListFlags): Run {
  const { note, out } = yield* Screen
  const filter: StateStore.AgentFilter = {
    status: statusesOf(flags),
    profile: flags.profile,
    pool: flags.pool,
    labels: yield* Labels.pairs(flags.label)
  }
  const now = yield* Clock.currentTimeMillis
  // Columns keep their place from page to page unless something wider comes.
  const widths = yield* Ref.make<ReadonlyArray<number> | undefined>(undefined)

  const printTable = Effect.fnUntraced(function* (page: ReadonlyArray<Agent.Agent>) {
    const before = yield* Ref.get(widths)
    const rows = page.map((agent) => rowOf(agent, now))
    const all = before === undefined ? [head, ...rows] : rows
    const wide = yield* Ref.updateAndGet(widths, () => Table.widthsOf(all, before))
    const lines = Table.render(all, out.live ? out.columns() : undefined, wide)
    yield* line(
      out,
      lines.map((text, index) => (before === undefined && index === 0 ? bold(out, text) : text)).join("\n")
    )
  })

  const printJson = Effect.fnUntraced(function* (page: ReadonlyArray<Agent.Agent>) {
    const documents = yield* Effect.forEach(page, Documents.ofAgent)
    yield* line(out, documents.map((document) => JSON.stringify(document)).join("\n"))
    yield* Ref.set(widths, [])
  })

  yield* Effect.gen(function* () {
    const { listAgents } = yield* StateStore.StateStore
    yield* Stream.runForEach(
      Stream.grouped(listAgents(filter), pageSize),
      flags.json ? printJson : printTable
    )
    // A profile is what is looked for here, not what agents are launched with.
  }).pipe(Effect.provide(State.layer({ state: flags.state })))
  if ((yield* Ref.get(widths)) === undefined && !flags.json) {
    yield* line(
      note,
      wantsAny(flags)
        ? "There is no agent.\n  remote-agent launch"
        : "There is no such agent.\n  remote-agent list --all"
    )
  }
})
