/**
 * Everything that can keep the server from starting or from giving a sandbox.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

/** No form of isolation that was allowed works on this host. */
export class IsolationUnavailable extends Schema.TaggedError<IsolationUnavailable>()("IsolationUnavailable", {
  detail: Schema.String,
  hint: Schema.String
}) {}

/** The folder for sandboxes cannot be used: not ours, a link, open to others, or not writable. */
export class DirectoryUnusable extends Schema.TaggedError<DirectoryUnusable>()("DirectoryUnusable", {
  directory: Schema.String,
  detail: Schema.String
}) {}

/** The port could not be bound on the loopback interface. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  port: Schema.Int,
  detail: Schema.String
}) {}

/** The isolated process tree of a sandbox did not come up. */
export class BootFailed extends Schema.TaggedError<BootFailed>()("BootFailed", { detail: Schema.String }) {}

/** Every failure of this package outside of the protocol; `reason` says which, `operation` says where. */
export class E2bServerError extends Schema.TaggedError<E2bServerError>()("E2bServerError", {
  operation: Schema.Literals(["probe", "directory", "listen", "boot"]),
  reason: Schema.Union([IsolationUnavailable, DirectoryUnusable, ListenFailed, BootFailed])
}) {
  override get message() {
    const reason = this.reason
    switch (reason._tag) {
      case "IsolationUnavailable":
        return `No isolation for local sandboxes: ${reason.detail}\n${reason.hint}`
      case "DirectoryUnusable":
        return `The folder ${reason.directory} cannot hold sandboxes: ${reason.detail}\nName another one with the option \`directory\`, or remove it.`
      case "ListenFailed":
        return `The server could not listen on 127.0.0.1:${reason.port}: ${reason.detail}\nLeave out \`port\` to take any free one.`
      case "BootFailed":
        return `A sandbox could not be started: ${reason.detail}\nTry again; if it stays, check the free memory, processes and disk of this host.`
    }
  }

  /** Whether the same call may succeed later without anything being changed. */
  get isRetryable() {
    return this.reason._tag === "BootFailed"
  }
}
