import { Schema } from "effect"
import { AgentStatus } from "./Lifecycle.ts"

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

/** Every failure of a state store. */
export class StateStoreError extends Schema.TaggedError<StateStoreError>()("StateStoreError", {
  operation: Schema.String,
  reason: Schema.Union([NotFound, AlreadyExists, RevisionConflict, IllegalMove, LogClosed])
}) {
  override get message() {
    const { reason } = this
    const subject = `state store (${this.operation}): ${reason.id}`
    switch (reason._tag) {
      case "NotFound":
        return `${subject} is not known. See what is with \`remote-agent list\`.`
      case "AlreadyExists":
        return `${subject} exists already. Take another id.`
      case "RevisionConflict":
        return `${subject} was changed by somebody else (revision ${reason.actual}, not ${reason.expected}). Read it again.`
      case "IllegalMove":
        return `${subject} cannot go from ${reason.from} to ${reason.to}. Read it again.`
      case "LogClosed":
        return `${subject} has ended and takes no more events. Ask a new query.`
    }
  }

  /** Whether reading again and deciding anew may help. */
  get isRetryable(): boolean {
    return this.reason._tag === "RevisionConflict"
  }
}
