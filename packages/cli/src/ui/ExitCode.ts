import type {
  AgentEvent,
  GitError,
  GitHubError,
  OrchestratorError,
  SandboxError,
  StateStoreError
} from "@remote-agent/domain"
import type { DaemonError } from "@remote-agent/e2b-local"
import type { Failure } from "./Failure.ts"

/** The exit codes of a command that did not succeed. */
export const exitCode = {
  failed: 1,
  usage: 2,
  notFound: 3,
  timeout: 4,
  partly: 5,
  /** `exec` and `shell` failed before or beside their process. */
  beside: 125,
  /** The process of `exec` took too long, as with `timeout` of coreutils. */
  killed: 124,
  interrupted: 130
} as const

/** The exit code for a process in a sandbox. A process that a signal killed reports -1 and becomes 255. */
export const ofProcess = (code: number): number => (code < 0 ? 255 : code)

/** The exit code of a failure of `exec` or `shell`, whose other exit codes are those of their process. */
export const besideProcess = (failure: Failure): number =>
  of(failure) === exitCode.timeout ? exitCode.killed : exitCode.beside

/** The exit code for a query's outcome. */
export const ofOutcome = (outcome: AgentEvent.Outcome): number =>
  outcome === "ok" ? 0 : outcome === "timeout" ? exitCode.timeout : exitCode.failed

/** The exit code for a failure. */
export const of = (failure: Failure): number => {
  switch (failure._tag) {
    case "ConfigError":
    case "Usage":
      return exitCode.usage
    case "SandboxError":
      return ofSandbox(failure)
    case "OrchestratorError":
      return ofOrchestrator(failure)
    case "DaemonError":
      return ofDaemon(failure)
    case "NotFound":
      return exitCode.notFound
    case "StateStoreError":
      return ofStore(failure)
    case "GitError":
      return ofGit(failure)
    case "GitHubError":
      return ofGitHub(failure)
  }
}

const ofStore = ({ reason }: StateStoreError.StateStoreError): number => {
  switch (reason._tag) {
    case "NotFound":
      return exitCode.notFound
    case "NameTaken":
      return exitCode.usage
    case "ServerRefused":
      return reason.refusal.endsWith("NotFound")
        ? exitCode.notFound
        : refusedUsage.has(reason.refusal)
          ? exitCode.usage
          : exitCode.failed
    default:
      return exitCode.failed
  }
}

/** Refusals of a server that another command line avoids. */
const refusedUsage: ReadonlySet<string> = new Set([
  "Forbidden",
  "InvalidRequest",
  "NotOffered",
  "Unauthorized"
])

const notFoundByGit: ReadonlySet<GitError.GitError["reason"]["_tag"]> = new Set([
  "RefNotFound",
  "RepositoryNotFound"
])

const ofGit = ({ reason }: GitError.GitError): number => {
  if (reason._tag === "InvalidName" || reason._tag === "AuthenticationFailed") return exitCode.usage
  return notFoundByGit.has(reason._tag) ? exitCode.notFound : exitCode.failed
}

const ofGitHub = ({ reason }: GitHubError.GitHubError): number => {
  switch (reason._tag) {
    case "NotFound":
      return exitCode.notFound
    case "Unauthorized":
      return exitCode.usage
    default:
      return exitCode.failed
  }
}

const ofDaemon = ({ reason }: DaemonError.DaemonError): number => {
  switch (reason._tag) {
    case "NotRunning":
      return exitCode.notFound
    case "VersionMismatch":
    case "IsolationMismatch":
      return exitCode.usage
    case "ServerFailed":
      return reason.cause.reason._tag === "IsolationUnavailable" ? exitCode.usage : exitCode.failed
    default:
      return exitCode.failed
  }
}

const ofSandbox = ({ reason }: SandboxError.SandboxError): number => {
  switch (reason._tag) {
    case "Gone":
    case "FileNotFound":
      return exitCode.notFound
    case "RequestTimedOut":
    case "IdleTimedOut":
    case "WallTimedOut":
      return exitCode.timeout
    case "IsolationUnavailable":
    case "Unauthorized":
      return exitCode.usage
    default:
      return exitCode.failed
  }
}

const ofOrchestrator = ({ reason }: OrchestratorError.OrchestratorError): number => {
  switch (reason._tag) {
    case "AgentNotFound":
    case "QueryNotFound":
    case "RunNotFound":
    case "AgentLost":
      return exitCode.notFound
    case "UnknownProfile":
    case "NotConfigured":
    case "OptionUnsupported":
    case "IsolationRequired":
    case "NoRepository":
    case "OtherProvider":
    case "OtherProfile":
      return exitCode.usage
    case "AgentNotReady":
      return reason.status === "terminated" ? exitCode.notFound : exitCode.failed
    case "QueryFailed":
      return ofOutcome(reason.result.outcome)
    case "SandboxFailed":
      return ofSandbox(reason.cause)
    case "StoreFailed":
      return ofStore(reason.cause)
    case "LaunchFailed":
      return ofLaunch(reason.cause)
    default:
      return exitCode.failed
  }
}

const ofLaunch = (cause: OrchestratorError.LaunchFailed["cause"]): number => {
  switch (cause._tag) {
    case "SandboxError":
      return ofSandbox(cause)
    case "GitError":
      return ofGit(cause)
    case "StateStoreError":
      return ofStore(cause)
    default:
      return exitCode.failed
  }
}
