import { DateTime, Schema } from "effect"
import { AgentStatus } from "../agent/AgentLifecycle.ts"

/** The store has no record with this id. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { id: Schema.String }) {
  override get message() {
    return `there is no record of ${this.id}. List the known agents with \`remote-agent list\`.`
  }
}

/** The store has a record with this id already. */
export class AlreadyExists extends Schema.TaggedError<AlreadyExists>()("AlreadyExists", {
  id: Schema.String
}) {
  override get message() {
    return `${this.id} exists already. Choose another id.`
  }
}

/** The name is held by an agent that is launching, active or paused. */
export class NameTaken extends Schema.TaggedError<NameTaken>()("NameTaken", {
  name: Schema.String,
  /** The agent that holds the name. */
  id: Schema.String
}) {
  override get message() {
    return `the name ${this.name} belongs to ${this.id}. Choose another name, or terminate that agent.`
  }
}

/** The record was changed after it was read. Read it again and decide again. */
export class RevisionConflict extends Schema.TaggedError<RevisionConflict>()("RevisionConflict", {
  id: Schema.String,
  expected: Schema.Int,
  actual: Schema.Int
}) {
  override get message() {
    return `${this.id} was changed by another process (revision ${this.actual}, not ${this.expected}). Read it again.`
  }
}

/** The lifecycle of an agent does not allow this change of status. */
export class IllegalMove extends Schema.TaggedError<IllegalMove>()("IllegalMove", {
  id: Schema.String,
  from: AgentStatus,
  to: AgentStatus
}) {
  override get message() {
    return `${this.id} cannot go from ${this.from} to ${this.to}. Read it again.`
  }
}

/** The query has ended, so its log takes no more events. */
export class LogClosed extends Schema.TaggedError<LogClosed>()("LogClosed", { id: Schema.String }) {
  override get message() {
    return `${this.id} has ended and takes no more events. Start a new query.`
  }
}

/** The claim ended, or it expired and another process took it. */
export class ClaimLost extends Schema.TaggedError<ClaimLost>()("ClaimLost", { id: Schema.String }) {
  override get message() {
    return `another process holds the claim on ${this.id} now. Leave the work to it.`
  }
}

/** Another process has acquired the lease since. The write was decided under an older lease and was refused. */
export class Fenced extends Schema.TaggedError<Fenced>()("Fenced", {
  resource: Schema.String,
  token: Schema.Int,
  current: Schema.Int
}) {
  override get message() {
    return `another process has taken over ${this.resource} (lease ${this.current}, not ${this.token}). Stop working on it.`
  }
}

/** Another process holds the lease until the given time. */
export class LeaseHeld extends Schema.TaggedError<LeaseHeld>()("LeaseHeld", {
  resource: Schema.String,
  holder: Schema.String,
  until: Schema.DateTimeUtcFromString
}) {
  override get message() {
    return `${this.resource} is in use by ${this.holder} until ${DateTime.formatIso(this.until)}. Try again when it is free.`
  }
}

/** The lease was released, or another process acquired it. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", { resource: Schema.String }) {
  override get message() {
    return `the lease of ${this.resource} was released, or another process acquired it. Stop working on it, or acquire it again.`
  }
}

/**
 * Why a database cannot do its part.
 *
 * **Details**
 *
 * - `locked`: other processes hold a lock for longer than the store waits.
 * - `slow`: the statement took longer than allowed and was cancelled.
 * - `full`: the disk has no room for the write.
 * - `readOnly`: the database may be read but not written.
 * - `unreachable`: the database cannot be opened, or the connection to it was lost.
 * - `ioFailed`: the disk failed to read or write.
 *
 * @category models
 * @since 0.1.0
 */
export const Obstacle = Schema.Literals(["locked", "slow", "full", "readOnly", "unreachable", "ioFailed"])
export type Obstacle = typeof Obstacle.Type

const obstacles: Record<Obstacle, string> = {
  locked: "is locked by other processes. Try again when they are done.",
  slow: "took too long to answer, and nothing was done. Try again when it is less busy.",
  full: "has no room left. Free disk space and try again.",
  readOnly: "is read-only. Allow writing to it and to its folder.",
  unreachable: "cannot be opened or reached. Check that it exists and that you have access.",
  ioFailed: "could not be read or written. Check its disk."
}

/** The database cannot do its part now, and nothing was half done. `store` names the database. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  store: Schema.String,
  obstacle: Obstacle
}) {
  override get message() {
    return `${this.store} ${obstacles[this.obstacle]}`
  }
}

/** The database is damaged or belongs to another program. It was not changed. */
export class Damaged extends Schema.TaggedError<Damaged>()("Damaged", { store: Schema.String }) {
  override get message() {
    return `${this.store} is damaged or belongs to another program, and was not changed. Restore a backup, or name another one.`
  }
}

/** The database was written by a newer version of this program. It was not changed. */
export class NewerSchema extends Schema.TaggedError<NewerSchema>()("NewerSchema", {
  store: Schema.String,
  found: Schema.Int,
  supported: Schema.Int
}) {
  override get message() {
    return `${this.store} has schema ${this.found}, and this version supports ${this.supported}. Use the newer remote-agent that wrote it.`
  }
}

/**
 * One problem of a document. It shows no value.
 *
 * @category models
 * @since 0.1.0
 */
export class DocumentProblem extends Schema.Class<DocumentProblem>(
  "@remote-agent/domain/StateStoreError/DocumentProblem"
)({ path: Schema.String, problem: Schema.String }) {}

/** The document is not a state document, or parts of it cannot be read. Every problem is listed, and nothing was imported. */
export class InvalidDocument extends Schema.TaggedError<InvalidDocument>()("InvalidDocument", {
  file: Schema.String,
  problems: Schema.NonEmptyArray(DocumentProblem)
}) {
  override get message() {
    return `${this.file} cannot be imported, and nothing was. Correct this:\n${this.problems.map(({ path, problem }) => `${path} ${problem}.`).join("\n")}`
  }
}

/** The server that has the state refused the request. `refusal` is its reason, and `detail` says what to do. */
export class ServerRefused extends Schema.TaggedError<ServerRefused>()("ServerRefused", {
  server: Schema.String,
  refusal: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    const said = this.detail.replace(/\.$/, "")
    return `the server at ${this.server} refused (${this.refusal}). It says: ${said === "" ? "nothing" : said}.`
  }
}

/**
 * Why a state store failed.
 *
 * @category models
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  NotFound,
  AlreadyExists,
  NameTaken,
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
  InvalidDocument,
  ServerRefused
])
export type Reason = typeof Reason.Type

/** The operations that only read: they may be repeated after a lost connection. */
const reads: ReadonlySet<string> = new Set([
  "open",
  "getAgent",
  "listAgents",
  "pageAgents",
  "findAgents",
  "getQuery",
  "findQueries",
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

/**
 * Every failure of a state store.
 *
 * **Details**
 *
 * `operation` names the call that failed, `reason` the cause.
 *
 * @category errors
 * @since 0.1.0
 */
export class StateStoreError extends Schema.TaggedError<StateStoreError>()("StateStoreError", {
  operation: Schema.String,
  reason: Reason
}) {
  override get message() {
    return `state store (${this.operation}): ${this.reason.message}`
  }

  /**
   * Whether trying again may help and cannot do harm. After a `RevisionConflict`, read again first; after `LeaseHeld`,
   * wait until the lease has expired. A write whose connection was lost may have been done, so it is not retryable.
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
