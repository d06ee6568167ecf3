import { DateTime, Duration, Schema } from "effect"
import { Exceeded } from "./query/Budget.ts"
import { Problem } from "./config/RemoteAgentConfig.ts"
import { GitError } from "./repository/GitError.ts"
import { AgentId, QueryId } from "./Id.ts"
import { AgentStatus } from "./agent/AgentLifecycle.ts"
import { BudgetOwner, QueryResult } from "./query/Query.ts"
import { SandboxError } from "./sandbox/SandboxError.ts"
import { StateStoreError } from "./state/StateStoreError.ts"

/** The stages of a launch, in their order. */
export const LaunchStage = Schema.Literals([
  "record",
  "intent",
  "create",
  "assets",
  "bind",
  "setup",
  "repository",
  "health",
  "activate"
])
export type LaunchStage = typeof LaunchStage.Type

/** No agent has this id. */
export class AgentNotFound extends Schema.TaggedError<AgentNotFound>()("AgentNotFound", { id: AgentId }) {}

/** No query has this id. */
export class QueryNotFound extends Schema.TaggedError<QueryNotFound>()("QueryNotFound", { id: QueryId }) {}

/** The agent is in a status in which this cannot be done with it. */
export class AgentNotReady extends Schema.TaggedError<AgentNotReady>()("AgentNotReady", {
  id: AgentId,
  status: AgentStatus
}) {}

/** The agent sleeps, and was not to be woken. */
export class AgentPaused extends Schema.TaggedError<AgentPaused>()("AgentPaused", { id: AgentId }) {}

/** The profile keeps no conversations that another agent could go on with. */
export class NoSessions extends Schema.TaggedError<NoSessions>()("NoSessions", { profile: Schema.String }) {}

/** The agent is answering a query, and what was asked would have cut it short. */
export class QueryRunning extends Schema.TaggedError<QueryRunning>()("QueryRunning", {
  id: AgentId,
  queryId: QueryId
}) {}

/** Another process has taken the agent over, because this one had not shown itself for too long. */
export class TakenOver extends Schema.TaggedError<TakenOver>()("TakenOver", { id: AgentId }) {}

/** Every agent of the pool has a query, and no more may wait. */
export class PoolFull extends Schema.TaggedError<PoolFull>()("PoolFull", {
  size: Schema.Int,
  busy: Schema.Int,
  waiting: Schema.Int,
  /** When to come again: how long a query has taken lately, and ten seconds before one was answered. */
  retryAfter: Schema.Duration
}) {}

/** No pool has this name. */
export class PoolNotFound extends Schema.TaggedError<PoolNotFound>()("PoolNotFound", {
  name: Schema.String
}) {}

/** The pool takes no more queries: it is being closed, or has been. */
export class PoolClosed extends Schema.TaggedError<PoolClosed>()("PoolClosed", { name: Schema.String }) {}

/** The pool has agents of one profile, and another was asked for. Nothing was changed. */
export class OtherProfile extends Schema.TaggedError<OtherProfile>()("OtherProfile", {
  name: Schema.String,
  profile: Schema.String,
  asked: Schema.String
}) {}

/** A budget is used up: the agent's, the pool's or the query's own. */
export class BudgetExceeded extends Schema.TaggedError<BudgetExceeded>()("BudgetExceeded", {
  id: AgentId,
  of: BudgetOwner,
  exceeded: Exceeded
}) {}

/**
 * A query may take longer than a sandbox may be asked to live, so that its sandbox could end under it. Nothing was
 * started.
 */
export class TimeoutTooLong extends Schema.TaggedError<TimeoutTooLong>()("TimeoutTooLong", {
  asked: Schema.Duration,
  longest: Schema.Duration
}) {}

/** The provider confirmed that the agent's sandbox is gone. */
export class AgentLost extends Schema.TaggedError<AgentLost>()("AgentLost", { id: AgentId }) {}

/** The agent's sandbox is one of another provider than the one that this works with. */
export class OtherProvider extends Schema.TaggedError<OtherProvider>()("OtherProvider", {
  id: AgentId,
  provider: Schema.String,
  here: Schema.String
}) {}

/** The agents of the profile cannot be told this for a query. Nothing was started. */
export class OptionUnsupported extends Schema.TaggedError<OptionUnsupported>()("OptionUnsupported", {
  profile: Schema.String,
  option: Schema.Literals(["model", "maxIterations"])
}) {}

/** There is no profile of this name. */
export class UnknownProfile extends Schema.TaggedError<UnknownProfile>()("UnknownProfile", {
  name: Schema.String,
  known: Schema.Array(Schema.String)
}) {}

/** Sandboxes here are not isolated, and the profile is not one that may do without. */
export class IsolationRequired extends Schema.TaggedError<IsolationRequired>()("IsolationRequired", {
  profile: Schema.String
}) {}

