import { RemoteAgentConfig } from "@remote-agent/domain"
import { Orchestrator, type Reaper } from "@remote-agent/orchestrator"
import { DateTime, Duration, Effect, type Terminal } from "effect"
import * as App from "../../app/App.ts"
import { confirm } from "../../ui/Confirm.ts"
import { Ended, exitCode, type Run, Usage } from "../../ui/Failure.ts"
import { dim, line, Screen } from "../../ui/Screen.ts"
import * as State from "../../app/State.ts"
import * as Table from "../../ui/Table.ts"

/** The flags of `reap`. */
export interface ReapFlags extends App.AppFlags {
  readonly dryRun: boolean
  /** In days. */
  readonly includePausedOlderThan?: number | undefined
  readonly all: boolean
  readonly yes: boolean
  readonly json: boolean
}

/** What was decided and what became of it, for programs. */
const entryOf = ({ decision, error, outcome }: Reaper.Entry) => ({
  ...decision,
  outcome,
  ...(error === undefined ? {} : { error: error.message })
})

/** A report for programs. */
export const documentOf = ({ at, complete, dryRun, entries, owner, provider }: Reaper.Report) => ({
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

const count = (entries: ReadonlyArray<Reaper.Entry>, outcome: Reaper.Outcome) =>
  entries.filter((entry) => entry.outcome === outcome).length

const summary = ({ complete, dryRun, entries }: Reaper.Report): string => {
  const left = count(entries, "left")
  const acted = dryRun
    ? `${count(entries, "planned")} to do`
    : `${count(entries, "done")} done, ${count(entries, "spared")} spared, ${count(entries, "postponed")} postponed, ${count(entries, "failed")} failed`
  return `${acted}; ${left} left alone.${complete ? "" : " Not every sandbox was seen; run it again."}`
}

/**
 * Ends what crashes have left, or says what it would. Fails with `Usage` where the state is in memory: then nothing
 * says whose sandboxes are whose. Ends with 5 when something could not be done.
 */
export const run = Effect.fn("reap")(function* ({
  all,
  dryRun,
  includePausedOlderThan: days,
  json,
  yes,
  ...flags
}: ReapFlags): Run<Terminal.Terminal> {
  const { note, out } = yield* Screen
  const options = {
    dryRun,
    removePaused: days !== undefined,
    ...(days === undefined ? {} : { retention: Duration.days(days) })
  }
  const { REMOTE_AGENT_STATE: location } = yield* Effect.provide(
    RemoteAgentConfig.RemoteAgentConfig,
    State.layer(flags)
  )
  if (location?._tag === "Memory") {
    return yield* new Usage({
      message:
        "A state in memory knows no sandbox, and every one would be taken for an orphan. Set REMOTE_AGENT_STATE to a file or a database."
    })
  }
  if (days !== undefined && !dryRun) {
    yield* confirm(`End every agent that has slept for more than ${days} days, and its files?`, yes)
  }
  const reaped = Effect.flatMap(Orchestrator.Orchestrator, ({ reap }) => reap(options))
  const report = yield* Effect.provide(reaped, App.durable(flags))
  if (json) yield* line(out, JSON.stringify(documentOf(report)))
  else {
    const entries = report.entries.filter(({ outcome }) => all || outcome !== "left")
    if (entries.length > 0) {
      const head = ["ACTION", "OUTCOME", "SANDBOX", "AGENT", "WHY"]
      yield* line(
        out,
        Table.render([head, ...entries.map(rowOf)], out.live ? out.columns() : undefined).join("\n")
      )
    }
    yield* line(note, dim(note, summary(report)))
  }
  if (report.entries.some(({ outcome }) => outcome === "failed" || outcome === "postponed")) {
    return yield* new Ended({ code: exitCode.partly })
  }
})
