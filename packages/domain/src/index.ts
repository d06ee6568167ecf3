/** The record of an agent: its name, profile, status, sandbox and usage. */
export * as Agent from "./agent/Agent.ts"

/** The events that agents produce while they answer a query. */
export * as AgentEvent from "./agent/AgentEvent.ts"

/** The statuses of an agent and the transitions between them. */
export * as AgentLifecycle from "./agent/AgentLifecycle.ts"

/** The rule by which a text names an agent. */
export * as AgentLookup from "./agent/AgentLookup.ts"

/** Budgets of queries, agents and pools, and the check whether one is used up. */
export * as Budget from "./query/Budget.ts"

/** Tells whether a failed `fetch` may have reached the server. */
export * as FetchFailure from "./sandbox/FetchFailure.ts"

/** The failures of git. */
export * as GitError from "./repository/GitError.ts"

/** The failures of the GitHub API. */
export * as GitHubError from "./repository/GitHubError.ts"

/** The ids of agents, queries, attempts and sandboxes. */
export * as Id from "./Id.ts"

/** The result of importing a state document. */
export * as ImportReport from "./state/ImportReport.ts"

/** The record that an agent is being launched, for recovery after a crash. */
export * as LaunchIntent from "./state/LaunchIntent.ts"

/** The exclusive right to work on a resource, until a time. */
export * as Lease from "./state/Lease.ts"

/** The failures of the orchestrator, and the stages of a launch. */
export * as OrchestratorError from "./OrchestratorError.ts"

/** Placeholders in the texts of a profile. */
export * as Placeholders from "./profile/Placeholders.ts"

/** The record of a named pool of agents. */
export * as PoolRecord from "./agent/PoolRecord.ts"

/** Prices of models, and the cost of a usage. */
export * as Price from "./query/Price.ts"

/** How an agent is set up, run and checked, as plain data. */
export * as Profile from "./profile/Profile.ts"

/** The environment that a profile gives its sandboxes, and what the configuration lacks for it. */
export * as ProfileEnvironment from "./profile/ProfileEnvironment.ts"

/** The record of a query, and its result. */
export * as Query from "./query/Query.ts"

/** Decides which sandboxes, agents and intents the reaper cleans up. */
export * as ReapPlan from "./reaper/ReapPlan.ts"

/** Replaces secrets in texts. */
export * as Redactor from "./Redactor.ts"

/** The settings: their table, the service that holds their values, and its layers. */
export * as RemoteAgentConfig from "./config/RemoteAgentConfig.ts"

/** The record of a schedule, and of its times. */
export * as Schedule from "./schedule/Schedule.ts"

/** Decides which times of a schedule are due, and which of them start a run. */
export * as ScheduleTick from "./schedule/ScheduleTick.ts"

/** Limits that the queries of all processes share, and the decision whether a query may start. */
export * as SharedLimit from "./run/SharedLimit.ts"

/** Reads from a message whether an agent met a usage limit, and when that ends. */
export * as UsageLimit from "./run/UsageLimit.ts"

/** What a caller may do after a failure. */
export type * as RetryClass from "./sandbox/RetryClass.ts"

/** The failures of sandboxes. */
export * as SandboxError from "./sandbox/SandboxError.ts"

/** The record of a durable run and of its questions. */
export * as Run from "./run/Run.ts"

/** Decides every change of a run and of its questions. */
export * as RunTransition from "./run/RunTransition.ts"

/** The labels in the metadata of a sandbox that say which installation and agent it belongs to. */
export * as SandboxLabels from "./sandbox/SandboxLabels.ts"

/** The state of an installation as one JSON document. */
export * as StateDocument from "./state/StateDocument.ts"

/** The location of the state: a file, a Postgres database, or memory. */
export * as StateLocation from "./state/StateLocation.ts"

/** The failures of state stores. */
export * as StateStoreError from "./state/StateStoreError.ts"

/** Removes escape sequences and control characters from foreign text before it is printed. */
export * as TerminalText from "./TerminalText.ts"

/** What a piece of work consumed: tokens, money and time. */
export * as TokenUsage from "./query/TokenUsage.ts"
