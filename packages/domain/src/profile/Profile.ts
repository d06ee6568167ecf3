import { Schema } from "effect"
import { expand, type Placeholder, type Placeholders, unknownIn } from "./Placeholders.ts"

const template = (...known: ReadonlyArray<Placeholder>) =>
  Schema.String.check(
    Schema.makeFilter((text: string) => {
      const unknown = unknownIn(text, known)
      return unknown === undefined
        ? undefined
        : `has the unknown placeholder {${unknown}}; known here: ${known.map((name) => `{${name}}`).join(" ")}; write {{${unknown}}} for the text itself`
    })
  )

/** A text with placeholders for folders. */
const Folders = template("home", "run", "work", "source", "ref")

const option = (name: Placeholder) => Schema.optionalKey(Schema.Array(template("home", "run", "work", name)))

const Environment = Schema.Record(Schema.String, Folders)

// Encoded as text such as `5 minutes`, because people write profiles in files.
const Limit = Schema.DurationFromString

const VariableName = Schema.String.check(
  Schema.isPattern(/^[A-Za-z_]\w*$/, { expected: "a name of a variable" })
)

/**
 * A command of a profile.
 *
 * **Details**
 *
 * `argv` is the program and its arguments; no shell interprets them. Paths are relative to the home folder.
 *
 * @category models
 * @since 0.1.0
 */
export class ProfileCommand extends Schema.Class<ProfileCommand>("@remote-agent/domain/ProfileCommand")({
  argv: Schema.NonEmptyArray(Folders),
  cwd: Schema.optionalKey(Folders),
  env: Schema.optionalKey(Environment),
  /** How long it may take. */
  timeout: Schema.optionalKey(Limit),
  /** Whether the setup continues when this command fails. */
  optional: Schema.optionalKey(Schema.Boolean)
}) {}

/**
 * A file that is placed in the sandbox before setup: either its `content`, or the name of a local `file`.
 *
 * @category models
 * @since 0.1.0
 */
export class Asset extends Schema.Class<Asset>("@remote-agent/domain/Asset")(
  Schema.Struct({
    path: Folders,
    content: Schema.optionalKey(Schema.String),
    /** A path on the machine that launches the agent, relative to its working folder. */
    file: Schema.optionalKey(Schema.NonEmptyString),
    /** The mode, as `chmod` accepts it: `0600`. */
    mode: Schema.optionalKey(
      Schema.String.check(Schema.isPattern(/^[0-7]{3,4}$/, { expected: "an octal mode such as 0600" }))
    )
  }).check(
    Schema.makeFilter(({ content, file }) =>
      (content === undefined) === (file === undefined) ? "needs either content or file" : undefined
    )
  )
) {}

// Git would read a word that starts with a dash as an option.
const GitWord = Schema.String.check(
  Schema.isPattern(/^[^-\s]\S*$/, { expected: "no blanks, and no dash in front" })
)

/**
 * The code of an agent: a commit of a git repository, checked out in the sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export class Source extends Schema.Class<Source>("@remote-agent/domain/Source")({
  /** An address that the sandbox can fetch from, or the absolute path or `file://` address of a repository on this machine. */
  repository: GitWord,
  /** A tag, a branch or a whole commit id. */
  ref: GitWord,
  /** How many commits are fetched; all when absent. */
  depth: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  /** The folder it is checked out in: the value of `{source}`. */
  folder: template("home", "run")
}) {}

const Version = Schema.String.check(
  Schema.isPattern(/^\d+(\.\d+){0,2}$/, { expected: "a version such as 1.2.0" })
)

/**
 * A program that the agent needs.
 *
 * **Details**
 *
 * A program on the `PATH` is used when its version matches; otherwise it is installed. Either way it is available as
 * `{run}/bin/<name>` afterwards.
 *
 * @category models
 * @since 0.1.0
 */
