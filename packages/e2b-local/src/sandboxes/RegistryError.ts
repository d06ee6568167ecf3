/**
 * Failures of sandboxes and snapshots. They know no HTTP status; `api/` maps them.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

/** There is no such sandbox, running or paused. */
export class SandboxNotFound extends Schema.TaggedError<SandboxNotFound>()("SandboxNotFound", {
  id: Schema.String
}) {}

/** The sandbox is paused, and the operation needs a running one. */
export class SandboxPaused extends Schema.TaggedError<SandboxPaused>()("SandboxPaused", {
  id: Schema.String
}) {}

/** The sandbox is running, and the operation needs a paused one. */
export class SandboxRunning extends Schema.TaggedError<SandboxRunning>()("SandboxRunning", {
  id: Schema.String
}) {}

/** The reference names neither a snapshot nor the base template. */
export class TemplateNotFound extends Schema.TaggedError<TemplateNotFound>()("TemplateNotFound", {
  reference: Schema.String
}) {}

/** The disk is full. */
export class DiskFull extends Schema.TaggedError<DiskFull>()("DiskFull", { detail: Schema.String }) {}

/** The server is stopping. */
export class ServerStopping extends Schema.TaggedError<ServerStopping>()("ServerStopping", {}) {}

/** The host refused something that the sandbox needs. */
export class HostFailed extends Schema.TaggedError<HostFailed>()("HostFailed", { detail: Schema.String }) {}

/** An operation of the registry or of the snapshot store failed. `reason` says why. */
export class RegistryError extends Schema.TaggedError<RegistryError>()("RegistryError", {
  operation: Schema.Literals([
    "create",
    "get",
    "connect",
    "resume",
    "pause",
    "setTimeout",
    "kill",
    "snapshot",
    "template"
  ]),
  reason: Schema.Union([
    SandboxNotFound,
    SandboxPaused,
    SandboxRunning,
    TemplateNotFound,
    DiskFull,
    ServerStopping,
    HostFailed
  ])
}) {
  override get message() {
    const { operation, reason } = this
    switch (reason._tag) {
      case "SandboxNotFound":
        return `sandbox "${reason.id}" was not found`
      case "SandboxPaused":
        return operation === "pause"
          ? `sandbox "${reason.id}" is already paused`
          : `sandbox "${reason.id}" is paused and has no timeout`
      case "SandboxRunning":
        return `sandbox "${reason.id}" is already running`
      case "TemplateNotFound":
        return `template ${JSON.stringify(reason.reference)} was not found: local sandboxes are created from "base" or from a snapshot`
      case "DiskFull":
      case "HostFailed":
        return reason.detail
      case "ServerStopping":
        return "the server is stopping"
    }
  }
}

/** The error of one operation with one reason. */
export const registryError = (operation: RegistryError["operation"], reason: RegistryError["reason"]) =>
  new RegistryError({ operation, reason })
