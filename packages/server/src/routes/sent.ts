import { ApiError } from "@remote-agent/api"
import { Effect } from "effect"

/** A call of the orchestrator whose failure is the error that is sent. */
export const sent = Effect.mapError(ApiError.fromOrchestrator)
