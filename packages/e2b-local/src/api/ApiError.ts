/**
 * Refusals of plain HTTP requests: of the control plane and of `/files`.
 *
 * @since 0.1.0
 */
import { Schema, SchemaIssue } from "effect"
import { HttpServerResponse } from "effect/http"
import type { RegistryError } from "../sandboxes/RegistryError.ts"

/** The statuses of refusals. */
const Status = Schema.Literals([400, 401, 403, 404, 409, 415, 416, 500, 501, 503, 507])

/** A refused request with its HTTP status. The message is sent to the client. */
export class ApiError extends Schema.TaggedError<ApiError>()("ApiError", {
  status: Status,
  message: Schema.String
}) {}

/** A refusal with one status. */
export const refuse = (status: typeof Status.Type, message: string) => new ApiError({ status, message })

/** The body of a refusal. E2B's SDK recognises some errors by `code` instead of the status. */
export const body = ({ message, status }: ApiError) => ({ code: status, message })

/** The response of a refusal. */
export const response = (error: ApiError) =>
  HttpServerResponse.jsonUnsafe(body(error), { status: error.status })

const statuses: Readonly<Record<RegistryError["reason"]["_tag"], typeof Status.Type>> = {
  SandboxNotFound: 404,
  SandboxPaused: 409,
  SandboxRunning: 409,
  TemplateNotFound: 404,
  DiskFull: 507,
  ServerStopping: 503,
  HostFailed: 500
}

/** The refusal of a request whose operation on the registry failed. */
export const ofRegistry = (error: RegistryError) => refuse(statuses[error.reason._tag], error.message)

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** Describes why input does not fit a schema: by the names of its fields, without its values. */
export const describeIssue = (error: Schema.SchemaError): string => {
  const texts = format(error.issue).issues.map(({ message, path = [] }) => {
    const name = path.map(String).join(".")
    if (message === "Expected no excess property") return `${name} is not available in local sandboxes`
    const said = message === "Missing key" ? "is required" : message.replace(/^Expected /, "must be ")
    return `${name === "" ? "the request" : name} ${said}`
  })
  return [...new Set(texts)].join("; ")
}
