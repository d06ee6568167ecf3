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

/** Text with placeholders for folders; see `Template`. */
const Folders = template("home", "run", "work", "source", "ref")

const option = (name: Placeholder) => Schema.optionalKey(Schema.Array(template("home", "run", "work", name)))

const Environment = Schema.Record(Schema.String, Folders)

// As text, so that a profile can be printed, and be written in a file, as `5 minutes`.
const Limit = Schema.DurationFromString

const VariableName = Schema.String.check(
  Schema.isPattern(/^[A-Za-z_]\w*$/, { expected: "a name of a variable" })
)

/** A program and its arguments, each one element: no shell reads them. Paths are relative to the home folder. */
export class ProfileCommand extends Schema.Class<ProfileCommand>("@remote-agent/domain/ProfileCommand")({
  argv: Schema.NonEmptyArray(Folders),
  cwd: Schema.optionalKey(Folders),
  env: Schema.optionalKey(Environment),
  /** How long it may take. */
  timeout: Schema.optionalKey(Limit),
  /** Its failure is not one of the whole: what it is for can do without it. */
  optional: Schema.optionalKey(Schema.Boolean)
}) {}

/** A file that is placed in the sandbox before set-up: either its `content`, or a `file` of the user's own. */
export class Asset extends Schema.Class<Asset>("@remote-agent/domain/Asset")(
  Schema.Struct({
    path: Folders,
    content: Schema.optionalKey(Schema.String),
    /** A path on the machine that launches the agent; a relative one starts at its working folder. */
    file: Schema.optionalKey(Schema.NonEmptyString),
    /** Who may read, write and run it, as `chmod` takes it: `0600`. */
    mode: Schema.optionalKey(
      Schema.String.check(Schema.isPattern(/^[0-7]{3,4}$/, { expected: "an octal mode such as 0600" }))
    )
  }).check(
    Schema.makeFilter(({ content, file }) =>
      (content === undefined) === (file === undefined) ? "needs either content or file" : undefined
    )
  )
) {}

// What begins with a dash would be read as an option.
const GitWord = Schema.String.check(
  Schema.isPattern(/^[^-\s]\S*$/, { expected: "no blanks, and no dash in front" })
)

/** The code of an agent: a commit of a git repository, checked out in the sandbox. */
export class Source extends Schema.Class<Source>("@remote-agent/domain/Source")({
  /** What git can fetch from the sandbox, or the absolute path or `file://` address of a repository on this machine. */
  repository: GitWord,
  /** A tag, a branch or a whole commit id. */
  ref: GitWord,
  /** How many commits are fetched; all of them when absent. */
  depth: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  /** Where it is checked out: what `{source}` stands for. */
  folder: template("home", "run")
}) {}

const Version = Schema.String.check(
  Schema.isPattern(/^\d+(\.\d+){0,2}$/, { expected: "a version such as 1.2.0" })
)

/**
 * A program that the agent needs. What is on the `PATH` is used when its version will do, else it is installed;
 * either way it is `{run}/bin/<name>` from then on.
 */
export class Tool extends Schema.Class<Tool>("@remote-agent/domain/Tool")({
  name: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][\w.+-]*$/, { expected: "a name of a program" })),
  /** The arguments with which it prints its version; `--version` when absent. */
  versionArgv: Schema.optionalKey(Schema.Array(Schema.String)),
  /** The oldest version that will do; any when absent. */
  min: Schema.optionalKey(Version),
  /** The only version that will do. */
  exact: Schema.optionalKey(Version),
  /** How it is installed. Without it a missing tool is an error. */
  install: Schema.optionalKey(
    Schema.Struct({
      commands: Schema.NonEmptyArray(ProfileCommand),
      /** The program that they make. Name its folder by its version, so that the one before stays to go back to. */
      program: Folders
    })
  )
}) {}

/** A variable of the agent's environment, which is the sandbox's own: it is set once, when the sandbox is made. */
export class EnvRule extends Schema.Class<EnvRule>("@remote-agent/domain/EnvRule")({
  name: VariableName,
  /** The settings that its value is taken from, the first that is set; the one of the same name when absent. */
  from: Schema.optionalKey(Schema.Array(VariableName)),
  /** Its value when none of them is set. */
  value: Schema.optionalKey(Schema.String),
  /** It must not be shown, and is struck out of everything that the agent prints. */
  secret: Schema.optionalKey(Schema.Boolean),
  /** The agent cannot work without. */
  required: Schema.optionalKey(Schema.Boolean),
  /** The agent needs at least one of the rules of a group. */
  group: Schema.optionalKey(Schema.NonEmptyString)
}) {}

/** The language in which an agent program tells what it does. */
export const Protocol = Schema.Literals([
  "runner-jsonl",
  "claude-stream-json",
  "codex-jsonl",
  "opencode-json",
  "text",
  "json-path"
])
export type Protocol = typeof Protocol.Type

