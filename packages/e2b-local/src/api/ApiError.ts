/**
 * Refusals of plain HTTP: the control plane and `/files`.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import { HttpServerResponse } from "effect/http"

/** A refusal with its HTTP status; the message goes to the client as it is. */
export class ApiError extends Schema.TaggedError<ApiError>()("ApiError", {
  status: Schema.Int,
  message: Schema.String
}) {}

/** The body that the SDK reads: it tells some errors by `code`, not by the status. */
export const response = (error: ApiError) =>
  HttpServerResponse.jsonUnsafe({ code: error.status, message: error.message }, { status: error.status })
