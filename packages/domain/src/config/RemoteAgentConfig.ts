import {
  Array as Arr,
  ConfigProvider,
  Context,
  Duration,
  Effect,
  Layer,
  Option,
  Redacted,
  Schema
} from "effect"
import { nextToken } from "../Id.ts"
import { Prices } from "../query/Price.ts"
import * as StateLocation from "../state/StateLocation.ts"

/** One setting: how its text is read, and how it is explained to people. */
export interface Variable<A> {
  readonly decode: (text: string) => Option.Option<A>
  readonly fallback: A
  /** Makes the value of this run when nothing is set, where no value is right for every run. */
  readonly fresh?: Effect.Effect<A>
  /** What a valid value looks like. */
  readonly expected: string
  readonly describe: string
  /** Whether the value must never be shown. */
  readonly secret: boolean
}

const variable = <A>(
  decode: (text: string) => Option.Option<A>,
  options: { readonly fallback: NoInfer<A>; readonly expected: string; readonly describe: string }
): Variable<A> => ({ ...options, decode, secret: false })

// A key pasted with a line break or a blank would be sent as it is, and fail far from here.
const decodeKey = Schema.decodeUnknownOption(Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/)))

const secret = (describe: string): Variable<Redacted.Redacted | undefined> => ({
  describe,
  decode: (text) => Option.map(decodeKey(text), (value) => Redacted.make(value)),
  fallback: undefined,
  expected: "a key without blanks or line breaks",
  secret: true
})

const words = (text: string): Arr.NonEmptyReadonlyArray<string> => {
  const [first = "", ...rest] = text.split(/\s+/)
  return [first, ...rest]
}

/** Several keys for the time in which one takes the place of another; no key holds a blank. */
const secrets = (describe: string): Variable<Arr.NonEmptyReadonlyArray<Redacted.Redacted> | undefined> => ({
  describe,
  decode: (text) =>
    Option.map(Option.all(Arr.map(words(text), (word) => decodeKey(word))), (keys) =>
      Arr.map(keys, (key) => Redacted.make(key))
    ),
  fallback: undefined,
  expected: "a secret without blanks, or several with blanks between them",
  secret: true
})

const pem = /^-----BEGIN ((?:RSA )?PRIVATE KEY)-----\s[A-Za-z0-9+/=\s]+\s-----END \1-----$/

/** A private key as its file has it, with its line breaks as they are or written as `\n`, or all of it in base64. */
const privateKey = (describe: string): Variable<Redacted.Redacted | undefined> => ({
  describe,
  decode: (text) => {
    const plain = text.startsWith("-----") ? Option.some(text) : decodeBase64(text)
    return Option.map(
      Option.filter(
        Option.map(plain, (key) => key.replaceAll("\\n", "\n").trim()),
        (key) => pem.test(key)
      ),
      (key) => Redacted.make(key)
    )
  },
  fallback: undefined,
  expected: "the text of a .pem file, with its line breaks or `\\n` for each, or all of it in base64",
  secret: true
})

const decodeBase64 = Schema.decodeUnknownOption(Schema.StringFromBase64)

const decodeText = Schema.decodeUnknownOption(Schema.NonEmptyString)

const text = (describe: string, expected: string): Variable<string | undefined> => ({
  decode: decodeText,
  fallback: undefined,
  expected,
  describe,
  secret: false
})

const decodeUrl = Schema.decodeUnknownOption(Schema.URLFromString)

const url = (describe: string): Variable<string | undefined> => ({
  decode: (value) =>
    Option.map(
      Option.filter(decodeUrl(value), ({ protocol }) => protocol === "http:" || protocol === "https:"),
      () => value.replace(/\/+$/, "")
    ),
  fallback: undefined,
  expected: "an address such as https://api.example.com",
  describe,
  secret: false
})

const number = (describe: string): Variable<number | undefined> => ({
  decode: Schema.decodeUnknownOption(
    Schema.FiniteFromString.check(
      Schema.isInt(),
      Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
    )
  ),
  fallback: undefined,
  expected: "a whole number from 1 up",
  describe,
  secret: false
})

const whole = (minimum: number, maximum: number, fallback: number, describe: string) =>
  variable(
    Schema.decodeUnknownOption(
      Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum }))
    ),
    { fallback, expected: `a whole number from ${minimum} to ${maximum}`, describe }
  )

const seconds = (maximum: number, fallback: number, describe: string): Variable<Duration.Duration> => {
  const { decode } = whole(1, maximum, fallback, describe)
  return variable((value) => Option.map(decode(value), Duration.seconds), {
    describe,
    fallback: Duration.seconds(fallback),
    expected: `a whole number of seconds from 1 to ${maximum}`
  })
}

