import type {
  GitError,
  GitHubError,
  OrchestratorError,
  RemoteAgentConfig,
  SandboxError,
  StateStoreError
} from "@remote-agent/domain"
import type { DaemonError } from "@remote-agent/e2b-local"
import { Data, Runtime, Schema } from "effect"

/** A failure that a command reports to the user. */
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

/** The command line is wrong: the command cannot run as it was called. */
export class Usage extends Schema.TaggedError<Usage>()("Usage", { message: Schema.String }) {}

/** The named thing does not exist. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { message: Schema.String }) {}

/** A command failed and has already reported why. The process exits with `code`. */
export class Ended extends Data.TaggedError("Ended")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode] = this.code
  override readonly [Runtime.errorReported] = false
}
