import { DateTime, Duration, Schema } from "effect"
import { AgentStatus } from "./agent/AgentLifecycle.ts"
import { Problem } from "./config/ConfigError.ts"
import { AgentId, QueryId } from "./Id.ts"
import { SetUpProblem } from "./profile/SetupError.ts"
import { Exceeded } from "./query/Budget.ts"
import { BudgetOwner, QueryResult } from "./query/Query.ts"
import { GitError } from "./repository/GitError.ts"
import { RunNotFound, RunOver } from "./run/RunError.ts"
import { SandboxError } from "./sandbox/SandboxError.ts"
import { StateStoreError } from "./state/StateStoreError.ts"

export {
  AssetUnreadable,
  CommandFailed,
  SetUpProblem,
  SourceUnavailable,
  ToolMissing
} from "./profile/SetupError.ts"

export { RunNotFound, RunOver }

const quoted = (text: string): string => JSON.stringify(text)

/**
 * The stages of a launch, in the order in which they run.
 *
 * @category models
 * @since 0.1.0
 */
export const LaunchStage = Schema.Literals([
  "record",
  "intent",
  "create",
  "assets",
  "bind",
  "setup",
  "health",
  "repository",
  "activate"
])
export type LaunchStage = typeof LaunchStage.Type

/** No agent has this id. */
export class AgentNotFound extends Schema.TaggedError<AgentNotFound>()("AgentNotFound", { id: AgentId }) {
  override get message() {
    return `There is no agent ${this.id}. List the known agents with \`remote-agent list\`.`
  }
}

/** No query has this id. */
export class QueryNotFound extends Schema.TaggedError<QueryNotFound>()("QueryNotFound", { id: QueryId }) {
  override get message() {
    return `There is no query ${this.id}. Check the id.`
  }
}

const whatToDo: Record<AgentStatus, string> = {
  launching: "Wait until it is active.",
  paused: "Resume it first.",
  failed: "Replace its sandbox, or launch another.",
  lost: "Replace its sandbox, or launch another.",
  active: "Launch another.",
  terminated: "Launch another."
}

/** The status of the agent does not allow this. */
export class AgentNotReady extends Schema.TaggedError<AgentNotReady>()("AgentNotReady", {
  id: AgentId,
  status: AgentStatus
}) {
  override get message() {
    return `Agent ${this.id} is ${this.status}, which does not allow this. ${whatToDo[this.status]}`
  }
}

/** The agent is paused, and the caller did not allow waking it. */
export class AgentPaused extends Schema.TaggedError<AgentPaused>()("AgentPaused", { id: AgentId }) {
  override get message() {
    return `Agent ${this.id} is paused. Resume it, or allow the query to wake it.`
  }
}

/** The profile keeps no conversations, so another agent cannot continue one. */
export class NoSessions extends Schema.TaggedError<NoSessions>()("NoSessions", { profile: Schema.String }) {
  override get message() {
    return `Agents of the profile ${quoted(this.profile)} keep no conversations. Launch another agent instead.`
  }
}

/** The agent is answering a query that this would interrupt. */
export class QueryRunning extends Schema.TaggedError<QueryRunning>()("QueryRunning", {
  id: AgentId,
  queryId: QueryId
}) {
  override get message() {
    return `Agent ${this.id} is answering query ${this.queryId}. Wait for it, or cancel it.`
  }
}

/** Another process has taken over the agent, because this process did not renew its lease in time. */
export class TakenOver extends Schema.TaggedError<TakenOver>()("TakenOver", { id: AgentId }) {
  override get message() {
    return `Another process has taken over agent ${this.id}, because this one did not renew its lease in time. Follow the query there.`
  }
}

/** Every agent of the pool is busy, and its queue is full. `retryAfter` estimates when an agent will be free. */
export class PoolFull extends Schema.TaggedError<PoolFull>()("PoolFull", {
  size: Schema.Int,
  busy: Schema.Int,
  waiting: Schema.Int,
  retryAfter: Schema.Duration
}) {
  override get message() {
    return `All ${this.size} agents of the pool are busy and ${this.waiting} queries wait. Try again in about ${Duration.format(this.retryAfter)}, or make it larger.`
  }
}

/** No pool has this name. */
export class PoolNotFound extends Schema.TaggedError<PoolNotFound>()("PoolNotFound", {
  name: Schema.String
}) {
  override get message() {
    return `There is no pool ${this.name}. List the known pools with \`remote-agent pool list\`.`
  }
}