const decodeSwitch = Schema.decodeUnknownOption(
  Schema.Literals(["true", "false", "1", "0", "yes", "no", "on", "off"])
)

const onOff = (fallback: boolean, describe: string) =>
  variable(
    (value) =>
      Option.map(decodeSwitch(value.toLowerCase()), (word) => ["true", "1", "yes", "on"].includes(word)),
    { fallback, expected: "true or false", describe }
  )

const oneOf = <const L extends ReadonlyArray<string>>(
  literals: L,
  fallback: L[number],
  describe: string
): Variable<L[number]> =>
  variable(Schema.decodeUnknownOption(Schema.Literals(literals)), {
    fallback,
    expected: literals.join(", "),
    describe
  })

const decodeObjects = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Json)))
)

const decodePrices = Schema.decodeUnknownOption(Schema.fromJsonString(Prices), { onExcessProperty: "error" })

const day = 86_400

const decodeOwner = Schema.decodeUnknownOption(Schema.String.check(Schema.isPattern(/^[\w.-]{1,64}$/)))

/**
 * Whose sandboxes these are. Whatever carries another owner's stamp or none is never touched, and what carries this
 * one without being known to the state store is an orphan and is ended: so the owner goes with the state store, and
 * two stores must not share one. For that reason there is no fixed default. A run that sets none gets an owner of
 * its own, and nobody else will ever take its sandboxes for theirs; their own lifetime ends what it leaves.
 */
const owner: Variable<string> = {
  ...variable(decodeOwner, {
    fallback: "",
    expected: "1 to 64 letters, digits, `.`, `_` or `-`",
    describe: "Whose sandboxes these are; one for each state store, a new one for each run when not set"
  }),
  fresh: nextToken
}

/** It may hold a password, so none of it is shown. Where nothing is set, whoever needs it has a place of its own. */
const state: Variable<StateLocation.StateLocation | undefined> = {
  decode: StateLocation.parse,
  fallback: undefined,
  expected: StateLocation.expected,
  describe: "Where the state is kept: a file, a Postgres database, or in memory",
  secret: true
}

