import { Schema } from "effect"
import { AgentId, AttemptId } from "../Id.ts"

/**
 * The record that an agent is being launched.
 *
 * **Details**
 *
 * It is written before the sandbox is created, and removed when the agent is active or its sandbox has certainly ended.
 * After a crash in between, it leads to the sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export class LaunchIntent extends Schema.Class<LaunchIntent>("@remote-agent/domain/LaunchIntent")({
  attemptId: AttemptId,
  agentId: AgentId,
  /** The installation that launches the agent. */
  owner: Schema.String,
  /** The provider of the sandbox. Only an installation that uses this provider can find the sandbox. */
  provider: Schema.String,
  /** When the launching process last renewed the intent. */
  at: Schema.DateTimeUtcFromString
}) {}
