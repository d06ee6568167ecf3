import { Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import {
  answering,
  app,
  budget,
  durable,
  env,
  json,
  lazily,
  optional,
  question,
  Seconds,
  state
} from "../shared/flags.ts"

/** An agent, as an argument. */
export const agent = Argument.String("agent").pipe(
  Argument.withDescription("Its id, the beginning of its id, or its name")
)

const queryOrAgent = Argument.String("query-or-agent").pipe(
  Argument.withDescription("The id of a query, or an agent by id, beginning of an id, or name")
)

/** A switch that is off unless it is named. */
export const onOff = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withDefault(false), Flag.withDescription(description))

const label = (description: string) =>
  Flag.String("label").pipe(Flag.withDescription(`${description} (repeatable)`), Flag.atLeast(0))

const text = (name: string, description: string) =>
  optional(Flag.String(name).pipe(Flag.withDescription(description)))

/** `launch`. */
export const launch = Command.make(
  "launch",
  {
    name: text("name", "How the agent is called (default: made from the profile)"),
    ...app,
    ephemeral: onOff("ephemeral", "Its sandbox ends, and does not pause, at the end of its life"),
    ttl: optional(
      Flag.Int("ttl").pipe(
        Flag.withSchema(Seconds),
        Flag.withDescription("How many seconds its sandbox lives without a query (default: the setting)")
      )
    ),
    label: label("A label: key=value"),
    repository: text(
      "repository",
      "The repository that it works on, owner/name or its address; it is cloned into its work folder"
    ),
    ref: text("ref", "The branch, tag or commit of the repository"),
    ...budget("all its queries"),
    json
  },
  lazily(
    "launch",
    () => import("./launch.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Launch an agent that outlives this command, and print its id"),
  Command.withExamples([
    { command: "remote-agent launch --name analyst", description: "On this machine, with the sample agent" },
    {
      command: "remote-agent launch --profile claude-code --label team=research --budget-usd 5",
      description: "With a label, and a limit of what it may cost"
    }
  ])
)

/** `fork`. */
export const fork = Command.make(
  "fork",
  {
    agent,
    name: text("name", "How the second agent is called (default: made from the profile)"),
    label: label("A label, beside those of the first agent: key=value"),
    env,
    ...durable,
    json
  },
  lazily(
    "fork",
    () => import("./fork.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription(
    "Launch a second agent that goes on with the conversations of an agent, and print its id"
  ),
  Command.withExamples([
    {
      command: "remote-agent fork analyst --name sceptic",
      description: "Both remember what was said until now, and go apart from then on"
    },
    {
      command: "remote-agent fork analyst --env ANTHROPIC_API_KEY",
      description: "Variables of the first launch are kept nowhere: say them again"
    }
  ])
)

/** `query`. */
export const query = Command.make(
  "query",
  {
    agent,
    question: question.pipe(Argument.withDescription("The question, in quotes")),
    session: text("session", "The conversation it belongs to; it sees the earlier questions of the same one"),
    newSession: onOff("new-session", "Begin that conversation anew"),
    ...answering,
    ...budget("it"),
    noResume: onOff("no-resume", "Fail when the agent sleeps, and do not wake it"),
    replace: onOff("replace", "Give an agent that was lost or has failed a new, empty sandbox"),
    detach: onOff("detach", "Print the id of the query once it runs, and leave it running"),
    ...durable,
    json
  },
  lazily(
    "query",
    () => import("../query/query.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Put a question to an agent and print the answer; Ctrl-C stops the query"),
  Command.withExamples([
    { command: 'remote-agent query analyst "AAPL revenue 2024"', description: "Print the answer" },
    {
      command: 'remote-agent query analyst "And 2023?" --session apple',
      description: "Within a conversation"
    },
    {
      command: 'remote-agent query analyst "Compare all" --detach',
      description: "Print its id and come back"
    }
  ])
)

/** `logs`. */
export const logs = Command.make(
  "logs",
  {
    named: queryOrAgent,
    follow: onOff("follow", "Go on until the query has ended, and end as it did"),
    from: Flag.Int("from").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
      Flag.withDefault(0),
      Flag.withDescription("The number of the first event that is wanted")
    ),
    ...durable,
    json
  },
  lazily(
    "logs",
    () => import("../query/logs.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Print what happened in a query, of an agent in its newest one"),
  Command.withExamples([
    { command: "remote-agent logs analyst", description: "Its newest query" },
    { command: "remote-agent logs --follow --json qry_...", description: "One JSON document per event" }
  ])
)

/** `cancel`. */
export const cancel = Command.make(
  "cancel",
  { named: queryOrAgent, ...durable, json },
  lazily(
    "cancel",
    () => import("../query/cancel.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Stop a query, whoever runs it; of an agent, the one that it answers"),
  Command.withExamples([{ command: "remote-agent cancel analyst", description: "What it answers now" }])
)

/** `list`. */
export const list = Command.make(
  "list",
  {
    status: Flag.Literals("status", ["launching", "active", "paused", "terminated", "failed", "lost"]).pipe(
      Flag.withDescription("Only those of this status (repeatable)"),
      Flag.atLeast(0)
    ),
    profile: optional(Flag.String("profile").pipe(Flag.withDescription("Only those of this profile"))),
    label: label("Only those with this label: key=value"),
    pool: text("pool", "Only those of this pool"),
    all: onOff("all", "Those that were terminated, too"),
    state,
    json
  },
  lazily(
    "list",
    () => import("./list.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("List agents, oldest first"),
  Command.withExamples([
    { command: "remote-agent list", description: "All that have not been terminated" },
    {
      command: "remote-agent list --status paused --label team=research --json",
      description: "One JSON document per agent"
    }
  ])
)

/** `info`. */
export const info = Command.make(
  "info",
  { agent, ...durable, json },
  lazily(
    "info",
    () => import("./info.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Tell all about an agent, its sandbox and its queries; wakes nothing"),
  Command.withExamples([{ command: "remote-agent info analyst", description: "For people" }])
)

/** `rename`. */
export const rename = Command.make(
  "rename",
  {
    agent,
    name: Argument.String("name").pipe(Argument.withDescription("How it is called from now on")),
    state,
    json
  },
  lazily(
    "rename",
    () => import("./AgentNames.ts"),
    (module, flags) => module.rename(flags)
  )
).pipe(
  Command.withDescription("Give an agent another name"),
  Command.withExamples([{ command: "remote-agent rename analyst apple", description: "Its id stays" }])
)

/** `label`. */
export const labels = Command.make(
  "label",
  {
    agent,
    labels: Argument.String("label").pipe(
      Argument.withDescription("key=value to set one, key- to take one away"),
      Argument.variadic()
    ),
    state,
    json
  },
  lazily(
    "label",
    () => import("./AgentNames.ts"),
    (module, flags) => module.label(flags)
  )
).pipe(
  Command.withDescription("Set labels of an agent, and take some away"),
  Command.withExamples([
    { command: "remote-agent label analyst team=research draft-", description: "One set, one taken away" }
  ])
)

/** `profiles`. */
export const profiles = Command.make(
  "profiles",
  { json },
  lazily(
    "profiles",
    () => import("../settings/profiles.ts"),
    (module, flags) => module.list(flags)
  )
).pipe(
  Command.withDescription("List the kinds of agents, what each needs, and whether that is set here"),
  Command.withExamples([{ command: "remote-agent profiles", description: "No value is ever shown" }]),
  Command.withSubcommands([
    Command.make(
      "show",
      {
        name: Argument.String("profile").pipe(Argument.withDescription("The name of the profile")),
        json
      },
      lazily(
        "profiles show",
        () => import("../settings/profiles.ts"),
        (module, flags) => module.show(flags)
      )
    ).pipe(
      Command.withDescription("Print a whole profile as JSON"),
      Command.withExamples([
        { command: "remote-agent profiles show dexter", description: "What it installs and runs" }
      ])
    )
  ])
)
