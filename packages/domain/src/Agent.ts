import { Schema } from "effect"
import { AgentId, SandboxId } from "./Id.ts"
import { AgentStatus } from "./Lifecycle.ts"

/** What a person may call an agent: letters, digits, `.`, `_` and `-`, at most 64. Not unique. */
export const AgentName = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][\w.-]{0,63}$/)).pipe(
  Schema.brand("AgentName")
)
export type AgentName = typeof AgentName.Type

/** The sandbox that an agent is bound to. */
export class Binding extends Schema.Class<Binding>("@remote-agent/domain/Binding")({
  sandboxId: SandboxId,
  provider: Schema.String,
  /** The home folder in the sandbox, as the sandbox itself sees it. */
  home: Schema.String
}) {}

/**
 * A named worker. It outlives its sandbox; `binding` is present from the moment a sandbox was created for it until
 * that sandbox is known to be gone.
 */
export class Agent extends Schema.Class<Agent>("@remote-agent/domain/Agent")({
  id: AgentId,
  name: AgentName,
  profile: Schema.String,
  status: AgentStatus,
  /** Why it is in its status, in one line, where that needs saying. */
  detail: Schema.optionalKey(Schema.String),
  binding: Schema.optionalKey(Binding),
  /** Counts the writes; a write that names an older one is refused. */
  revision: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  queryCount: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString,
  lastQueryAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
}) {}
