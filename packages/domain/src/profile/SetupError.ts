import { Schema } from "effect"
import { SandboxError } from "../sandbox/SandboxError.ts"

/**
 * A command of the profile exited with a code other than 0. `output` is the end of its output, without secrets;
 * absent when it printed nothing, or when the secrets are not known.
 */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  program: Schema.String,
  exitCode: Schema.Int,
  output: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    const ended = `${this.program} ended with exit code ${this.exitCode}.`
    return this.output === undefined
      ? `${ended} Run it by hand in a sandbox to see why.`
      : `${ended} The end of its output:\n${this.output}`
  }
}

/**
 * A program that the profile needs is missing or has the wrong version, and could not be installed. `needed` describes
 * the version; it is empty when any version will do.
 */
export class ToolMissing extends Schema.TaggedError<ToolMissing>()("ToolMissing", {
  tool: Schema.String,
  needed: Schema.String
}) {
  override get message() {
    return `${this.tool}${this.needed === "" ? "" : ` ${this.needed}`} is missing and could not be installed. Install it in the template of the sandbox.`
  }
}

/** The code of the agent could not be fetched. The address holds no password. */
export class SourceUnavailable extends Schema.TaggedError<SourceUnavailable>()("SourceUnavailable", {
  repository: Schema.String,
  ref: Schema.String
}) {
  override get message() {
    return `${this.ref} of ${this.repository} could not be fetched. Check both, and that the sandbox can reach it.`
  }
}

/** A local file that the profile places in the sandbox cannot be read. */
export class AssetUnreadable extends Schema.TaggedError<AssetUnreadable>()("AssetUnreadable", {
  file: Schema.String
}) {
  override get message() {
    return `The file ${this.file} cannot be read. Check its path and its permissions.`
  }
}

/**
 * Why the setup of a profile failed.
 *
 * @category models
 * @since 0.1.0
 */
export const SetUpProblem = Schema.Union([
  SandboxError,
  CommandFailed,
  ToolMissing,
  SourceUnavailable,
  AssetUnreadable
])
export type SetUpProblem = typeof SetUpProblem.Type
