import { type Agent, AgentLifecycle, Id, RemoteAgentConfig } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Clock, DateTime, Effect, FileSystem, Ref, Stream } from "effect"
import { Flag } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import * as Paths from "../../app/paths.ts"
import { ServerTarget } from "../../app/ServerTarget.ts"
import type { AppFlags } from "../../app/Settings.ts"
import * as State from "../../app/State.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import * as Json from "../../ui/json.ts"
import { age } from "../../ui/liveLines.ts"
import { bold, line, type Output, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { quiet, repeatable, state, text } from "../shared/flags.ts"
import * as Labels from "../shared/labels.ts"
import * as Listing from "../shared/listing.ts"

/** How many agents are read and printed at a time. */
const pageSize = 200

const head = ["ID", "NAME", "STATUS", "PROFILE", "QUERIES", "AGE", "LABELS"]

const rowOf = (agent: Agent.Agent, now: number): ReadonlyArray<string> => [
  Id.short(agent.id),
  agent.name,
  agent.status,
  agent.profile,
  String(agent.queryCount),
  age(now - DateTime.toEpochMillis(agent.createdAt)),
  Labels.toText(agent.labels)
]

const everyStatus = ["launching", "active", "paused", "terminated", "failed", "lost"] as const

/** Prints pages of agents as one table. Columns only ever grow from page to page. */
const tablePrinter = Effect.fnUntraced(function* (out: Output) {
  const now = yield* Clock.currentTimeMillis
  const widths = yield* Ref.make<ReadonlyArray<number> | undefined>(undefined)
  return Effect.fnUntraced(function* (page: ReadonlyArray<Agent.Agent>) {
    const before = yield* Ref.get(widths)
    const rows = page.map((agent) => rowOf(agent, now))
    const all = before === undefined ? [head, ...rows] : rows
    const wide = yield* Ref.updateAndGet(widths, () => Table.widthsOf(all, before))
    const lines = Table.render(all, Table.widthOf(out), wide)
    yield* line(
      out,
      lines.map((row, index) => (before === undefined && index === 0 ? bold(out, row) : row)).join("\n")
    )
  })
})

const printJson = (out: Output) => (page: ReadonlyArray<Agent.Agent>) =>
  Effect.flatMap(Effect.forEach(page, Json.ofAgent), (documents) =>
    line(out, documents.map((document) => jsonText(document)).join("\n"))
  )

/** The agents with the status of their sandboxes, where a provider may know better than the records. */
const agentsOf = Effect.fnUntraced(function* (flags: AppFlags, filter: StateStore.AgentFilter) {
  const [{ listAgents }, fs, { dataFolder }, { REMOTE_AGENT_PROVIDER: provider }] = yield* Effect.all([
    StateStore.StateStore,
    FileSystem.FileSystem,
    CommandHost,
    RemoteAgentConfig.RemoteAgentConfig
  ])
  const mayBeServed = yield* Effect.orElseSucceed(fs.exists(Paths.serverFile(dataFolder)), () => false)
  const isHere = (yield* ServerTarget) === undefined
  if (isHere && provider !== "e2b" && !mayBeServed) return listAgents(filter)
  // Loaded here because it takes longer than the rest of the command.
  const { observe } = yield* Effect.promise(() => import("../../app/observedAgents.ts"))
  const observed = yield* observe(flags, filter)
  return observed === undefined ? listAgents(filter) : Stream.fromIterable(observed)
})

type By = "age" | "name" | "status" | "queries" | "cost"

const compareBy = (by: By) => (a: Agent.Agent, b: Agent.Agent) => {
  switch (by) {
    case "age":
      return 0
    case "name":
    case "status":
      return a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0
    case "queries":
      return Listing.greatestFirst(a.queryCount, b.queryCount)
    case "cost":
      return Listing.greatestFirst(a.usage.costUsd, b.usage.costUsd)
  }
}

/** The agents in the order and the number that the flags ask for. Without an order they are passed on as they come. */
const ordered = <E, R>(
  agents: Stream.Stream<Agent.Agent, E, R>,
  { limit, sort = "age" }: { readonly limit: number | undefined; readonly sort: By | undefined }
): Stream.Stream<Agent.Agent, E, R> =>
  sort !== "age"
    ? Stream.unwrap(Effect.map(Listing.first(agents, compareBy(sort), limit), Stream.fromIterable))
    : limit === undefined
      ? agents
      : Stream.take(agents, limit)

/** `list`. */
export const list = command({
  name: "list",
  alias: "ls",
  description: "List agents, oldest first",
  flags: {
    status: Flag.Literals("status", everyStatus).pipe(
      Flag.withDescription("Only agents with this status (repeatable)"),
      Flag.atLeast(0)
    ),
    profile: text("profile", "Only agents of this profile"),
    label: repeatable("label", "Only agents with this label: key=value"),
    pool: text("pool", "Only agents of this pool"),
    all: Flag.Boolean("all").pipe(
      Flag.withAlias("a"),
      Flag.withDefault(false),
      Flag.withDescription("Include terminated agents")
    ),
    limit: Listing.limit("How many to list (default: all)"),
    sort: Listing.sort(
      ["age", "name", "status", "queries", "cost"],
      "The order (default: age, oldest first)"
    ),
    state
  },
  examples: [
    { command: "remote-agent list", description: "All agents that are not terminated" },
    {
      command: "remote-agent list --status paused --label team=research --json",
      description: "One JSON document per agent"
    },
    { command: "remote-agent rm $(remote-agent ls -q --label team=research)", description: "By their ids" }
  ],
  run: Effect.fn("list")(function* (flags): Run<typeof quiet.Identifier> {
    const { all, json, label, pool, profile, status } = flags
    const { note, out } = yield* Screen
    const current = AgentLifecycle.AgentStatus.literals.filter((one) => one !== "terminated")
    const filter: StateStore.AgentFilter = {
      status: status.length > 0 ? status : all ? undefined : current,
      profile,
      pool,
      labels: yield* Labels.pairs(label)
    }
    const onlyIds = yield* quiet
    const print = json ? printJson(out) : onlyIds ? Listing.printIds(out) : yield* tablePrinter(out)
    // Only the location of the state is passed on: --profile filters here and is not the setting.
    const pages = yield* Effect.flatMap(agentsOf({ state: flags.state }, filter), (agents) =>
      Stream.runFold(
        Stream.tap(Stream.grouped(ordered(agents, flags), pageSize), print),
        () => 0,
        (count) => count + 1
      )
    ).pipe(Effect.provide(State.layer({ state: flags.state })))
    if (pages > 0) return
    const isFiltered = status.length > 0 || label.length > 0 || pool !== undefined || profile !== undefined
    yield* line(
      note,
      isFiltered
        ? "No agent matches.\n  remote-agent list --all"
        : "There are no agents.\n  remote-agent launch"
    )
  })
})