/** Every setting by its name, which is the same in the environment and in `remote-agent.json`. */
export const variables = {
  REMOTE_AGENT_PROVIDER: oneOf(["local", "e2b"], "local", "Where sandboxes run"),
  REMOTE_AGENT_PROFILE: variable(decodeText, {
    fallback: "sample",
    expected: "the name of a profile",
    describe: "The agent that is run when none is named"
  }),
  REMOTE_AGENT_PROFILES: variable(decodeObjects, {
    fallback: {},
    expected: "a JSON object of profiles by their names, each an object",
    describe: "Profiles of your own, and changes to ours; `profiles` in remote-agent.json"
  }),
  REMOTE_AGENT_PRICES: variable(decodePrices, {
    fallback: {},
    expected: 'a JSON object such as {"gpt-5": {"input": 1, "output": 8}}, in dollars for a million tokens',
    describe: "What models cost whose agents do not say, by model or profile; `prices` in remote-agent.json"
  }),
  REMOTE_AGENT_OWNER: owner,
  REMOTE_AGENT_STATE: state,
  REMOTE_AGENT_ISOLATION: oneOf(
    ["auto", "bubblewrap", "namespaces", "none"],
    "auto",
    "How the local provider isolates sandboxes; `none` runs plain processes"
  ),
  REMOTE_AGENT_SETUP_CACHE: onOff(
    true,
    "Whether a sandbox that was set up is kept as a template for later launches of the same profile"
  ),
  E2B_API_KEY: secret("The key of your E2B account"),
  E2B_API_URL: url("Where the E2B API is, if not at E2B"),
  E2B_SANDBOX_URL: url("Where E2B sandboxes are reached, if not at E2B"),
  E2B_TEMPLATE: text("The E2B template that sandboxes are made from", "the name or id of a template"),
  E2B_DEFAULT_TIMEOUT: seconds(
    day,
    3600,
    "How long a sandbox may live when nothing else is said, in seconds"
  ),
  E2B_MAX_TIMEOUT: seconds(day, day, "The longest lifetime that may be asked for, in seconds"),
  E2B_AUTO_PAUSE: onOff(
    true,
    "Whether a persistent sandbox pauses at the end of its lifetime, and is not killed"
  ),
  GITHUB_TOKEN: secret("A GitHub token; it never enters a sandbox"),
  GITHUB_REPO_OWNER: text("The owner of the repository that agents work on", "a GitHub user or organisation"),
  GITHUB_REPO_NAME: variable(decodeText, {
    fallback: "dexter",
    expected: "the name of a GitHub repository",
    describe: "The repository that agents work on"
  }),
  GITHUB_API_URL: url("Where the API of your GitHub Enterprise Server is, if not at github.com"),
  GITHUB_APP_ID: number("The id of the GitHub App to act as; it is used rather than GITHUB_TOKEN"),
  GITHUB_APP_INSTALLATION_ID: number("Which installation of the GitHub App to act as"),
  GITHUB_APP_PRIVATE_KEY: privateKey("The private key of the GitHub App; it never enters a sandbox"),
  GITHUB_WEBHOOK_SECRET: secrets("What GitHub signs webhook deliveries with"),
  OPENAI_API_KEY: secret("The key for models of OpenAI"),
  FINANCIAL_DATASETS_API_KEY: secret("The key for the data of financialdatasets.ai"),
  ANTHROPIC_API_KEY: secret("The key for models of Anthropic"),
  ENABLE_CLAUDE_CODE: onOff(false, "Whether Claude Code may be run"),
  DEXTER_MODEL: text(
    "The model that Dexter uses when a query names none; Dexter's own when not set",
    "the name of a model"
  ),
  DEXTER_MAX_STEPS: whole(1, 1000, 20, "How many steps Dexter may take for one query"),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(
    "Where traces, metrics and logs are sent to (OTLP over HTTP); nowhere when not set"
  ),
  OTEL_EXPORTER_OTLP_HEADERS: secret(
    "Headers for the receiver of traces, metrics and logs, such as authorization=…,x-team=…"
  ),
  REMOTE_AGENT_METRICS_FILE: text(
    "A file that the metrics of a command are written to at its end, for Prometheus",
    "the name of a file"
  ),
  REMOTE_AGENT_LOG_FORMAT: oneOf(
    ["auto", "human", "json"],
    "auto",
    "How log lines look; `auto` is for people on a terminal and JSON in a pipe"
  ),
  DEXTER_MAX_STEPS_PER_TASK: whole(1, 1000, 5, "How many steps Dexter may take for one task of a query")
}

/** The name of a setting. */
export type Name = keyof typeof variables

/** The value of every setting, under its name. */
export type Values = { readonly [N in Name]: (typeof variables)[N] extends Variable<infer A> ? A : never }

/** One thing that is wrong with the configuration. */
export class Problem extends Schema.Class<Problem>("@remote-agent/domain/RemoteAgentConfig/Problem")({
  name: Schema.String,
  problem: Schema.String,
  hint: Schema.String
}) {}

/** The configuration is unusable; every problem is listed, and no value is shown. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  problems: Schema.NonEmptyArray(Problem)
}) {
  override get message() {
    return this.problems.map(({ name, problem, hint }) => `${name} ${problem}. ${hint}`).join("\n")
  }

  /** Never: somebody has to change the configuration. */
  get isRetryable(): boolean {
    return false
  }
}

/** The settings of this run, read once. */
export class RemoteAgentConfig extends Context.Service<RemoteAgentConfig, Values>()(
  "@remote-agent/domain/RemoteAgentConfig"
) {}

/** Every name of a setting, in the order in which they are shown. */
export const names = Object.keys(variables) as ReadonlyArray<Name>

/** What holds when a setting is not set, as one would write it; empty when nothing does. */
export const fallbackText = (name: Name): string => {
  const { fallback } = variables[name]
  if (Duration.isDuration(fallback)) return `${Duration.toSeconds(fallback)}`
  return typeof fallback === "object" || fallback === undefined ? "" : `${fallback}`
}

/** The values of variables that are no settings of ours, such as the keys of agents. */
export type Lookup = (name: string) => Redacted.Redacted | undefined

/** Looks variables up by name where the settings are read from. Without a layer of this module nothing is set. */
export const Variables = Context.Reference<(all: Iterable<string>) => Effect.Effect<Lookup, ConfigError>>(
  "@remote-agent/domain/RemoteAgentConfig/Variables",
  { defaultValue: () => () => Effect.succeed(() => undefined) }
)

/** The text of one setting; none when it is not set or empty. */
export const read = Effect.fnUntraced(function* (provider: ConfigProvider.ConfigProvider, name: string) {
  const node = yield* provider.load([name])
  const value = node?.value
  // An empty variable is an unset one: that is what `KEY=` in a .env file means.
  return value === undefined || value.trim() === "" ? Option.none<string>() : Option.some(value)
})

