import { DateTime, Schema } from "effect"
import { AgentStatus } from "../agent/AgentLifecycle.ts"

/** There is no record with this id. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { id: Schema.String }) {}

/** A record with this id exists already. */
export class AlreadyExists extends Schema.TaggedError<AlreadyExists>()("AlreadyExists", {
  id: Schema.String
}) {}

/** Somebody else wrote the record since it was read: read it again and decide anew. */
export class RevisionConflict extends Schema.TaggedError<RevisionConflict>()("RevisionConflict", {
  id: Schema.String,
  expected: Schema.Int,
  actual: Schema.Int
}) {}

/** The lifecycle knows no step from one status to the other. */
export class IllegalMove extends Schema.TaggedError<IllegalMove>()("IllegalMove", {
  id: Schema.String,
  from: AgentStatus,
  to: AgentStatus
}) {}

/** The query has ended, and its log with it. */
export class LogClosed extends Schema.TaggedError<LogClosed>()("LogClosed", { id: Schema.String }) {}

/** The claim on this is no longer its holder's: it ended, or expired and somebody else took it. */
export class ClaimLost extends Schema.TaggedError<ClaimLost>()("ClaimLost", { id: Schema.String }) {}
/** Somebody has taken over since: what was to be written was decided under an older lease. */
export class Fenced extends Schema.TaggedError<Fenced>()("Fenced", {
  resource: Schema.String,
  token: Schema.Int,
  current: Schema.Int
}) {}

/** Another has the lease until then. */
export class LeaseHeld extends Schema.TaggedError<LeaseHeld>()("LeaseHeld", {
  resource: Schema.String,
  holder: Schema.String,
  until: Schema.DateTimeUtcFromString
}) {}

/** The lease was taken by another, or was given back. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", { resource: Schema.String }) {}

/**
 * What keeps a database from doing its part.
 *
 * - `locked`: others hold it for longer than we wait.
 * - `slow`: it took longer than it may and was stopped.
 * - `full`: there is no room for what was to be written.
 * - `readOnly`: it may be read and not written.
 * - `unreachable`: it cannot be opened, or the connection to it was lost.
 * - `ioFailed`: the disk failed to read or write.
 */
export const Obstacle = Schema.Literals(["locked", "slow", "full", "readOnly", "unreachable", "ioFailed"])
export type Obstacle = typeof Obstacle.Type

/** The database cannot do its part now; nothing was half done. `store` names it. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  store: Schema.String,
  obstacle: Obstacle
}) {}

/** The database is not what we wrote. It was left as it is. */
export class Damaged extends Schema.TaggedError<Damaged>()("Damaged", { store: Schema.String }) {}

/** The database was written by a newer version of this program. It was left as it is. */
export class NewerSchema extends Schema.TaggedError<NewerSchema>()("NewerSchema", {
  store: Schema.String,
  found: Schema.Int,
  supported: Schema.Int
}) {}

/** One thing in a document that is not as it must be. No value is shown. */
export class DocumentProblem extends Schema.Class<DocumentProblem>(
  "@remote-agent/domain/StateStoreError/DocumentProblem"
)({ path: Schema.String, problem: Schema.String }) {}

/** The document is not one of ours, or not all of it can be read: every problem is listed, and nothing was done. */
export class InvalidDocument extends Schema.TaggedError<InvalidDocument>()("InvalidDocument", {
  file: Schema.String,
  problems: Schema.NonEmptyArray(DocumentProblem)
}) {}

/** Why a state store failed. */
export const Reason = Schema.Union([
  NotFound,
  AlreadyExists,
  RevisionConflict,
  IllegalMove,
  LogClosed,
  ClaimLost,
  Fenced,
  LeaseHeld,
  LeaseLost,
  Unavailable,
  Damaged,
  NewerSchema,
  InvalidDocument
])
export type Reason = typeof Reason.Type

/** Every failure of a state store: `operation` says where, `reason` says why. */
export class StateStoreError extends Schema.TaggedError<StateStoreError>()("StateStoreError", {
  operation: Schema.String,
  reason: Reason
}) {
  override get message() {
    return `state store (${this.operation}): ${explain(this.reason)}`
  }

  /**
   * Whether doing it again may help and cannot do harm; after a `RevisionConflict`, reading again first, and after
   * `LeaseHeld`, when the lease has run out. A write whose connection was lost may have been done, so it is not.
   */
  get isRetryable(): boolean {
    const { operation, reason } = this
    switch (reason._tag) {
      case "RevisionConflict":
      case "LeaseHeld":
        return true
      case "Unavailable":
        return (
          reason.obstacle === "locked" ||
          reason.obstacle === "slow" ||
          (reason.obstacle === "unreachable" && reads.has(operation))
        )
      default:
        return false
    }
  }
}

const reads: ReadonlySet<string> = new Set([
  "open",
  "getAgent",
  "listAgents",
  "pageAgents",
  "findAgents",
  "getQuery",
  "newestQuery",
  "listQueries",
  "events",
  "getPool",
  "listPools",
  "usage",
  "usageBy",
  "listIntents",
  "currentLease"
])

const explain = (reason: Reason): string => {
  switch (reason._tag) {
    case "NotFound":
      return `${reason.id} is not known. See what is with \`remote-agent list\`.`
    case "AlreadyExists":
      return `${reason.id} exists already. Take another id.`
    case "RevisionConflict":
      return `${reason.id} was changed by somebody else (revision ${reason.actual}, not ${reason.expected}). Read it again.`
    case "IllegalMove":
      return `${reason.id} cannot go from ${reason.from} to ${reason.to}. Read it again.`
    case "LogClosed":
      return `${reason.id} has ended and takes no more events. Ask a new query.`
    case "ClaimLost":
      return `the claim on ${reason.id} was lost to somebody else. Leave it to them.`
    case "Fenced":
      return `${reason.resource} was taken over by somebody else (lease ${reason.current}, not ${reason.token}). Stop working on it.`
    case "LeaseHeld":
      return `${reason.resource} is in use by ${reason.holder} until ${DateTime.formatIso(reason.until)}. Try again when it is free.`
    case "LeaseLost":
      return `The lease of ${reason.resource} was taken by somebody else or given back. Stop working on it, or take it anew.`
    case "Unavailable":
      return `${reason.store} ${obstacles[reason.obstacle]}`
    case "Damaged":
      return `${reason.store} is damaged or holds something else, and was left as it is. Put a backup in its place, or name another.`
    case "InvalidDocument":
      return `${reason.file} cannot be imported, and nothing was. Correct this:\n${reason.problems.map(({ path, problem }) => `${path} ${problem}.`).join("\n")}`
    case "NewerSchema":
      return `${reason.store} has schema ${reason.found}, and this version knows ${reason.supported}. Use the newer remote-agent that wrote it.`
  }
}

const obstacles: Record<Obstacle, string> = {
  locked: "is locked by others. Try again when they are done.",
  slow: "took too long to answer, and nothing was done. Try again when it is less busy.",
  full: "has no room left. Free disk space and try again.",
  readOnly: "may be read only. Allow writing to it and its folder.",
  unreachable: "cannot be opened or reached. Check that it is there and that you have access.",
  ioFailed: "could not be read or written. Check the disk it is on."
}
