/**
 * Failures of the server: of its start and of the boot of a sandbox.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

/**
 * No allowed form of isolation works on this host.
 *
 * @category errors
 * @since 0.1.0
 */
export class IsolationUnavailable extends Schema.TaggedError<IsolationUnavailable>()("IsolationUnavailable", {
  detail: Schema.String,
  hint: Schema.String
}) {}

/**
 * The folder for sandboxes cannot be used: it belongs to another user, is a link, or others can write to it.
 *
 * @category errors
 * @since 0.1.0
 */
export class DirectoryUnusable extends Schema.TaggedError<DirectoryUnusable>()("DirectoryUnusable", {
  directory: Schema.String,
  detail: Schema.String
}) {}

/**
 * The port cannot be bound on the loopback interface.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  port: Schema.Int,
  detail: Schema.String
}) {}

/**
 * The isolated process tree of a sandbox did not start.
 *
 * @category errors
 * @since 0.1.0
 */
export class BootFailed extends Schema.TaggedError<BootFailed>()("BootFailed", { detail: Schema.String }) {}

/**
 * A failure of the server outside of the protocol. `reason` says why, `operation` says where.
 *
 * @category errors
 * @since 0.1.0
 */
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
        return `The folder ${reason.directory} cannot hold sandboxes: ${reason.detail}\nChoose another one with the option \`directory\`, or remove it.`
      case "ListenFailed":
        return `The server could not listen on 127.0.0.1:${reason.port}: ${reason.detail}\nLeave out \`port\` to take any free one.`
      case "BootFailed":
        return `A sandbox could not be started: ${reason.detail}\nTry again. If it happens again, check the free memory, processes and disk of this host.`
    }
  }

  /** Whether the same call may succeed later without a change. */
  get isRetryable() {
    return this.reason._tag === "BootFailed"
  }
}