/** The pool takes no more queries: it is draining or closed. */
export class PoolClosed extends Schema.TaggedError<PoolClosed>()("PoolClosed", { name: Schema.String }) {
  override get message() {
    return `The pool ${this.name} takes no more queries. Open another.`
  }
}

/** The agents of the pool have another profile than the caller asked for. Nothing was changed. */
export class OtherProfile extends Schema.TaggedError<OtherProfile>()("OtherProfile", {
  name: Schema.String,
  profile: Schema.String,
  asked: Schema.String
}) {
  override get message() {
    return `The pool ${this.name} has agents of the profile ${quoted(this.profile)}, not ${quoted(this.asked)}. Leave the profile out, or choose another name for a pool of that profile.`
  }
}

const units: Record<Exceeded["limit"], string> = {
  costUsd: "US dollars",
  tokens: "tokens",
  wall: "milliseconds of answering",
  sandboxSeconds: "seconds of sandbox"
}

/** A budget is used up: that of the agent, of the pool or of the query. */
export class BudgetExceeded extends Schema.TaggedError<BudgetExceeded>()("BudgetExceeded", {
  id: AgentId,
  of: BudgetOwner,
  exceeded: Exceeded
}) {
  override get message() {
    const { allowed, limit, spent } = this.exceeded
    return `The budget of the ${this.of} is used up: ${spent} of ${allowed} ${units[limit]}. Allow more, or use another agent than ${this.id}.`
  }
}

/** The query may take longer than the longest ttl of a sandbox, so its sandbox could expire first. Nothing was started. */
export class TimeoutTooLong extends Schema.TaggedError<TimeoutTooLong>()("TimeoutTooLong", {
  asked: Schema.Duration,
  longest: Schema.Duration
}) {
  override get message() {
    return `A query that may take ${Duration.format(this.asked)} could outlast its sandbox, whose ttl is at most ${Duration.format(this.longest)} (E2B_MAX_TIMEOUT). Allow the query less time, or raise that limit if your account has a higher one.`
  }
}

/** The provider confirmed that the agent's sandbox no longer exists. */
export class AgentLost extends Schema.TaggedError<AgentLost>()("AgentLost", { id: AgentId }) {
  override get message() {
    return `The sandbox of agent ${this.id} no longer exists. Launch a new agent, or ask for a new sandbox.`
  }
}

/** The agent's sandbox belongs to another provider than the one in use. */
export class OtherProvider extends Schema.TaggedError<OtherProvider>()("OtherProvider", {
  id: AgentId,
  provider: Schema.String,
  here: Schema.String
}) {
  override get message() {
    return `The sandbox of agent ${this.id} belongs to the provider ${this.provider}, and the provider in use is ${this.here}. Pass --provider ${this.provider}, or set REMOTE_AGENT_PROVIDER.`
  }
}

/** The agents of the profile do not support this option of a query. Nothing was started. */
export class OptionUnsupported extends Schema.TaggedError<OptionUnsupported>()("OptionUnsupported", {
  profile: Schema.String,
  option: Schema.Literals(["model", "maxIterations"])
}) {
  override get message() {
    const [what, field] =
      this.option === "model" ? ["model", "run.modelArgv"] : ["limit of steps", "run.iterationsArgv"]
    return `Agents of the profile ${quoted(this.profile)} take no ${what} for a query. Leave it out, or describe in the profile how to pass it (${field}).`
  }
}

