import { RunStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, Schema } from "effect"
import { Flag } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { jsonText } from "../../ui/plainText.ts"
import { bold, line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { besideServer, command } from "../shared/command.ts"
import { optional, state } from "../shared/flags.ts"
import * as RunText from "./shared/runText.ts"

const head = ["RUN", "NAME", "STATUS", "PROFILE", "SIZE", "DONE", "FAILED", "TOTAL", "TIME"]

/** `run list`. */
export const list = command({
  name: "run list",
  at: besideServer,
  description: "List runs, newest first",
  flags: {
    status: optional(
      Flag.Literals("status", ["running", "paused", "stopped", "cancelled", "completed"]).pipe(
        Flag.withDescription("Only runs with this status")
      )
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))),
      Flag.withDefault(50),
      Flag.withDescription("How many runs at most")
    ),
    state
  },
  examples: [{ command: "remote-agent run list --json", description: "One JSON document per line" }],
  run: Effect.fn("run list")(
    function* ({ json, limit, status }): Run<State.Records> {
      const { note, out } = yield* Screen
      const store = yield* RunStore.RunStore
      const runs = yield* store.list({ limit, ...(status === undefined ? {} : { status: [status] }) })
      if (runs.length === 0) {
        return yield* line(note, "There are no runs.\n  remote-agent run start --file questions.txt")
      }
      if (json) {
        return yield* Effect.forEach(runs, (run) => line(out, jsonText(RunText.document(run))), {
          discard: true
        })
      }
      const now = yield* DateTime.now
      const rows = runs.map((run) => [
        run.id,
        run.name ?? "",
        run.status,
        run.profile,
        String(run.size),
        String(run.counts.ok + run.counts.failed),
        String(run.counts.failed),
        String(run.counts.total),
        RunText.elapsed(run, now)
      ])
      const [first = "", ...body] = Table.render([head, ...rows], Table.widthOf(out))
      yield* line(out, [bold(out, first), ...body].join("\n"))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
