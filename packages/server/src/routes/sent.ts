import { ApiError } from "@remote-agent/api"
import { Effect } from "effect"

/** A call whose failure is the error that is sent. */
export const sent = Effect.mapError(ApiError.fromFailure)
