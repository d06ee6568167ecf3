import { Schema } from "effect"
import { AgentId, AttemptId } from "./Id.ts"

/**
 * That a sandbox is about to be created. Written before the create and taken back when its agent is bound to the
 * sandbox or the sandbox has certainly ended, so that a crash in between leaves something to find.
 */
export class Intent extends Schema.Class<Intent>("@remote-agent/domain/Intent")({
  attemptId: AttemptId,
  agentId: AgentId,
  /** The installation that creates it. */
  owner: Schema.String,
  /** Where it is created: only who can see that provider can tell what became of it. */
  provider: Schema.String,
  at: Schema.DateTimeUtcFromString
}) {}
