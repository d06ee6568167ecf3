/** The plan of the reaper as a list for people. Pure. */
import type { ReapPlan } from "@remote-agent/domain"

export interface PlanEntry {
  readonly key: string
  readonly action: ReapPlan.Action
  /** The sandbox, the launch or the agent that it is about. */
  readonly subject: string
  readonly reason: string
  readonly outcome: string
  readonly error?: string | undefined
}

interface Report {
  readonly entries: ReadonlyArray<{
    readonly decision: Pick<ReapPlan.Decision, "action" | "reason" | "sandboxId" | "agentId" | "attemptId">
    readonly outcome: string
    readonly error?: string | { readonly message: string } | undefined
  }>
}

export const actionNames: Readonly<Record<ReapPlan.Action, string>> = {
  terminate: "Terminate",
  forget: "Forget",
  "mark-lost": "Mark as lost",
  "mark-failed": "Mark as failed",
  "leave-alone": "Leave alone"
}

/** Whether an entry changes something. */
export const isWork = ({ action }: Pick<PlanEntry, "action">): boolean => action !== "leave-alone"

/** The entries of a report: those that change something first. */
export const planOf = ({ entries }: Report): ReadonlyArray<PlanEntry> =>
  entries
    .map(({ decision, error, outcome }, index) => ({
      key: String(index),
      action: decision.action,
      subject: decision.sandboxId ?? decision.agentId ?? decision.attemptId ?? "",
      reason: decision.reason,
      outcome,
      error: typeof error === "object" ? error.message : error
    }))
    .toSorted((a, b) => Number(isWork(b)) - Number(isWork(a)))