export class Tool extends Schema.Class<Tool>("@remote-agent/domain/Tool")({
  name: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][\w.+-]*$/, { expected: "a name of a program" })),
  /** The arguments that make it print its version; `--version` when absent. */
  versionArgv: Schema.optionalKey(Schema.Array(Schema.String)),
  /** The oldest version that works; any version when absent. */
  min: Schema.optionalKey(Version),
  /** The only version that works. */
  exact: Schema.optionalKey(Version),
  /** How it is installed. Without this, a missing tool is an error. */
  install: Schema.optionalKey(
    Schema.Struct({
      commands: Schema.NonEmptyArray(ProfileCommand),
      /** The program that the commands install. Put its version in the folder name, so that an update can be undone. */
      program: Folders
    })
  )
}) {}

/**
 * A variable of the agent's environment. The environment belongs to the sandbox and is set once, at its creation.
 *
 * @category models
 * @since 0.1.0
 */
export class EnvRule extends Schema.Class<EnvRule>("@remote-agent/domain/EnvRule")({
  name: VariableName,
  /** The settings that may hold its value, of which the first that is set counts; the setting of the same name when absent. */
  from: Schema.optionalKey(Schema.Array(VariableName)),
  /** Its value when none of these settings is set. */
  value: Schema.optionalKey(Schema.String),
  /** Whether its value is redacted from everything that the agent prints. */
  secret: Schema.optionalKey(Schema.Boolean),
  /** Whether the agent cannot work without it. */
  required: Schema.optionalKey(Schema.Boolean),
  /** The agent needs at least one of the variables of a group. */
  group: Schema.optionalKey(Schema.NonEmptyString)
}) {}

/**
 * The format of an agent program's output.
 *
 * @category models
 * @since 0.1.0
 */
export const Protocol = Schema.Literals([
  "runner-jsonl",
  "claude-stream-json",
  "codex-jsonl",
  "opencode-json",
  "text",
  "json-path"
])
export type Protocol = typeof Protocol.Type

/**
 * A path in a JSON document: `$.result.answers[0]`.
 *
 * @category models
 * @since 0.1.0
 */
export const JsonPath = Schema.String.check(
  Schema.isPattern(/^\$(\.[A-Za-z_][\w-]*|\[\d+\])*$/, { expected: "a path such as $.result.text" })
)

/**
 * How a query is passed to the agent program, and how its answer is read.
 *
 * @category models
 * @since 0.1.0
 */
export class RunSpec extends Schema.Class<RunSpec>("@remote-agent/domain/RunSpec")(
  Schema.Struct({
    argv: Schema.NonEmptyArray(template("home", "run", "work", "source", "ref", "requestFile")),
    cwd: Schema.optionalKey(Folders),
    env: Schema.optionalKey(Environment),
    /**
     * How the query is passed: as one line of JSON on standard input, as plain text on standard input, as JSON in the
     * file that `{requestFile}` names, or as the last argument, which other processes of the sandbox can read.
     */
    input: Schema.Literals(["stdin-json", "stdin-text", "request-file", "argv"]),
    /** More fields of the JSON. The fields of the query take precedence. */
    request: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
    /** The model when a query names none; the agent's own default when absent. */
    model: Schema.optionalKey(Schema.NonEmptyString),
    /** The variable that names the model when neither the query nor `model` does. */
    modelEnv: Schema.optionalKey(Schema.NonEmptyString),
    /** Arguments that are added when a model is chosen. */
    modelArgv: option("model"),
    /** Arguments that are added when there is a limit of money. */
    budgetArgv: option("budgetUsd"),
    /** Arguments that are added when there is a limit of steps. */
    iterationsArgv: option("maxIterations"),
    /** Arguments that are added last when the agent resumes an earlier session by the agent's own id. */
    resumeArgv: option("session"),
    /** The format of its standard output. */
    protocol: Protocol,
    /** The paths for the protocol `json-path`. */
    jsonPath: Schema.optionalKey(
      Schema.Struct({
        answer: JsonPath,
        error: Schema.optionalKey(JsonPath),
        session: Schema.optionalKey(JsonPath)
      })
    ),
    /** How long it may take in all. */
    wallTimeout: Limit,
    /** How long it may be silent. */
    idleTimeout: Limit,
    /**
     * How long it may run after its result; 10 seconds when absent. After that it is stopped: SIGTERM, then SIGKILL when
     * `killGrace` is over. The result counts in either case.
     */
    completionGrace: Schema.optionalKey(Limit),
    /** How long it may take to exit after SIGTERM; 5 seconds when absent. */
    killGrace: Schema.optionalKey(Limit)
  }).check(
    Schema.makeFilter(({ argv, input, jsonPath, protocol }) => {
      if ((protocol === "json-path") !== (jsonPath !== undefined)) {
        return { path: ["jsonPath"], issue: "goes with the protocol json-path, and only with it" }
      }
      if ((input === "request-file") !== argv.some((argument) => argument.includes("{requestFile}"))) {
        return { path: ["argv"], issue: "names {requestFile} with the input request-file, and only with it" }
      }
      return undefined
    })
  )
) {}

