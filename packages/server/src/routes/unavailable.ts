import { ApiError } from "@remote-agent/api"
import type { StateStoreError } from "@remote-agent/domain"

/** A failure of the state store as it is sent. */
export const unavailable = ({ isRetryable, message, reason }: StateStoreError.StateStoreError) =>
  new ApiError.Unavailable({ error: { reason: reason._tag, message, retryable: isRetryable } })
