import type { Agent, PoolRecord } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect, Stream } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { bold, line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import * as NamedPool from "./namedPool.ts"

const head = ["NAME", "PROFILE", "STATUS", "SIZE", "ACTIVE", "PAUSED", "QUERIES"]

const rowOf = Effect.fnUntraced(function* ({ name, profile, size, status }: PoolRecord.PoolRecord) {
  const agents = yield* NamedPool.members(name)
  const { queries } = yield* (yield* StateStore.StateStore).usage({ pool: name })
  const count = (one: Agent.Agent["status"]) => agents.filter((agent) => agent.status === one).length
  return { name, profile, status, size, active: count("active"), paused: count("paused"), queries }
})

/** `pool list`. */
export const list = command({
  name: "pool list",
  alias: "ls",
  description: "List named pools and their agents",
  flags: { state },
  examples: [{ command: "remote-agent pool list --json", description: "One JSON document per line" }],
  run: Effect.fn("pool list")(
    function* ({ json }): Run<State.Records> {
      const { note, out } = yield* Screen
      const { listPools } = yield* StateStore.StateStore
      const rows = yield* Stream.runCollect(Stream.mapEffect(listPools, rowOf))
      if (rows.length === 0) {
        return yield* line(note, "There are no pools.\n  remote-agent pool create <name>")
      }
      if (json) return yield* Effect.forEach(rows, (row) => line(out, jsonText(row)), { discard: true })
      const table = [head, ...rows.map((row) => Object.values(row).map(String))]
      const [first = "", ...body] = Table.render(table, Table.widthOf(out))
      yield* line(out, [bold(out, first), ...body].join("\n"))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
