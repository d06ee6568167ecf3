import { Option, Schema } from "effect"
import { AgentId, AttemptId } from "../Id.ts"

/** The installation that a sandbox belongs to. */
export const ownerKey = "remote-agent.owner"
/** The agent that a sandbox was made for. */
export const agentKey = "remote-agent.agent"
/** The profile of that agent. */
export const profileKey = "remote-agent.profile"
/** The attempt that created a sandbox; every sandbox carries it, whoever asked for it. */
export const attemptKey = "remote-agent.attempt"

/** Whose a sandbox is, as its metadata say. Only a sandbox that says all three is one of an installation's. */
export interface SandboxLabels {
  readonly owner: string
  readonly agentId: AgentId
  readonly attemptId: AttemptId
}

const agentId = Schema.decodeUnknownOption(AgentId)
const attemptId = Schema.decodeUnknownOption(AttemptId)

/** What the metadata of a sandbox say of whose it is; nothing when any part is missing or is no id of ours. */
export const read = (metadata: Readonly<Record<string, string>>): Option.Option<SandboxLabels> =>
  Option.all({
    owner: Option.fromUndefinedOr(metadata[ownerKey]),
    agentId: agentId(metadata[agentKey]),
    attemptId: attemptId(metadata[attemptKey])
  })
