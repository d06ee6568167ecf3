/**
 * Failures to start, find or stop a daemon.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import { E2bServerError } from "../E2bServerError.ts"

/** Another process serves the folder already. */
export class AlreadyRunning extends Schema.TaggedError<AlreadyRunning>()("AlreadyRunning", {
  pid: Schema.Int,
  background: Schema.Boolean
}) {}

/** No process serves the folder. */
export class NotRunning extends Schema.TaggedError<NotRunning>()("NotRunning", {}) {}

/** A process holds the folder and does not answer: it hangs, or it is in a container or on another host. */
export class Unanswered extends Schema.TaggedError<Unanswered>()("Unanswered", {
  pid: Schema.NullOr(Schema.Int)
}) {}

/** The started process has ended or does not answer. `log` is the path of its log. */
export class StartFailed extends Schema.TaggedError<StartFailed>()("StartFailed", {
  detail: Schema.String,
  log: Schema.String
}) {}

/** The server itself could not start: its isolation, its folder or its port. */
export class ServerFailed extends Schema.TaggedError<ServerFailed>()("ServerFailed", {
  cause: E2bServerError
}) {}

/** A file of the daemon cannot be used. */
export class FileUnusable extends Schema.TaggedError<FileUnusable>()("FileUnusable", {
  path: Schema.String,
  detail: Schema.String
}) {}

/** The daemon and the client have different versions. */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>()("VersionMismatch", {
  running: Schema.String,
  wanted: Schema.String,
  pid: Schema.Int
}) {}

/** The daemon has another isolation than the client asks for. */
export class IsolationMismatch extends Schema.TaggedError<IsolationMismatch>()("IsolationMismatch", {
  running: Schema.String,
  wanted: Schema.String,
  pid: Schema.Int
}) {}

/** Stopping would kill sandboxes and was not forced. Sandboxes that are being created count as running. */
export class SandboxesLeft extends Schema.TaggedError<SandboxesLeft>()("SandboxesLeft", {
  running: Schema.Int,
  paused: Schema.Int
}) {}

/**
 * A failure of the daemon. `operation` says where, `reason` says why.
 *
 * @category errors
 * @since 0.1.0
 */
export class DaemonError extends Schema.TaggedError<DaemonError>()("DaemonError", {
  operation: Schema.Literals(["serve", "start", "status", "stop"]),
  folder: Schema.String,
  reason: Schema.Union([
    AlreadyRunning,
    NotRunning,
    Unanswered,
    StartFailed,
    ServerFailed,
    FileUnusable,
    VersionMismatch,
    IsolationMismatch,
    SandboxesLeft
  ])
}) {
  override get message() {
    const { folder, reason } = this
    switch (reason._tag) {
      case "AlreadyRunning":
        return `A server of ${folder} runs already (pid ${reason.pid}${reason.background ? ", in the background" : ""}). Use it, stop it first, or choose another folder.`
      case "NotRunning":
        return `No server of ${folder} is running. Start one first.`
      case "Unanswered":
        return `The server of ${folder}${reason.pid === null ? "" : ` (pid ${reason.pid})`} does not answer. Wait a moment and try again, or kill that process.`
      case "StartFailed":
        return `The server of ${folder} did not start: ${reason.detail}. Its log is ${reason.log}.`
      case "ServerFailed":
        return reason.cause.message.replace(/\.?\n/, ". ")
      case "FileUnusable":
        return `The file ${reason.path} cannot be used: ${reason.detail}. Remove it, or check who may read and write it.`
      case "VersionMismatch":
        return `The server of ${folder} (pid ${reason.pid}) has version ${reason.running}, and this is version ${reason.wanted}. Stop it when its sandboxes are no longer needed, then try again; or use version ${reason.running}.`
      case "IsolationMismatch":
        return `The server of ${folder} (pid ${reason.pid}) runs with isolation "${reason.running}", but "${reason.wanted}" is requested. Stop it when its sandboxes are no longer needed, then try again; or request its isolation.`
      case "SandboxesLeft":
        return `The server holds ${count(reason.running + reason.paused, "sandbox", "sandboxes")} (${reason.running} running, ${reason.paused} paused), which would be killed with it. Kill them first, or force the stop.`
    }
  }

  /** Whether the same call may succeed later without a change. */
  get isRetryable() {
    return this.reason._tag === "Unanswered"
  }
}

const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`
