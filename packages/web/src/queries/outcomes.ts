import type { AgentEvent } from "@remote-agent/domain"

/** How queries end, in words. */
export const outcomeNames: Readonly<Record<AgentEvent.Outcome, string>> = {
  ok: "Answered",
  error: "Failed",
  max_iterations: "Out of steps",
  denied: "Denied",
  empty: "No answer",
  aborted: "Cancelled",
  timeout: "Timed out",
  crash: "Crashed"
}
