import { Schema } from "effect"
import { Agent } from "../agent/Agent.ts"
import { EventRecord } from "../agent/AgentEvent.ts"
import { AgentId } from "../Id.ts"
import { PoolRecord } from "../agent/PoolRecord.ts"
import { Query } from "../query/Query.ts"

/** What tells a document of ours from any other. */
export const format = "remote-agent-state"

/** The version that is written. */
export const version = 1

/** What the document says of itself. */
export const Header = Schema.Struct({
  format: Schema.Literal(format),
  version: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  exportedAt: Schema.DateTimeUtcFromString
})

/** A query with its log. */
export class LoggedQuery extends Schema.Class<LoggedQuery>("@remote-agent/domain/StateDocument/LoggedQuery")({
  query: Query,
  /** The whole log: the `seq` of the first is 0. */
  events: Schema.Array(Schema.Struct({ at: EventRecord.fields.at, event: EventRecord.fields.event }))
}) {}

/**
 * The state of an installation in one JSON document. Leases, intents and claims on deliveries are not part of it:
 * they belong to processes that run.
 */
export const StateDocument = Schema.Struct({
  ...Header.fields,
  pools: Schema.Array(PoolRecord),
  agents: Schema.Array(Agent),
  queries: Schema.Array(LoggedQuery)
})
export type StateDocument = typeof StateDocument.Type

/**
 * What became of an agent of a document.
 *
 * - `imported`: it is there now, as the provider says that its sandbox is.
 * - `alreadyThere`: it was before, and stays as it is.
 * - `lost`: it was imported, and its sandbox no longer exists.
 * - `unreachable`: it was imported as it was; its provider could not be asked.
 * - `conflict`: it was left out: something else is there under its id or has its sandbox.
 */
export const ImportOutcome = Schema.Literals(["imported", "alreadyThere", "lost", "unreachable", "conflict"])
export type ImportOutcome = typeof ImportOutcome.Type

/** What became of one agent, and why where that needs saying. */
export class ImportedAgent extends Schema.Class<ImportedAgent>(
  "@remote-agent/domain/StateDocument/ImportedAgent"
)({
  id: AgentId,
  name: Schema.String,
  outcome: ImportOutcome,
  detail: Schema.optionalKey(Schema.String)
}) {}

/** What became of a document. */
export class ImportReport extends Schema.Class<ImportReport>(
  "@remote-agent/domain/StateDocument/ImportReport"
)({
  agents: Schema.Array(ImportedAgent),
  /** How many were added. Those that were there stay as they are. */
  pools: Schema.Int,
  queries: Schema.Int,
  /** What had to be assumed to understand the document. */
  notes: Schema.Array(Schema.String)
}) {}
