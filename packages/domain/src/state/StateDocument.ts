import { Schema } from "effect"
import { Agent } from "../agent/Agent.ts"
import { EventRecord } from "../agent/AgentEvent.ts"
import { PoolRecord } from "../agent/PoolRecord.ts"
import { Query } from "../query/Query.ts"

/**
 * The value of `format` that identifies a state document.
 *
 * @category constants
 * @since 0.1.0
 */
export const format = "remote-agent-state"

/**
 * The version of the documents that are written.
 *
 * @category constants
 * @since 0.1.0
 */
export const version = 1

/**
 * The header of a document.
 *
 * @category models
 * @since 0.1.0
 */
export const Header = Schema.Struct({
  format: Schema.Literal(format),
  version: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  exportedAt: Schema.DateTimeUtcFromString
})

/**
 * A query with its log.
 *
 * @category models
 * @since 0.1.0
 */
export class LoggedQuery extends Schema.Class<LoggedQuery>("@remote-agent/domain/StateDocument/LoggedQuery")({
  query: Query,
  /** The whole log; the first event has `seq` 0. */
  events: Schema.Array(Schema.Struct({ at: EventRecord.fields.at, event: EventRecord.fields.event }))
}) {}

/**
 * The state of an installation in one JSON document.
 *
 * **Details**
 *
 * Leases, launch intents and claims on deliveries are left out, because they belong to running processes.
 *
 * @category models
 * @since 0.1.0
 */
export const StateDocument = Schema.Struct({
  ...Header.fields,
  pools: Schema.Array(PoolRecord),
  agents: Schema.Array(Agent),
  queries: Schema.Array(LoggedQuery)
})
export type StateDocument = typeof StateDocument.Type