/** A place in a JSON document: `$.result.answers[0]`. */
export const JsonPath = Schema.String.check(
  Schema.isPattern(/^\$(\.[A-Za-z_][\w-]*|\[\d+\])*$/, { expected: "a path such as $.result.text" })
)

/** How a query is put to the agent program and how its answer is read. */
export class RunSpec extends Schema.Class<RunSpec>("@remote-agent/domain/RunSpec")(
  Schema.Struct({
    argv: Schema.NonEmptyArray(template("home", "run", "work", "source", "ref", "requestFile")),
    cwd: Schema.optionalKey(Folders),
    env: Schema.optionalKey(Environment),
    /**
     * How the query gets in: as one line of JSON on standard input, as it is on standard input, as JSON in the file
     * that `{requestFile}` names, or as the last argument, where others on the machine can read it.
     */
    input: Schema.Literals(["stdin-json", "stdin-text", "request-file", "argv"]),
    /** More fields of the JSON. Those of the query itself take precedence. */
    request: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
    /** The model when a query names none; the agent's own when absent. */
    model: Schema.optionalKey(Schema.NonEmptyString),
    /** The variable of the sandbox that names the model when neither a query nor `model` does. */
    modelEnv: Schema.optionalKey(Schema.NonEmptyString),
    /** Added when a model is chosen. */
    modelArgv: option("model"),
    /** Added when there is a limit of money. */
    budgetArgv: option("budgetUsd"),
    /** Added when there is a limit of steps. */
    iterationsArgv: option("maxIterations"),
    /** Added when the agent goes on with an earlier session, whose id of its own is known; after all others. */
    resumeArgv: option("session"),
    /** The language of its standard output. */
    protocol: Protocol,
    /** Where `json-path` finds what. */
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
    /** How long it may run on after its result; 10 seconds when absent. */
    completionGrace: Schema.optionalKey(Limit),
    /** How long it has to end by itself when it is stopped; 5 seconds when absent. */
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
 * How an agent keeps a conversation: its runner in a file under our name for it (`runner-file`), the agent itself
 * under an id of its own (`agent-id`), or not at all (`none`).
 */
export class SessionSpec extends Schema.Class<SessionSpec>("@remote-agent/domain/SessionSpec")({
  kind: Schema.Literals(["runner-file", "agent-id", "none"]),
  /** The files and folders that hold the conversations: what another agent needs to go on with them. */
  files: Schema.Array(Folders)
}) {}

/**
 * How an agent is set up, run and checked: data, so that a profile can be printed, overridden and sent over a wire.
 */
export class Profile extends Schema.Class<Profile>("@remote-agent/domain/Profile")({
  name: Schema.String.check(
    Schema.isPattern(/^[a-z][a-z0-9-]{0,31}$/, {
      expected: "at most 32 small letters, digits and dashes, a letter first"
    })
  ),
  description: Schema.String,
  /** Our own program, harmless by construction: it alone may run where a machine offers no isolation. */
  trusted: Schema.Boolean,
  /** The setting that must be on before this agent is run. */
  enabledBy: Schema.optionalKey(VariableName),
  /** Its code, when it comes from a repository; placed before set-up. */
  source: Schema.optionalKey(Source),
  /** The folder that the agent works in and keeps its sessions in. */
  work: template("home"),
  assets: Schema.Array(Asset),
  /** The programs it needs, seen to before set-up. */
  needs: Schema.optionalKey(Schema.Array(Tool)),
  env: Schema.optionalKey(Schema.Array(EnvRule)),
  setup: Schema.Array(ProfileCommand),
  /** What follows on another commit of the source; the set-up when absent. */
  update: Schema.optionalKey(Schema.Array(ProfileCommand)),
  /** Exits with 0 when the agent can work. */
  health: ProfileCommand,
  /** Where the last line of the health check's output says `true`, if its exit code is not all. */
  healthPath: Schema.optionalKey(JsonPath),
  run: RunSpec,
  /** `none` when absent. */
  session: Schema.optionalKey(SessionSpec),
  /** The hosts that it talks to. */
  egress: Schema.optionalKey(
    Schema.Struct({
      /** What set-up cannot do without, beside the host of the source: looked up before a launch on this machine. */
      setup: Schema.Array(Schema.String),
      /** What set-up talks to as well, and can do without. */
      optional: Schema.optionalKey(Schema.Array(Schema.String)),
      /** What queries talk to. */
      run: Schema.Array(Schema.String)
    })
  ),
  /** Whether a sandbox that was set up may be kept and copied for others: no secret is written during set-up. */
  cacheable: Schema.optionalKey(Schema.Boolean)
}) {}

/** The folder of our own files in a sandbox, beside the work folder: what `{run}` stands for. */
const runFolder = "{home}/.agent"

/** What the placeholders of a profile stand for in a sandbox with this home folder, an absolute path. */
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