/** A command of the profile ended with another exit code than 0. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  program: Schema.String,
  exitCode: Schema.Int
}) {}

/** A program that the profile needs is not there, or not in a version that will do, and could not be installed. */
export class ToolMissing extends Schema.TaggedError<ToolMissing>()("ToolMissing", {
  tool: Schema.String,
  /** The version that is needed, in words; empty for any. */
  needed: Schema.String
}) {}

/** The code of the agent could not be fetched. The address is without a password. */
export class SourceUnavailable extends Schema.TaggedError<SourceUnavailable>()("SourceUnavailable", {
  repository: Schema.String,
  ref: Schema.String
}) {}

/** A file of the user's own that the profile places cannot be read. */
export class AssetUnreadable extends Schema.TaggedError<AssetUnreadable>()("AssetUnreadable", {
  file: Schema.String
}) {}

/** What can go wrong when a profile is set up. */
export const SetUpProblem = Schema.Union([
  SandboxError,
  CommandFailed,
  ToolMissing,
  SourceUnavailable,
  AssetUnreadable
])
export type SetUpProblem = typeof SetUpProblem.Type

/** The configuration lacks what the profile needs; nothing has been created. */
export class NotConfigured extends Schema.TaggedError<NotConfigured>()("NotConfigured", {
  profile: Schema.String,
  problems: Schema.NonEmptyArray(Problem)
}) {}

/** The agent could not be brought up to date. `restored`: it is as it was before, and healthy. */
export class UpdateFailed extends Schema.TaggedError<UpdateFailed>()("UpdateFailed", {
  cause: SetUpProblem,
  restored: Schema.Boolean
}) {}

/** A launch failed; the sandbox, if there was one, has been terminated. */
export class LaunchFailed extends Schema.TaggedError<LaunchFailed>()("LaunchFailed", {
  stage: LaunchStage,
  cause: Schema.Union([SetUpProblem, StateStoreError, GitError])
}) {}

/**
 * So many launches at a provider have failed in a row that none is tried until `until`; without it, one is being
 * tried, and how that goes decides.
 */
export class LaunchesSuspended extends Schema.TaggedError<LaunchesSuspended>()("LaunchesSuspended", {
  provider: Schema.String,
  failures: Schema.Int,
  until: Schema.optionalKey(Schema.DateTimeUtcFromString)
}) {}

/** The agent was to get a repository, and this orchestrator was made without `GitWorkspace`. Nothing has been created. */
export class GitRequired extends Schema.TaggedError<GitRequired>()("GitRequired", {
  repository: Schema.String
}) {}

/** The agent works on no repository. */
export class NoRepository extends Schema.TaggedError<NoRepository>()("NoRepository", { id: AgentId }) {}

/** The query ended without an answer; `result` says how. */
export class QueryFailed extends Schema.TaggedError<QueryFailed>()("QueryFailed", { result: QueryResult }) {}

/** The sandbox could not do its part. */
export class SandboxFailed extends Schema.TaggedError<SandboxFailed>()("SandboxFailed", {
  cause: SandboxError
}) {}

/** The state store could not do its part. */
export class StoreFailed extends Schema.TaggedError<StoreFailed>()("StoreFailed", {
  cause: StateStoreError
}) {}

/** Why an operation of the orchestrator failed. */
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