const unreadable = (name: string): Problem =>
  new Problem({
    name,
    problem: "could not be read",
    hint: "Check that the source of the configuration exists."
  })

const wrong = (name: Name): Problem =>
  new Problem({
    name,
    problem: "is not valid",
    hint: `Set it to ${variables[name].expected}, in the environment or in remote-agent.json.`
  })

/**
 * Reads every setting from the current `ConfigProvider` and reports all problems at once. A key that nothing needs
 * may be missing; see {@link requireKeys}.
 */
export const make: Effect.Effect<Values, ConfigError> = Effect.gen(function* () {
  const provider = yield* ConfigProvider.ConfigProvider
  const problems: Array<Problem> = []
  const values: Record<string, unknown> = {}
  for (const name of names) {
    const setting: Variable<unknown> = variables[name]
    const found = yield* Effect.result(read(provider, name))
    if (found._tag === "Failure") {
      problems.push(unreadable(name))
      continue
    }
    if (Option.isNone(found.success)) {
      values[name] = setting.fresh === undefined ? setting.fallback : yield* setting.fresh
      continue
    }
    const decoded = setting.decode(found.success.value.trim())
    if (Option.isSome(decoded)) values[name] = decoded.value
    else problems.push(wrong(name))
  }
  const [first, ...rest] = [...problems, ...contradictions(values)]
  return first === undefined ? (values as Values) : yield* new ConfigError({ problems: [first, ...rest] })
})

const app = ["GITHUB_APP_ID", "GITHUB_APP_INSTALLATION_ID", "GITHUB_APP_PRIVATE_KEY"] as const

const contradictions = (values: Partial<Values>): ReadonlyArray<Problem> => [
  ...lifetimes(values),
  ...halfApp(values)
]

const halfApp = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const missing = app.filter((name) => Object.hasOwn(values, name) && values[name] === undefined)
  if (missing.length === app.length) return []
  return missing.map(
    (name) =>
      new Problem({
        name,
        problem: "is needed for a GitHub App",
        hint: `Set it to ${variables[name].expected}, or unset the other settings of the app.`
      })
  )
}

const lifetimes = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const { E2B_DEFAULT_TIMEOUT: lifetime, E2B_MAX_TIMEOUT: longest } = values
  if (lifetime === undefined || longest === undefined || Duration.isLessThanOrEqualTo(lifetime, longest))
    return []
  return [
    new Problem({
      name: "E2B_DEFAULT_TIMEOUT",
      problem: "is longer than E2B_MAX_TIMEOUT",
      hint: "Make the one shorter or the other longer."
    })
  ]
}

const variablesOf = Effect.gen(function* () {
  const provider = yield* ConfigProvider.ConfigProvider
  return Effect.fnUntraced(function* (all: Iterable<string>): Effect.fn.Return<Lookup, ConfigError> {
    const found = new Map<string, Redacted.Redacted>()
    for (const name of new Set(all)) {
      const value = yield* Effect.mapError(
        read(provider, name),
        () => new ConfigError({ problems: [unreadable(name)] })
      )
      if (Option.isSome(value)) found.set(name, Redacted.make(value.value.trim()))
    }
    return (name) => found.get(name)
  })
})

/** The settings from the current `ConfigProvider`, and {@link Variables}. */
export const layer: Layer.Layer<RemoteAgentConfig, ConfigError> = Layer.merge(
  Layer.effect(RemoteAgentConfig, make),
  Layer.effect(Variables, variablesOf)
)

/** The same from a literal, for tests and embedding. Two of them in one program stay two. */
export const layerFrom = (
  values: Readonly<Record<string, unknown>>
): Layer.Layer<RemoteAgentConfig, ConfigError> =>
  Layer.fresh(layer).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values))))

/** Fails with everything that is missing among `needed`, in one error; `purpose` says what wants them. */
export const requireKeys = (
  values: Values,
  needed: ReadonlyArray<Name>,
  purpose: string
): Effect.Effect<void, ConfigError> => {
  const [first, ...rest] = needed
    .filter((name) => values[name] === undefined)
    .map(
      (name) =>
        new Problem({
          name,
          problem: `is needed for ${purpose}`,
          hint: `Set it to ${variables[name].expected}, in the environment or in .env.`
        })
    )
  return first === undefined ? Effect.void : Effect.fail(new ConfigError({ problems: [first, ...rest] }))
}
