import type {
  AgentEvent,
  RemoteAgentConfig,
  GitError,
  GitHubError,
  OrchestratorError,
  SandboxError,
  StateStoreError
} from "@remote-agent/domain"
import type { DaemonError } from "@remote-agent/e2b-local"
import { Data, type Effect, type FileSystem, type Path, Runtime, Schema } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import type { CommandHost } from "../process/CommandHost.ts"
import type { Screen } from "./Screen.ts"
import type { Redaction } from "../process/redaction.ts"

/** What a command may end with besides being done. */
export const exitCode = { failed: 1, usage: 2, notFound: 3, timeout: 4, partly: 5, interrupted: 130 } as const

/** A command has ended without being done, and has said why. The process ends with `code`. */
export class Ended extends Data.TaggedError("Ended")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode] = this.code
  override readonly [Runtime.errorReported] = false
}

/** A failure that a command passes on to be told. */
export type Failure =
  | RemoteAgentConfig.ConfigError
  | DaemonError.DaemonError
  | GitError.GitError
  | GitHubError.GitHubError
  | NotFound
  | OrchestratorError.OrchestratorError
  | SandboxError.SandboxError
  | StateStoreError.StateStoreError
  | Usage

/** What commands need of the world. */
export type Environment =
  | ChildProcessSpawner.ChildProcessSpawner
  | FileSystem.FileSystem
  | Path.Path
  | CommandHost
  | Screen
  | Redaction

/** How a command ends: done, told why not, or with a failure that is still to be told. */
export type Run<R = never> = Effect.fn.Return<void, Failure | Ended, Environment | R>

/** The command was called in a way that it cannot be carried out. */
export class Usage extends Schema.TaggedError<Usage>()("Usage", { message: Schema.String }) {}

/** What was named does not exist. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { message: Schema.String }) {}

const reasonOf = (failure: Failure): string => ("reason" in failure ? failure.reason._tag : failure._tag)

/** The exit code that tells programs what went wrong. */
export const codeOf = (failure: Failure): number => {
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
      return failure.reason._tag === "NotFound" ? exitCode.notFound : exitCode.failed
    case "GitError":
      return ofGit(failure)
    case "GitHubError":
      return ofGitHub(failure)
  }
}

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

/** The exit code that tells programs how a query ended. */
export const codeOfOutcome = (outcome: AgentEvent.Outcome): number =>
  outcome === "ok" ? 0 : outcome === "timeout" ? exitCode.timeout : exitCode.failed

const ofOrchestrator = ({ reason }: OrchestratorError.OrchestratorError): number => {
  switch (reason._tag) {
    case "AgentNotFound":
    case "QueryNotFound":
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
    case "QueryFailed":
      return codeOfOutcome(reason.result.outcome)
    case "SandboxFailed":
      return ofSandbox(reason.cause)
    case "LaunchFailed":
      return ofLaunch(reason.cause)
    default:
      return exitCode.failed
  }
}

const ofLaunch = (cause: OrchestratorError.LaunchFailed["cause"]): number =>
  cause._tag === "SandboxError"
    ? ofSandbox(cause)
    : cause._tag === "GitError"
      ? ofGit(cause)
      : exitCode.failed

/** The command that does what a failure of the local server asks for. */
const commandFor = ({ reason }: DaemonError.DaemonError): ReadonlyArray<string> => {
  switch (reason._tag) {
    case "NotRunning":
      return ["  remote-agent local serve"]
    case "AlreadyRunning":
      return ["  remote-agent local status", "  remote-agent local stop"]
    case "VersionMismatch":
    case "IsolationMismatch":
      return ["  remote-agent local stop"]
    case "SandboxesLeft":
      return ["  remote-agent local stop --yes"]
    default:
      return []
  }
}

/** The failure for people: one line what, one line what to do. */
export const toLines = (failure: Failure): ReadonlyArray<string> => {
  if (failure._tag === "ConfigError") {
    return failure.problems.flatMap(({ hint, name, problem }) => [`${name} ${problem}.`, `  ${hint}`])
  }
  const [, what = failure.message, todo] = /^(.*?[^.][.!?]) +(\S.*)$/s.exec(failure.message) ?? []
  const commands = failure._tag === "DaemonError" ? commandFor(failure) : []
  return todo === undefined
    ? [what, ...commands]
    : [what, ...`  ${todo}`.replaceAll("\n", "\n    ").split("\n"), ...commands]
}

/** The failure for programs. */
export const toJson = (failure: Failure) => ({
  error: {
    reason: reasonOf(failure),
    message: failure.message,
    retryable: "isRetryable" in failure && failure.isRetryable
  }
})
