import type { Run } from "@remote-agent/domain"
import { DateTime, Duration } from "effect"
import { plain } from "../../../ui/plainText.ts"

/** A run as a document. */
export const document = (run: Run.Run) => ({
  id: run.id,
  ...(run.name === undefined ? {} : { name: run.name }),
  status: run.status,
  ...(run.stopReason === undefined ? {} : { stopReason: run.stopReason }),
  ...(run.problem === undefined ? {} : { problem: run.problem }),
  profile: run.profile,
  size: run.size,
  priority: run.priority,
  sealed: run.sealed,
  counts: { ...run.counts },
  usage: { ...run.usage },
  ...(run.schedule === undefined
    ? {}
    : { schedule: { id: run.schedule.id, tick: DateTime.formatIso(run.schedule.tick) } }),
  createdAt: DateTime.formatIso(run.createdAt),
  ...(run.endedAt === undefined ? {} : { endedAt: DateTime.formatIso(run.endedAt) })
})

const reasons: Record<Run.StopReason, string> = {
  failures: "too many questions failed",
  budget: "its budget is used up",
  launch: "no agent could be launched"
}

/** The status of a run in one line. */
export const summary = ({ counts, problem, status, stopReason }: Run.Run): string => {
  const { failed, limited, ok, retried, running, total, waiting } = counts
  const parts = [
    `${status}${stopReason === undefined ? "" : `: ${reasons[stopReason]}`}`,
    `${ok + failed} of ${total} done`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(running === 0 ? [] : [`${running} running`]),
    ...(waiting === 0 ? [] : [`${waiting} waiting`]),
    ...(retried === 0 ? [] : [`${retried} tried again`]),
    ...(limited === 0 ? [] : [`${limited} put back by usage limits`])
  ]
  return [parts.join(", "), ...(problem === undefined ? [] : [plain(problem)])].join("\n  ")
}

/** How long a run has taken, or takes. */
export const elapsed = ({ createdAt, endedAt }: Run.Run, now: DateTime.Utc): string => {
  const seconds = Math.max(
    0,
    Math.round(DateTime.distance(createdAt, endedAt ?? now).pipe(Duration.toSeconds))
  )
  return Duration.format(Duration.seconds(seconds))
}
