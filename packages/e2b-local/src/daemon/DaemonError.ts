/**
 * Everything that can keep a daemon from being started, found or stopped.
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

/** Nobody serves the folder. */
export class NotRunning extends Schema.TaggedError<NotRunning>()("NotRunning", {}) {}

/** A process holds the folder and does not answer: it hangs, or is out of sight (in a container, of another host). */
export class Unanswered extends Schema.TaggedError<Unanswered>()("Unanswered", {
  pid: Schema.NullOr(Schema.Int)
}) {}

/** The process that was started to serve has ended, or has not come to answer. `log` is the file that says why. */
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

/** The daemon is of another version than who wants to use it. */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>()("VersionMismatch", {
  running: Schema.String,
  wanted: Schema.String,
  pid: Schema.Int
}) {}

/** The daemon isolates its sandboxes in another way than was asked for. */
export class IsolationMismatch extends Schema.TaggedError<IsolationMismatch>()("IsolationMismatch", {
  running: Schema.String,
  wanted: Schema.String,
  pid: Schema.Int
}) {}

/** To stop would end sandboxes, and nobody has said that it may. Those that are being created count as running. */
export class SandboxesLeft extends Schema.TaggedError<SandboxesLeft>()("SandboxesLeft", {
  running: Schema.Int,
  paused: Schema.Int
}) {}

/** `operation` says where it failed, `reason` why. */
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
        return `A server of ${folder} runs already (pid ${reason.pid}${reason.background ? ", in the background" : ""}). Use it, stop it first, or take another folder.`
      case "NotRunning":
        return `No server of ${folder} is running. Start one first.`
      case "Unanswered":
        return `The server of ${folder}${reason.pid === null ? "" : ` (pid ${reason.pid})`} does not answer. Wait a moment and try again, or end that process.`
      case "StartFailed":
        return `The server of ${folder} did not start: ${reason.detail}. Look into ${reason.log}.`
      case "ServerFailed":
        return reason.cause.message.replace(/\.?\n/, ". ")
      case "FileUnusable":
        return `The file ${reason.path} cannot be used: ${reason.detail}. Remove it, or check who may read and write it.`
      case "VersionMismatch":
        return `The server of ${folder} (pid ${reason.pid}) is of version ${reason.running}, and this is ${reason.wanted}. Stop it when its sandboxes are no longer needed, then try again; or use the version ${reason.running}.`
      case "IsolationMismatch":
        return `The server of ${folder} (pid ${reason.pid}) runs with the isolation "${reason.running}", and "${reason.wanted}" was asked for. Stop it when its sandboxes are no longer needed, then try again; or ask for what it has.`
      case "SandboxesLeft":
        return `The server holds ${count(reason.running + reason.paused, "sandbox", "sandboxes")} (${reason.running} running, ${reason.paused} paused), which would end with it. End them first, or say that they may.`
    }
  }

  /** Whether the same call may succeed later without anything being changed. */
  get isRetryable() {
    return this.reason._tag === "Unanswered"
  }
}

const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`