/** Every failure of the orchestrator: `operation` says where, `reason` says why. */
export class OrchestratorError extends Schema.TaggedError<OrchestratorError>()("OrchestratorError", {
  operation: Schema.String,
  reason: Reason
}) {
  override get message() {
    return explain(this.reason)
  }

  /** Whether doing the same again may help and cannot do harm. */
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

const afterStatus = (status: AgentStatus): string => {
  switch (status) {
    case "launching":
      return "Wait until it is active."
    case "paused":
      return "Resume it first."
    case "failed":
    case "lost":
      return "Replace its sandbox, or launch another."
    case "active":
    case "terminated":
      return "Launch another."
  }
}

const explain = (reason: Reason): string => {
  switch (reason._tag) {
    case "AgentNotFound":
      return `There is no agent ${reason.id}. See which there are with \`remote-agent list\`.`
    case "QueryNotFound":
      return `There is no query ${reason.id}. Check the id.`
    case "AgentNotReady":
      return `Agent ${reason.id} is ${reason.status}, and this cannot be done with it. ${afterStatus(reason.status)}`
    case "AgentPaused":
      return `Agent ${reason.id} is paused. Resume it, or allow that a query wakes it.`
    case "NoSessions":
      return `Agents of the profile ${JSON.stringify(reason.profile)} keep no conversations. Launch another agent instead.`
    case "QueryRunning":
      return `Agent ${reason.id} is answering query ${reason.queryId}. Wait for it, or cancel it.`
    case "TakenOver":
      return `Another process works with agent ${reason.id} now, because this one had not shown itself for too long. Follow the query where it is.`
    case "PoolFull":
      return `All ${reason.size} agents of the pool are busy and ${reason.waiting} queries wait. Try again in about ${Duration.format(reason.retryAfter)}, or make it larger.`
    case "PoolNotFound":
      return `There is no pool ${reason.name}. See which there are with \`remote-agent pool list\`.`
    case "PoolClosed":
      return `The pool ${reason.name} takes no more queries. Open another.`
    case "OtherProfile":
      return `The pool ${reason.name} has agents of the profile ${JSON.stringify(reason.profile)}, and ${JSON.stringify(reason.asked)} was asked for. Leave the profile out, or take another name for a pool of that profile.`
    case "BudgetExceeded":
      return `The budget of the ${reason.of} is used up: ${explainBudget(reason.exceeded)}. Allow more, or use another agent than ${reason.id}.`
    case "TimeoutTooLong":
      return `A query that may take ${Duration.format(reason.asked)} could outlive its sandbox, which may be asked to live for ${Duration.format(reason.longest)} (E2B_MAX_TIMEOUT). Allow the query less time, or raise that limit if your account has a higher one.`
    case "OptionUnsupported":
      return `Agents of the profile ${JSON.stringify(reason.profile)} take no ${reason.option === "model" ? "model" : "limit of steps"} for a query. Leave it out, or say in the profile how they are told (${reason.option === "model" ? "run.modelArgv" : "run.iterationsArgv"}).`
    case "AgentLost":
      return `The sandbox of agent ${reason.id} no longer exists. Launch a new agent, or ask for a new sandbox.`
    case "OtherProvider":
      return `The sandbox of agent ${reason.id} is one of the provider ${reason.provider}, and this works with ${reason.here}. Say --provider ${reason.provider}, or set REMOTE_AGENT_PROVIDER.`
    case "UnknownProfile":
      return `There is no profile ${JSON.stringify(reason.name)}. Known profiles: ${reason.known.join(", ")}.`
    case "NotConfigured":
      return [
        `The profile ${JSON.stringify(reason.profile)} cannot be run as things are.`,
        ...reason.problems.map(({ hint, name, problem }) => `${name} ${problem}. ${hint}`)
      ].join("\n")
    case "UpdateFailed":
      return `The update failed: ${causeOf(reason.cause)} ${reason.restored ? "The agent is as it was before." : "It could not be restored: save what you need of it, then update it again or launch a new one."}`
    case "IsolationRequired":
      return `Sandboxes here are not isolated, and the profile ${JSON.stringify(reason.profile)} must not run without. Install bubblewrap, use --provider e2b, or say --isolation none to accept the risk.`
    case "LaunchFailed":
      return `The launch failed at the stage ${reason.stage}: ${causeOf(reason.cause)}`
    case "LaunchesSuspended":
      return `The last ${reason.failures} launches at ${reason.provider} failed, so none is tried ${reason.until === undefined ? "while another one is" : `until ${DateTime.formatIso(reason.until)}`}. See why they failed, then try again.`
    case "GitRequired":
      return `${reason.repository} cannot be cloned: this orchestrator has no git. Provide GitWorkspace.layer to it.`
    case "NoRepository":
      return `Agent ${reason.id} works on no repository. Launch one with a repository, or name the repository.`
    case "QueryFailed":
      return `The query ended with ${reason.result.outcome}: ${reason.result.error ?? "no reason was given."}`
    case "SandboxFailed":
    case "StoreFailed":
      return reason.cause.message
  }
}

const units: Record<Exceeded["limit"], string> = {
  costUsd: "US dollars",
  tokens: "tokens",
  wall: "milliseconds of answering",
  sandboxSeconds: "seconds of sandbox"
}

const explainBudget = ({ allowed, limit, spent }: Exceeded): string =>
  `${spent} of ${allowed} ${units[limit]}`

const causeOf = (cause: LaunchFailed["cause"]): string => {
  switch (cause._tag) {
    case "CommandFailed":
      return `${cause.program} ended with exit code ${cause.exitCode}. Run it by hand in a sandbox to see why.`
    case "ToolMissing":
      return `${cause.tool}${cause.needed === "" ? "" : ` ${cause.needed}`} is not there and could not be installed. Install it in the template of the sandbox.`
    case "SourceUnavailable":
      return `${cause.ref} of ${cause.repository} could not be fetched. Check both, and that the sandbox can reach it.`
    case "AssetUnreadable":
      return `The file ${cause.file} cannot be read. Check its path and who may read it.`
    default:
      return cause.message
  }
}
