/** The table of settings, and the rules between them. */
import { Duration, Option, Schema } from "effect"
import { nextToken } from "../Id.ts"
import { Prices } from "../query/Price.ts"
import * as StateLocation from "../state/StateLocation.ts"
import { Problem } from "./ConfigError.ts"
import { Limits } from "../run/SharedLimit.ts"
import * as Setting from "./Setting.ts"
import { isKeyName, profileParts } from "./trust.ts"

const { key, onOff, oneOf, optionalText, privileged, seconds, url, urlForKeys, whole, withDefault } = Setting

const decodeObjects = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Json)))
)

const decodePrices = Schema.decodeUnknownOption(Schema.fromJsonString(Prices), { onExcessProperty: "error" })

const decodeLimits = Schema.decodeUnknownOption(Schema.fromJsonString(Limits), { onExcessProperty: "error" })

const decodeOwner = Schema.decodeUnknownOption(Schema.String.check(Schema.isPattern(/^[\w.-]{1,64}$/)))

const day = 86_400

/**
 * The owner of sandboxes. The reaper never touches a sandbox with another owner or none, and terminates a sandbox with
 * this owner that the state store does not know. So an owner belongs to exactly one state store, and there is no fixed
 * default: a run that sets none gets an owner of its own, and its remaining sandboxes run until their ttl ends.
 */
const owner: Setting.Setting<string> = privileged({
  ...withDefault(decodeOwner, {
    fallback: "",
    expected: "1 to 64 letters, digits, `.`, `_` or `-`",
    describe: "The owner of sandboxes; one for each state store, a new one for each run when not set"
  }),
  generate: nextToken
})

/** The address may hold a password, so the whole value is secret. */
const state: Setting.Setting<StateLocation.StateLocation | undefined> = privileged({
  decode: StateLocation.parse,
  fallback: undefined,
  expected: StateLocation.expected,
  describe: "Where the state is kept: a file, a Postgres database, or in memory",
  secret: true
})

/**
 * Every setting by its name, which is the same in the environment and in `remote-agent.json`.
 *
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  REMOTE_AGENT_PROVIDER: oneOf(["local", "e2b"], "local", "Where sandboxes run"),
  REMOTE_AGENT_PROFILE: withDefault(Setting.decodeText, {
    fallback: "sample",
    expected: "the name of a profile",
    describe: "The profile of agents when none is named"
  }),
  REMOTE_AGENT_PROFILES: privileged(
    withDefault(decodeObjects, {
      fallback: {},
      expected: "a JSON object of profiles by their names, each an object",
      describe: "Your own profiles, and changes to the built-in ones; `profiles` in remote-agent.json"
    }),
    { describe: "for all but descriptions, models and time limits", of: profileParts }
  ),
  REMOTE_AGENT_PRICES: withDefault(decodePrices, {
    fallback: {},
    expected: 'a JSON object such as {"gpt-5": {"input": 1, "output": 8}}, in dollars for a million tokens',
    describe: "Prices by model or profile, for agents that report no cost; `prices` in remote-agent.json"
  }),
  REMOTE_AGENT_LIMITS: withDefault(decodeLimits, {
    fallback: {},
    expected: 'a JSON object such as {"OPENAI_API_KEY": {"concurrent": 5, "requests": 60, "tokens": 200000}}',
    describe:
      "Limits on queries behind one key, for all processes of a state together; `limits` in remote-agent.json"
  }),
  REMOTE_AGENT_OWNER: owner,
  REMOTE_AGENT_STATE: state,
  REMOTE_AGENT_SERVER: urlForKeys("The server at which commands work, in place of this machine"),
  REMOTE_AGENT_TOKEN: key("The token for that server"),
  REMOTE_AGENT_ISOLATION: privileged(
    oneOf(
      ["auto", "bubblewrap", "namespaces", "none"],
      "auto",
      "How the local provider isolates sandboxes; `none` runs plain processes"
    ),
    { describe: "for `none`", of: (isolation) => isolation === "none" }
  ),
  REMOTE_AGENT_SETUP_CACHE: onOff(
    true,
    "Whether a sandbox is kept after setup, as a template for later launches of the same profile"
  ),
  E2B_API_KEY: key("The key of your E2B account"),
  E2B_API_URL: urlForKeys("The address of the E2B API, if not E2B's own"),
  E2B_SANDBOX_URL: urlForKeys("The address at which E2B sandboxes are reached, if not E2B's own"),
  E2B_TEMPLATE: privileged(
    optionalText("The E2B template that sandboxes are made from", "the name or id of a template")
  ),
  E2B_DEFAULT_TIMEOUT: seconds(day, 3600, "The ttl of a sandbox when none is given, in seconds"),
  E2B_MAX_TIMEOUT: seconds(day, day, "The longest ttl of a sandbox, in seconds"),
  E2B_AUTO_PAUSE: onOff(true, "Whether a persistent sandbox is paused, not terminated, when its ttl ends"),
  GITHUB_TOKEN: key("A GitHub token; it never enters a sandbox"),
  GITHUB_REPO_OWNER: optionalText(
    "The owner of the repository that agents work on",
    "a GitHub user or organisation"
  ),
  GITHUB_REPO_NAME: withDefault(Setting.decodeText, {
    fallback: "dexter",
    expected: "the name of a GitHub repository",
    describe: "The repository that agents work on"
  }),
  GITHUB_API_URL: urlForKeys("The address of the API of your GitHub Enterprise Server, if not github.com"),
  GITHUB_APP_ID: Setting.optionalNumber(
    "The id of the GitHub App to act as; it takes precedence over GITHUB_TOKEN"
  ),
  GITHUB_APP_INSTALLATION_ID: Setting.optionalNumber("The installation of the GitHub App to act as"),
  GITHUB_APP_PRIVATE_KEY: Setting.privateKey("The private key of the GitHub App; it never enters a sandbox"),
  GITHUB_WEBHOOK_SECRET: Setting.keys("The secret that GitHub signs webhook deliveries with"),
  OPENAI_API_KEY: key("The key for models of OpenAI"),
  FINANCIAL_DATASETS_API_KEY: key("The key for the data of financialdatasets.ai"),
  ANTHROPIC_API_KEY: key("The key for models of Anthropic"),
  ENABLE_CLAUDE_CODE: onOff(false, "Whether Claude Code may be run"),
  DEXTER_MODEL: optionalText(
    "The model that Dexter uses when a query names none; Dexter's own default when not set",
    "the name of a model"
  ),
  DEXTER_MAX_STEPS: whole(1, 1000, 20, "How many steps Dexter may take for one query"),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(
    "The receiver of traces, metrics and logs (OTLP over HTTP); nothing is sent when not set"
  ),
  OTEL_EXPORTER_OTLP_HEADERS: key(
    "Headers for the receiver of traces, metrics and logs, such as authorization=…,x-team=…"
  ),
  REMOTE_AGENT_METRICS_FILE: privileged(
    optionalText(
      "A file that the metrics of a command are written to at its end, for Prometheus",
      "the name of a file"
    )
  ),
  REMOTE_AGENT_LOG_FORMAT: oneOf(
    ["auto", "human", "json"],
    "auto",
    "The format of log lines; `auto` is for people on a terminal and JSON in a pipe"
  ),
  DEXTER_MAX_STEPS_PER_TASK: whole(1, 1000, 5, "How many steps Dexter may take for one task of a query")
}

/**
 * The name of a setting.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof settings

/**
 * The value of every setting, by name.
 *
 * @category models
 * @since 0.1.0
 */
