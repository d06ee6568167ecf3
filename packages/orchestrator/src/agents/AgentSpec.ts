import { type Agent, type Budget, type Id, type OrchestratorError, SandboxError } from "@remote-agent/domain"
import { Duration, Effect, type Redacted } from "effect"

/**
 * The agent that a launch makes.
 *
 * @category models
 * @since 0.1.0
 */
export interface LaunchSpec {
  /** The id of the agent, for callers that must know it in advance; generated when absent. */
  readonly id?: Id.AgentId | undefined
  /** The name of the agent; made from the profile's name when absent. */
  readonly name?: Agent.AgentName | undefined
  /** The name of the profile; `REMOTE_AGENT_PROFILE` when absent. */
  readonly profile?: string | undefined
  /**
   * The ttl of the sandbox; `E2B_DEFAULT_TIMEOUT` when absent. For an agent that belongs to a scope, it is how long the
   * sandbox outlives a process that died, and 3 minutes when absent.
   */
  readonly ttl?: Duration.Input | undefined
  /**
   * The environment of the sandbox; the place for keys.
   *
   * **Details**
   *
   * The values are redacted from what the agent prints, except those that the profile declares not to be secret, and
   * open text that is no key: a word, a number, a path, fewer than 6 characters.
   */
  readonly env?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /** `false` cuts the sandbox off from the network. */
  readonly allowInternetAccess?: boolean | undefined
  /** Whether the sandbox is paused, and not terminated, when its ttl is over; `E2B_AUTO_PAUSE` when absent. */
  readonly persistent?: boolean | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  /**
   * The repository that the agent works on, as `owner/name` or its address, and a branch, tag or commit. It is cloned
   * into the work folder of the agent. Needs `GitWorkspace`.
   */
  readonly repository?: Pick<Agent.Repository, "url" | "ref"> | undefined
  /** What all queries of the agent together may use. */
  readonly budget?: Budget.Budget | undefined
  /** The pool that the agent belongs to. */
  readonly pool?: Id.PoolName | undefined
  /** Called when a stage of the launch begins. The launch waits for it. */
  readonly onStage?: OnStage | undefined
  /**
   * Whether the sandbox of a launch that failed is kept, so that it can be looked at; `false` when absent. The agent is
   * then `failed` and has a sandbox until it is terminated, or until the ttl is over.
   */
  readonly keepFailed?: boolean | undefined
}

/**
 * Called when a stage of a launch begins.
 *
 * @category models
 * @since 0.1.0
 */
export type OnStage = (stage: OrchestratorError.LaunchStage) => Effect.Effect<void>

/**
 * What the new sandbox of a replaced agent has and the record of the agent does not say.
 *
 * @category models
 * @since 0.1.0
 */
export type ReplaceOptions = Pick<LaunchSpec, "env" | "onStage" | "keepFailed">

/** How long the sandbox of an agent in a scope outlives its process, unless the caller says otherwise. */
export const scopedTtl = Duration.minutes(3)

/** What the provider does with a sandbox whose ttl is over. */
export const onExpiry = (persistent: boolean) => (persistent ? ("pause" as const) : ("kill" as const))

/** The ttl that is asked for. Fails with `InvalidRequest` when it is longer than the account allows. */
export const checkedTtl = (ttl: Duration.Input, longest: Duration.Duration) => {
  const asked = Duration.fromInputUnsafe(ttl)
  const detail = `a ttl of ${Duration.format(asked)} is longer than E2B_MAX_TIMEOUT allows (${Duration.format(longest)})`
  return Duration.isGreaterThan(asked, longest)
    ? Effect.fail(SandboxError.fail("create", new SandboxError.InvalidRequest({ detail })))
    : Effect.succeed(asked)
}
