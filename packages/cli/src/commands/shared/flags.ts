import { Query } from "@remote-agent/domain"
import { Option, Schema } from "effect"
import { Argument, Flag, GlobalFlag } from "effect/cli"
import { anySeconds, seconds } from "./time.ts"

/** `--json`. */
export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON on stdout, for programs"),
  Flag.withDefault(false)
)

/** `--quiet`: only results and failures are printed. */
export const quiet = GlobalFlag.Setting("quiet")({
  flag: Flag.Boolean("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withDefault(false),
    Flag.withDescription("Print only results and failures")
  )
})

/** `--verbose`: every operation is logged. */
export const verbose = GlobalFlag.Setting("verbose")({
  flag: Flag.Boolean("verbose").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Log every operation, like --log-level debug")
  )
})

/** `--trust`: the files of the working directory may set everything, in this run only. */
export const trust = GlobalFlag.Setting("trust")({
  flag: Flag.Boolean("trust").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Trust the remote-agent.json and .env of this folder, for this run")
  )
})

/** `--server`: the command works at a server. */
export const server = GlobalFlag.Setting("server")({
  flag: Flag.String("server").pipe(
    Flag.withDescription(
      "Work at the server of this address (default: REMOTE_AGENT_SERVER, or this machine)"
    ),
    Flag.optional
  )
})

/** `--token-file`: the token for the server. */
export const tokenFile = GlobalFlag.Setting("token-file")({
  flag: Flag.String("token-file").pipe(
    Flag.withDescription("The file with the token for the server (default: REMOTE_AGENT_TOKEN)"),
    Flag.optional
  )
})

/** Makes a flag optional: `undefined` when it is not given. */
export const optional = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  Flag.map(Flag.optional(flag), Option.getOrUndefined)

/** A switch that is off unless it is given. */
export const onOff = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withDefault(false), Flag.withDescription(description))

/** An optional flag with a text. */
export const text = (name: string, description: string): Flag.Flag<string | undefined> =>
  optional(Flag.String(name).pipe(Flag.withDescription(description)))

/** A text that has more than whitespace in it. */
export const NonBlank = Schema.String.check(Schema.isPattern(/\S/, { message: "text that is not empty" }))

/** A flag that may be given several times. */
export const repeatable = (name: string, description: string): Flag.Flag<ReadonlyArray<string>> =>
  Flag.String(name).pipe(Flag.withDescription(`${description} (repeatable)`), Flag.atLeast(0))

/** `--yes`: nothing is confirmed. */
export const yes = onOff("yes", "Do not ask for confirmation")

/** An agent, as an argument. */
export const agent = Argument.String("agent").pipe(
  Argument.withDescription("An agent: its id, the beginning of its id, or its name")
)

/** Agents, as arguments. */
export const agents = Argument.variadic(agent)

/** A query or an agent, as an argument. */
export const queryOrAgent = Argument.String("query-or-agent").pipe(
  Argument.withDescription("A query or an agent: its id, the beginning of its id, or the agent's name")
)

/** How local sandboxes are isolated. */
export const isolation = optional(
  Flag.Literals("isolation", ["auto", "bubblewrap", "namespaces", "none"]).pipe(
    Flag.withDescription(
      "How local sandboxes are isolated (default: as the running server does, or the best that works here)"
    )
  )
)

/** Where sandboxes run. */
export const provider = optional(
  Flag.Literals("provider", ["local", "e2b"]).pipe(
    Flag.withDescription("Where sandboxes run (default: local)")
  )
)

/** The kind of agent. */
export const profile = text("profile", "The kind of agent (default: sample)")

/** Environment variables of the sandbox. */
export const env = repeatable(
  "env",
  "An environment variable of the sandbox: NAME=value, or NAME to pass the value it has here"
)

/** Where the state is kept. */
export const state = text(
  "state",
  "Where the state is kept: a file or a Postgres address (default: a file in the data folder)"
)

/** The flags of every command that works with agents that outlive it. */
export const durable = { provider, isolation, state }

/** The flags of a command on agents that may be answering queries. */
export const busy = {
  agents,
  all: onOff("all", "Every active agent"),
  wait: onOff("wait", "Wait for running queries to end"),
  cancel: onOff("cancel", "Cancel running queries"),
  yes,
  ...durable
}

/** The flags of every command that launches agents. */
export const app = { profile, provider, env, isolation, state }

/** How long a query may take. */
export const timeout = seconds(
  "timeout",
  "How long an answer may take: 90, 5m, 1h30m (default: from the profile)"
)

/** The flags that say how an agent answers a query. */
export const answering = {
  timeout,
  model: optional(
    Flag.String("model").pipe(
      Flag.withSchema(Query.ModelName),
      Flag.withDescription("The model for this query (default: from the profile)")
    )
  ),
  maxSteps: optional(
    Flag.Int("max-steps").pipe(
      Flag.withSchema(Query.Steps),
      Flag.withDescription("How many steps the agent may take (default: from its settings)")
    )
  )
}

const Positive = Schema.Finite.check(Schema.isGreaterThan(0))
const Count = Schema.Int.check(Schema.isGreaterThan(0))

/** The flags of a budget. `subject` names what is limited, as in "US dollars that `subject` may cost". */
export const budget = (subject: string) => ({
  budgetUsd: optional(
    Flag.Finite("budget-usd").pipe(
      Flag.withSchema(Positive),
      Flag.withDescription(`US dollars that ${subject} may cost`)
    )
  ),
  budgetTokens: optional(
    Flag.Int("budget-tokens").pipe(
      Flag.withSchema(Count),
      Flag.withDescription(`Tokens that ${subject} may use`)
    )
  ),
  budgetSeconds: anySeconds("budget-seconds", `The time that ${subject} may take: 90, 5m, 1h30m`)
})

const Question = Schema.String.check(Schema.isPattern(/\S/, { message: "a question that is not empty" }))

/** A question, as an argument. */
export const question = Argument.String("question").pipe(
  Argument.withSchema(Question),
  Argument.withDescription("The question, in quotes")
)

/** How many agents a pool has. */
export const PoolSize = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))

/** The name of a pool. */
export const PoolName = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][\w.-]{0,63}$/, { message: "letters, digits, `.`, `_` and `-`, at most 64" })
)

/** `--size` of a pool. */
export const poolSize = optional(
  Flag.Int("size").pipe(
    Flag.withSchema(PoolSize),
    Flag.withDescription("How many agents the pool has (default: 3)")
  )
)

/** An existing pool, as an argument. */
export const pool = Argument.String("pool").pipe(
  Argument.withSchema(PoolName),
  Argument.withDescription("The name of the pool")
)

/** The working directory of a command in a sandbox. */
export const cwd = text("cwd", "The working directory (default: the home folder)")

/** The user of a command in a sandbox. */
export const user = text("user", "The user in the sandbox (default: its ordinary user)")
