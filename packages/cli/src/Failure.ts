import type { Config, OrchestratorError, SandboxError } from "@remote-agent/domain"
import { Data, type Effect, type FileSystem, type Path, Runtime, Schema } from "effect"
import type { Host } from "./Host.ts"
import type { Screen } from "./Screen.ts"
import type { Secrets } from "./Secrets.ts"

/** What a command may end with besides being done. */
export const exitCode = { failed: 1, usage: 2, notFound: 3, timeout: 4, partly: 5, interrupted: 130 } as const

/** A command has ended without being done, and has said why. The process ends with `code`. */
export class Ended extends Data.TaggedError("Ended")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode] = this.code
  override readonly [Runtime.errorReported] = false
}

/** A failure that a command passes on to be told. */
export type Failure =
  | Config.ConfigError
  | OrchestratorError.OrchestratorError
  | SandboxError.SandboxError
  | Usage

/** What commands need of the world. */
export type Environment = FileSystem.FileSystem | Path.Path | Host | Screen | Secrets

/** How a command ends: done, told why not, or with a failure that is still to be told. */
export type Run<R = never> = Effect.fn.Return<void, Failure | Ended, Environment | R>

/** The command was called in a way that it cannot be carried out. */
export class Usage extends Schema.TaggedError<Usage>()("Usage", { message: Schema.String }) {}

const reasonOf = (failure: Failure): string =>
  failure._tag === "OrchestratorError" || failure._tag === "SandboxError" ? failure.reason._tag : failure._tag

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
    case "AgentLost":
      return exitCode.notFound
    case "UnknownProfile":
    case "NotConfigured":
    case "IsolationRequired":
      return exitCode.usage
    case "QueryFailed":
      return reason.result.outcome === "timeout" ? exitCode.timeout : exitCode.failed
    case "SandboxFailed":
      return ofSandbox(reason.cause)
    case "LaunchFailed":
      return reason.cause._tag === "SandboxError" ? ofSandbox(reason.cause) : exitCode.failed
    default:
      return exitCode.failed
  }
}

/** The failure for people: one line what, one line what to do. */
export const toLines = (failure: Failure): ReadonlyArray<string> => {
  if (failure._tag === "ConfigError") {
    return failure.problems.flatMap(({ hint, name, problem }) => [`${name} ${problem}.`, `  ${hint}`])
  }
  const [, what = failure.message, todo] = /^(.*?[^.][.!?]) +(\S.*)$/s.exec(failure.message) ?? []
  return todo === undefined ? [what] : [what, `  ${todo}`]
}

/** The failure for programs. */
export const toJson = (failure: Failure) => ({
  error: {
    reason: reasonOf(failure),
    message: failure.message,
    retryable: failure._tag === "Usage" ? false : failure.isRetryable
  }
})
