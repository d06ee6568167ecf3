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
  hint: Schema.String
}) {
  /** The problem as one line. */
  get text(): string {
    return `${this.name} ${this.problem}. ${this.hint}`
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
