import { WorkerStore } from "@remote-agent/orchestrator"
import { DateTime, Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { jsonText } from "../../ui/plainText.ts"
import { bold, line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { atState, command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"

const head = ["WORKER", "SLOTS", "STARTED", "SEEN", "STATUS"]

const timeOf = (millis: number) => DateTime.formatIso(DateTime.makeUnsafe(millis))

/** `worker list`. */
export const list = command({
  name: "worker list",
  at: atState,
  description: "List the workers that have reported themselves within the last minute",
  flags: { state },
  examples: [{ command: "remote-agent worker list --json", description: "One JSON document per line" }],
  run: Effect.fn("worker list")(
    function* ({ json }): Run<State.Records> {
      const [{ note, out }, workers] = [yield* Screen, yield* WorkerStore.WorkerStore]
      const rows = (yield* workers.list).map(({ draining, name, seenAt, slots, startedAt }) => ({
        name,
        slots,
        startedAt: timeOf(startedAt),
        seenAt: timeOf(seenAt),
        status: draining ? "draining" : "working"
      }))
      if (rows.length === 0) return yield* line(note, "There are no workers.\n  remote-agent worker")
      if (json) return yield* Effect.forEach(rows, (row) => line(out, jsonText(row)), { discard: true })
      const cells = rows.map((row) => [row.name, String(row.slots), row.startedAt, row.seenAt, row.status])
      const [first = "", ...body] = Table.render([head, ...cells], Table.widthOf(out))
      yield* line(out, [bold(out, first), ...body].join("\n"))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