/**
 * How an agent keeps a conversation.
 *
 * **Details**
 *
 * - `runner-file`: its runner keeps it in a file named after the session.
 * - `agent-id`: the agent keeps it under an id of its own.
 * - `none`: it keeps none.
 *
 * @category models
 * @since 0.1.0
 */
export class SessionSpec extends Schema.Class<SessionSpec>("@remote-agent/domain/SessionSpec")({
  kind: Schema.Literals(["runner-file", "agent-id", "none"]),
  /** The files and folders that hold the conversations. Another agent needs them to continue a conversation. */
  files: Schema.Array(Folders)
}) {}

/**
 * How an agent is set up, run and checked.
 *
 * **Details**
 *
 * A profile is plain data, so it can be printed, overridden in a file, and sent over a network.
 *
 * @category models
 * @since 0.1.0
 */
export class Profile extends Schema.Class<Profile>("@remote-agent/domain/Profile")({
  name: Schema.String.check(
    Schema.isPattern(/^[a-z][a-z0-9-]{0,31}$/, {
      expected: "at most 32 small letters, digits and dashes, a letter first"
    })
  ),
  description: Schema.String,
  /** Whether it may run without isolation. True only for programs of this project that are harmless by construction. */
  trusted: Schema.Boolean,
  /** The setting that must be on before this agent may run. */
  enabledBy: Schema.optionalKey(VariableName),
  /** The repository of its code, checked out before setup. */
  source: Schema.optionalKey(Source),
  /** The folder in which the agent works and keeps its sessions. */
  work: template("home"),
  assets: Schema.Array(Asset),
  /** The programs it needs, installed before setup. */
  needs: Schema.optionalKey(Schema.Array(Tool)),
  env: Schema.optionalKey(Schema.Array(EnvRule)),
  setup: Schema.Array(ProfileCommand),
  /** The commands after checking out another commit of the source; those of `setup` when absent. */
  update: Schema.optionalKey(Schema.Array(ProfileCommand)),
  /** Exits with 0 when the agent is able to work. */
  health: ProfileCommand,
  /** The path that must hold `true` in the last line of the health check's output, where the exit code is not enough. */
  healthPath: Schema.optionalKey(JsonPath),
  run: RunSpec,
  /** `none` when absent. */
  session: Schema.optionalKey(SessionSpec),
  /** The hosts it connects to. */
  egress: Schema.optionalKey(
    Schema.Struct({
      /** Hosts that setup requires, beside the host of the source. A local launch resolves their names first. */
      setup: Schema.Array(Schema.String),
      /** Hosts that setup uses but does not require. */
      optional: Schema.optionalKey(Schema.Array(Schema.String)),
      /** Hosts that queries use. */
      run: Schema.Array(Schema.String)
    })
  ),
  /** Whether a sandbox may be kept after setup as a template for others: setup writes no secret. */
  cacheable: Schema.optionalKey(Schema.Boolean)
}) {}

/** The folder of this program's own files in a sandbox, beside the work folder: the value of `{run}`. */
const runFolder = "{home}/.agent"

/**
 * Computes the values of a profile's placeholders in a sandbox. `home` is its home folder, an absolute path.
 *
 * @category expansion
 * @since 0.1.0
 */
export const placeholders = (
  profile: Profile,
  home: string
): Placeholders & { readonly home: string; readonly run: string; readonly work: string } => {
  const run = expand(runFolder, { home })
  return {
    home,
    run,
    work: expand(profile.work, { home }),
    ...(profile.source === undefined
      ? {}
      : { source: expand(profile.source.folder, { home, run }), ref: profile.source.ref })
  }
}
