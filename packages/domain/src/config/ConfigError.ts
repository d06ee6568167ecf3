import { Schema } from "effect"

/**
 * One problem of the configuration: the setting, what is wrong with it, and how to set it. It shows no value.
 *
 * @category models
 * @since 0.1.0
 */
export class Problem extends Schema.Class<Problem>("@remote-agent/domain/RemoteAgentConfig/Problem")({
  name: Schema.String,
  problem: Schema.String,
  hint: Schema.String,
  /** The file, the line and the column: `remote-agent.json:3:5`. */
  where: Schema.optionalKey(Schema.String)
}) {
  /** What is wrong, without a full stop. */
  get what(): string {
    return `${this.where === undefined ? "" : `${this.where}: `}${this.name} ${this.problem}`
  }

  /** The problem as one line. */
  get text(): string {
    return `${this.what}. ${this.hint}`
  }
}

/**
 * The configuration is unusable. Every problem is listed.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  problems: Schema.NonEmptyArray(Problem)
}) {
  override get message() {
    return this.problems.map(({ text }) => text).join("\n")
  }

  /** Always false: the configuration has to be changed first. */
  get isRetryable(): boolean {
    return false
  }
}
