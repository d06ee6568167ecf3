import { Schema } from "effect"

/** Text with placeholders in braces; see {@link expand}. */
const Template = Schema.String

/** A program and its arguments, each one element: no shell reads them. Paths are relative to the home folder. */
export class ProfileCommand extends Schema.Class<ProfileCommand>("@remote-agent/domain/ProfileCommand")({
  argv: Schema.NonEmptyArray(Template),
  cwd: Schema.optionalKey(Template),
  env: Schema.optionalKey(Schema.Record(Schema.String, Template)),
  /** How long it may take. */
  timeout: Schema.optionalKey(Schema.Duration)
}) {}

/** A file that is placed in the sandbox before set-up. */
export class Asset extends Schema.Class<Asset>("@remote-agent/domain/Asset")({
  path: Template,
  content: Schema.String
}) {}

/** How a query is put to the agent program and how its answer is read. */
export class RunSpec extends Schema.Class<RunSpec>("@remote-agent/domain/RunSpec")({
  argv: Schema.NonEmptyArray(Template),
  cwd: Schema.optionalKey(Template),
  env: Schema.optionalKey(Schema.Record(Schema.String, Template)),
  /** How the query gets in, which is never by the arguments: as one line of JSON on standard input. */
  input: Schema.Literals(["stdin-json"]),
  /** The language of its standard output. */
  protocol: Schema.Literals(["runner-jsonl"]),
  /** How long it may take in all. */
  wallTimeout: Schema.Duration,
  /** How long it may be silent. */
  idleTimeout: Schema.Duration
}) {}

/**
 * How an agent is set up, run and checked: data, so that a profile can be printed, overridden and sent over a wire.
 */
export class Profile extends Schema.Class<Profile>("@remote-agent/domain/Profile")({
  name: Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,31}$/)),
  description: Schema.String,
  /** Our own program, harmless by construction: it alone may run where a machine offers no isolation. */
  trusted: Schema.Boolean,
  /** The folder that the agent works in and keeps its sessions in. */
  work: Template,
  assets: Schema.Array(Asset),
  setup: Schema.Array(ProfileCommand),
  /** Exits with 0 when the agent can work. */
  health: ProfileCommand,
  run: RunSpec
}) {}

/** The values that stand for the placeholders of a profile. */
export interface Placeholders {
  /** The home folder in the sandbox, an absolute path. */
  readonly home: string
}

/** Replaces `{home}`, once and not in what it stands for. Any other text in braces stays as it is. */
export const expand = (template: string, values: Placeholders): string =>
  template.replaceAll("{home}", () => values.home)
