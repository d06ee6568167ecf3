import { Effect } from "effect"
import type { OrchestratorError } from "@remote-agent/domain"

/** Reports a failure of the sandbox as itself. In these commands it is the reason, and not its effect on the agent. */
export const asSandboxError = <A, E, R>(
  effect: Effect.Effect<A, E | OrchestratorError.OrchestratorError, R>
) => Effect.catchReason(effect, "OrchestratorError", "SandboxFailed", ({ cause }) => Effect.fail(cause))