export type Values = {
  readonly [N in Name]: (typeof settings)[N] extends Setting.Setting<infer A> ? A : never
}

/**
 * The names of all settings, in display order.
 *
 * @category settings
 * @since 0.1.0
 */
export const names = Object.keys(settings) as ReadonlyArray<Name>

/**
 * The default of a setting as text. The text is empty when the setting has no constant default.
 *
 * @category settings
 * @since 0.1.0
 */
export const fallbackText = (name: Name): string => {
  const { fallback } = settings[name]
  if (Duration.isDuration(fallback)) return `${Duration.toSeconds(fallback)}`
  return typeof fallback === "object" || fallback === undefined ? "" : `${fallback}`
}

const app = ["GITHUB_APP_ID", "GITHUB_APP_INSTALLATION_ID", "GITHUB_APP_PRIVATE_KEY"] as const

/** The parts of a GitHub App that are missing beside the others. */
const incompleteApp = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const missing = app.filter((name) => Object.hasOwn(values, name) && values[name] === undefined)
  if (missing.length === app.length) return []
  return missing.map(
    (name) =>
      new Problem({
        name,
        problem: "is needed for a GitHub App",
        hint: `Set it to ${settings[name].expected}, or unset the other settings of the app.`
      })
  )
}

const ttlBeyondMaximum = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const { E2B_DEFAULT_TIMEOUT: ttl, E2B_MAX_TIMEOUT: longest } = values
  if (ttl === undefined || longest === undefined || Duration.isLessThanOrEqualTo(ttl, longest)) return []
  return [
    new Problem({
      name: "E2B_DEFAULT_TIMEOUT",
      problem: "is longer than E2B_MAX_TIMEOUT",
      hint: "Shorten the one or raise the other."
    })
  ]
}

/** The headers of the receiver contain its key. */
const headersInPlainText = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers } = values
  if (endpoint === undefined || headers === undefined || Setting.protectsKeys(new URL(endpoint))) return []
  return [
    new Problem({
      name: "OTEL_EXPORTER_OTLP_ENDPOINT",
      problem: "would get OTEL_EXPORTER_OTLP_HEADERS without encryption",
      hint: "Set it to an https:// address, or unset the headers."
    })
  ]
}

/**
 * Finds settings that contradict each other. Settings that could not be read are absent from `values`.
 *
 * @category settings
 * @since 0.1.0
 */
export const contradictions = (values: Partial<Values>): ReadonlyArray<Problem> => [
  ...ttlBeyondMaximum(values),
  ...headersInPlainText(values),
  ...incompleteApp(values)
]

const isName = (name: string): name is Name => Object.hasOwn(settings, name)

/**
 * Finds what a file that came with a folder sets and may not set before the user trusts it.
 *
 * **Details**
 *
 * The result is the name of the setting, or the names of parts of it; it is empty when nothing needs trust. A variable
 * that is not a setting needs trust unless it is a key: it can name a proxy, a certificate or an address.
 *
 * @category settings
 * @since 0.1.0
 */
export const needsTrust = (name: string, text: string): ReadonlyArray<string> => {
  if (text.trim() === "") return []
  if (!isName(name)) return isKeyName(name) ? [] : [name]
  const { decode, privilege }: Setting.Setting<unknown> = settings[name]
  const value = privilege === undefined ? Option.none() : decode(text.trim())
  // A value that is not valid is reported as such, and is never used.
  if (privilege === undefined || Option.isNone(value)) return []
  const found = privilege.of(value.value)
  return typeof found === "boolean" ? (found ? [name] : []) : found
}
