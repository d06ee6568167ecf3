import { Schema } from "effect"
import { AgentId } from "../Id.ts"

/**
 * The result of importing one agent.
 *
 * **Details**
 *
 * - `imported`: it was added, with the status that the provider reports for its sandbox.
 * - `alreadyThere`: it existed already and was not changed.
 * - `lost`: it was added, and its sandbox no longer exists.
 * - `unreachable`: it was added unchanged, because its provider could not be reached.
 * - `conflict`: it was left out, because another agent has its id or its sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export const ImportOutcome = Schema.Literals(["imported", "alreadyThere", "lost", "unreachable", "conflict"])
export type ImportOutcome = typeof ImportOutcome.Type

/**
 * One agent of an import, with an explanation where it needs one.
 *
 * @category models
 * @since 0.1.0
 */
export class ImportedAgent extends Schema.Class<ImportedAgent>(
  "@remote-agent/domain/StateDocument/ImportedAgent"
)({
  id: AgentId,
  name: Schema.String,
  outcome: ImportOutcome,
  detail: Schema.optionalKey(Schema.String)
}) {}

/**
 * The result of importing a document.
 *
 * @category models
 * @since 0.1.0
 */
export class ImportReport extends Schema.Class<ImportReport>(
  "@remote-agent/domain/StateDocument/ImportReport"
)({
  agents: Schema.Array(ImportedAgent),
  /** How many pools were added. Existing ones stay as they are. */
  pools: Schema.Int,
  /** How many queries were added. Existing ones stay as they are. */
  queries: Schema.Int,
  /** Assumptions that were made to understand the document. */
  notes: Schema.Array(Schema.String)
}) {}
