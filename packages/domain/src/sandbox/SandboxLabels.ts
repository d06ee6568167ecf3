import { Option, Schema } from "effect"
import { AgentId, AttemptId } from "../Id.ts"

/**
 * The metadata key for the installation that owns a sandbox.
 *
 * @category keys
 * @since 0.1.0
 */
export const ownerKey = "remote-agent.owner"

/**
 * The metadata key for the agent that a sandbox was created for.
 *
 * @category keys
 * @since 0.1.0
 */
export const agentKey = "remote-agent.agent"

/**
 * The metadata key for the profile of that agent.
 *
 * @category keys
 * @since 0.1.0
 */
export const profileKey = "remote-agent.profile"

/**
 * The metadata key for the attempt that created a sandbox. Every sandbox carries it.
 *
 * @category keys
 * @since 0.1.0
 */
export const attemptKey = "remote-agent.attempt"

/**
 * The labels that identify a sandbox of an installation.
 *
 * @category models
 * @since 0.1.0
 */
export interface SandboxLabels {
  readonly owner: string
  readonly agentId: AgentId
  readonly attemptId: AttemptId
}

const agentId = Schema.decodeUnknownOption(AgentId)
const attemptId = Schema.decodeUnknownOption(AttemptId)

/**
 * Reads the labels from the metadata of a sandbox. Returns `None` when a label is missing or malformed: such a sandbox
 * belongs to no installation.
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (metadata: Readonly<Record<string, string>>): Option.Option<SandboxLabels> =>
  Option.all({
    owner: Option.fromUndefinedOr(metadata[ownerKey]),
    agentId: agentId(metadata[agentKey]),
    attemptId: attemptId(metadata[attemptKey])
  })
