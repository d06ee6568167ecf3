import { Schema } from "effect"
import { AgentId, AttemptId } from "../Id.ts"

/**
 * That somebody is launching an agent. Written before its sandbox is created, and taken back when the agent is active
 * or the sandbox has certainly ended, so that a crash in between leaves something to find.
 */
export class LaunchIntent extends Schema.Class<LaunchIntent>("@remote-agent/domain/LaunchIntent")({
  attemptId: AttemptId,
  agentId: AgentId,
  /** The installation that creates it. */
  owner: Schema.String,
  /** Where it is created: only who can see that provider can tell what became of it. */
  provider: Schema.String,
  /** When whoever launches it last said so. */
  at: Schema.DateTimeUtcFromString
}) {}