/** There is no profile of this name. */
export class UnknownProfile extends Schema.TaggedError<UnknownProfile>()("UnknownProfile", {
  name: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message() {
    return `There is no profile ${quoted(this.name)}. Known profiles: ${this.known.join(", ")}.`
  }
}

/** Sandboxes are not isolated here, and the profile requires isolation. */
export class IsolationRequired extends Schema.TaggedError<IsolationRequired>()("IsolationRequired", {
  profile: Schema.String
}) {
  override get message() {
    return `Sandboxes here are not isolated, and the profile ${quoted(this.profile)} requires isolation. Install bubblewrap, use --provider e2b, or pass --isolation none to accept the risk.`
  }
}

/** The configuration lacks settings that the profile needs. Nothing was created. */
export class NotConfigured extends Schema.TaggedError<NotConfigured>()("NotConfigured", {
  profile: Schema.String,
  problems: Schema.NonEmptyArray(Problem)
}) {
  override get message() {
    return [
      `The profile ${quoted(this.profile)} is not configured.`,
      ...this.problems.map((problem) => problem.text)
    ].join("\n")
  }
}

/** The update of the agent failed. `restored` says whether the agent is as it was before, and healthy. */
export class UpdateFailed extends Schema.TaggedError<UpdateFailed>()("UpdateFailed", {
  cause: SetUpProblem,
  restored: Schema.Boolean
}) {
  override get message() {
    return `The update failed: ${this.cause.message} ${this.restored ? "The agent is as it was before." : "It could not be restored: save what you need of it, then update it again or launch a new one."}`
  }
}

/** A launch failed. Its sandbox, if one was created, has been terminated. */
export class LaunchFailed extends Schema.TaggedError<LaunchFailed>()("LaunchFailed", {
  stage: LaunchStage,
  cause: Schema.Union([SetUpProblem, StateStoreError, GitError])
}) {
  override get message() {
    return `The launch failed at the stage ${this.stage}: ${this.cause.message}`
  }
}

/**
 * Too many launches failed in a row, so no launch is tried until `until`. Without `until`, one trial launch is running
 * and decides.
 */
export class LaunchesSuspended extends Schema.TaggedError<LaunchesSuspended>()("LaunchesSuspended", {
  provider: Schema.String,
  failures: Schema.Int,
  until: Schema.optionalKey(Schema.DateTimeUtcFromString)
}) {
  override get message() {
    const when =
      this.until === undefined ? "while a trial launch runs" : `until ${DateTime.formatIso(this.until)}`
    return `The last ${this.failures} launches at ${this.provider} failed, so no launch is tried ${when}. See why they failed, then try again.`
  }
}

/** The agent needs a repository, and the orchestrator was made without `GitWorkspace`. Nothing was created. */
export class GitRequired extends Schema.TaggedError<GitRequired>()("GitRequired", {
  repository: Schema.String
}) {
  override get message() {
    return `${this.repository} cannot be cloned: this orchestrator has no git. Provide GitWorkspace.layer to it.`
  }
}

/** The agent has no repository. */
export class NoRepository extends Schema.TaggedError<NoRepository>()("NoRepository", { id: AgentId }) {
  override get message() {
    return `Agent ${this.id} has no repository. Launch one with a repository, or name the repository.`
  }
}

/** The query ended without an answer. `result` holds its outcome. */
export class QueryFailed extends Schema.TaggedError<QueryFailed>()("QueryFailed", { result: QueryResult }) {
  override get message() {
    return `The query ended with ${this.result.outcome}: ${this.result.error ?? "no reason was given."}`
  }
}

/** An operation on the sandbox failed. */
export class SandboxFailed extends Schema.TaggedError<SandboxFailed>()("SandboxFailed", {
  cause: SandboxError
}) {
  override get message() {
    return this.cause.message
  }
}

/** An operation on the state store failed. */
export class StoreFailed extends Schema.TaggedError<StoreFailed>()("StoreFailed", {
  cause: StateStoreError
}) {
  override get message() {
    return this.cause.message
  }
}

/**
 * Why an operation of the orchestrator failed.
 *
 * @category models
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  AgentNotFound,
  QueryNotFound,
  AgentNotReady,
  AgentPaused,
  NoSessions,
  QueryRunning,
  TakenOver,
  BudgetExceeded,
  PoolFull,
  PoolNotFound,
  RunNotFound,
  RunOver,
  PoolClosed,
  OtherProfile,
  TimeoutTooLong,
  OptionUnsupported,
  AgentLost,
  OtherProvider,
  UnknownProfile,
  NotConfigured,
  IsolationRequired,
  LaunchFailed,
  UpdateFailed,
  LaunchesSuspended,
  GitRequired,
  NoRepository,
  QueryFailed,
  SandboxFailed,
  StoreFailed
])
export type Reason = typeof Reason.Type

/**
 * Every failure of the orchestrator.
 *
 * **Details**
 *
 * `operation` names the call that failed, `reason` the cause. Recover by reason:
 * `Effect.catchReason("OrchestratorError", "AgentLost", …)`.
 *
 * @category errors
 * @since 0.1.0
 */
export class OrchestratorError extends Schema.TaggedError<OrchestratorError>()("OrchestratorError", {
  operation: Schema.String,
  reason: Reason
}) {
  override get message() {
    return this.reason.message
  }

  /** Whether trying again may help and cannot do harm. */
  get isRetryable(): boolean {
    const { reason } = this
    switch (reason._tag) {
      case "LaunchFailed":
        return "isRetryable" in reason.cause && reason.cause.isRetryable
      case "LaunchesSuspended":
      case "QueryRunning":
      case "PoolFull":
        return true
      case "SandboxFailed":
      case "StoreFailed":
        return reason.cause.isRetryable
      default:
        return false
    }
  }
}
