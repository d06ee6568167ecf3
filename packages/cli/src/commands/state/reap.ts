import { RemoteAgentConfig } from "@remote-agent/domain"
import { Orchestrator, type Reaper } from "@remote-agent/orchestrator"
import { DateTime, Duration, Effect, Schema, type Terminal } from "effect"
import { Flag } from "effect/cli"
import * as App from "../../app/App.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { confirm } from "../../ui/Confirm.ts"
import { exitCode } from "../../ui/ExitCode.ts"
import { Ended, Usage } from "../../ui/Failure.ts"
import { toJson } from "../../ui/failureText.ts"
import { dim, line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { durable, onOff, optional } from "../shared/flags.ts"

const entryOf = ({ decision, error, outcome }: Reaper.Entry) => ({
  ...decision,
  outcome,
  ...(error === undefined ? {} : toJson(error))
})

const documentOf = ({ at, complete, dryRun, entries, owner, provider }: Reaper.Report) => ({
  at: DateTime.formatIso(at),
  owner,
  provider,
  complete,
  dryRun,
  entries: entries.map(entryOf)
})

const rowOf = ({ decision, error, outcome }: Reaper.Entry): ReadonlyArray<string> => [
  decision.action,
  outcome,
  decision.sandboxId ?? "-",
  decision.agentId ?? decision.attemptId ?? "-",
  error === undefined ? decision.reason : error.message
]

const summaryOf = ({ complete, dryRun, entries }: Reaper.Report): string => {
  const count = (outcome: Reaper.Outcome) => entries.filter((entry) => entry.outcome === outcome).length
  const done = dryRun
    ? `${count("planned")} to do`
    : `${count("done")} done, ${count("spared")} spared, ${count("postponed")} postponed, ${count("failed")} failed`
  return `${done}; ${count("left")} left alone.${complete ? "" : " Not every sandbox was listed; run it again."}`
}

/** `reap`. */
export const reap = command({
  name: "reap",
  description: "Terminate the sandboxes that crashes have left: those of this state that belong to no agent",
  flags: {
    dryRun: onOff("dry-run", "Print what would be done, and do nothing"),
    includePausedOlderThan: optional(
      Flag.Int("include-paused-older-than").pipe(
        Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3650 }))),
        Flag.withDescription("Terminate agents that have been paused for more than this many days, too")
      )
    ),
    all: onOff("all", "Also print everything that is kept"),
    yes: onOff("yes", "Terminate paused agents without confirmation"),
    ...durable
  },
  examples: [
    { command: "remote-agent reap --dry-run", description: "Print the planned actions and their reasons" },
    { command: "remote-agent reap --include-paused-older-than 30 --yes", description: "From cron" }
  ],
  run: Effect.fn("reap")(
    function* (flags): Run<State.Records | Terminal.Terminal> {
      const { all, dryRun, includePausedOlderThan: days, json, yes } = flags
      const { note, out } = yield* Screen
      const { REMOTE_AGENT_STATE: location } = yield* RemoteAgentConfig.RemoteAgentConfig
      if (location?._tag === "Memory") {
        return yield* new Usage({
          message:
            "A state in memory knows no sandboxes, so every sandbox would look abandoned. Set REMOTE_AGENT_STATE to a file or a database."
        })
      }
      if (days !== undefined && !dryRun) {
        yield* confirm(
          `Terminate every agent that has been paused for more than ${days} days, and delete its files?`,
          yes
        )
      }
      const report = yield* Effect.flatMap(Orchestrator.Orchestrator, ({ state }) =>
        state.reap({
          dryRun,
          removePaused: days !== undefined,
          ...(days === undefined ? {} : { retention: Duration.days(days) })
        })
      ).pipe(Effect.provide(App.agents(flags)))
      if (json) yield* line(out, jsonText(documentOf(report)))
      else {
        const entries = report.entries.filter(({ outcome }) => all || outcome !== "left")
        const head = ["ACTION", "OUTCOME", "SANDBOX", "AGENT", "REASON"]
        const table = Table.render([head, ...entries.map(rowOf)], Table.widthOf(out))
        if (entries.length > 0) yield* line(out, table.join("\n"))
        yield* line(note, dim(note, summaryOf(report)))
      }
      if (report.entries.some(({ outcome }) => outcome === "failed" || outcome === "postponed")) {
        return yield* new Ended({ code: exitCode.partly })
      }
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
