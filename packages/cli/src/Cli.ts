import { Effect, Option, Schema } from "effect"
import { Argument, CliOutput, Command, Flag, TerminalCapabilities } from "effect/cli"
import { codeOf, Ended, exitCode, type Failure, toJson, toLines } from "./Failure.ts"
import { line, red, Screen } from "./Screen.ts"
import { version } from "./version.ts"

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON on stdout, for programs"),
  Flag.withDefault(false)
)

const optional = <A>(flag: Flag.Flag<A>) => Flag.map(Flag.optional(flag), Option.getOrUndefined)

const app = {
  profile: optional(Flag.String("profile").pipe(Flag.withDescription("The kind of agent (default: sample)"))),
  provider: optional(
    Flag.Literals("provider", ["local", "e2b"]).pipe(
      Flag.withDescription("Where sandboxes run (default: local)")
    )
  ),
  env: Flag.String("env").pipe(
    Flag.withDescription("A variable of the sandbox: NAME=value, or NAME for its value here (repeatable)"),
    Flag.atLeast(0)
  ),
  isolation: optional(
    Flag.Literals("isolation", ["auto", "bubblewrap", "namespaces", "none"]).pipe(
      Flag.withDescription("How local sandboxes are isolated (default: the best that works here)")
    )
  )
}

const Positive = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 86_400 }))
const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))

const timeout = optional(
  Flag.Int("timeout").pipe(
    Flag.withSchema(Positive),
    Flag.withDescription("How many seconds an answer may take (default: what the profile says)")
  )
)

const Question = Schema.String.check(Schema.isPattern(/\S/, { message: "a question that is not empty" }))

/** Tells a failure on the way out: on stdout as JSON for programs, else on stderr for people. */
const told =
  (asJson: boolean) =>
  <A, R>(effect: Effect.Effect<A, Failure | Ended, R>) =>
    Effect.catch(effect, (failure) =>
      Effect.gen(function* () {
        if (failure._tag === "Ended") return yield* failure
        const { err, out } = yield* Screen
        if (asJson) yield* line(out, JSON.stringify(toJson(failure)))
        const [what = "", ...todo] = toLines(failure)
        yield* line(err, [red(err, what), ...todo].join("\n"))
        return yield* new Ended({ code: codeOf(failure) })
      })
    )

// Each command's own modules are loaded when it runs, so that --version and --help start without them.
const ask = Command.make(
  "ask",
  {
    question: Argument.String("question").pipe(
      Argument.withSchema(Question),
      Argument.withDescription("The question, in quotes")
    ),
    ...app,
    timeout,
    json
  },
  (flags) =>
    Effect.flatMap(
      Effect.promise(() => import("./Ask.ts")),
      ({ run }) => told(flags.json)(run(flags))
    )
).pipe(
  Command.withDescription("Ask one question of an agent of its own, which is gone afterwards"),
  Command.withExamples([
    { command: 'remote-agent ask "What was Tesla\'s revenue in 2024?"', description: "Print the answer" },
    {
      command: 'remote-agent ask --json "Compare Apple and Microsoft"',
      description: "Print one JSON document"
    }
  ])
)

const pool = Command.make(
  "pool",
  {
    questions: Argument.String("question").pipe(
      Argument.withSchema(Question),
      Argument.withDescription("A question, in quotes"),
      Argument.variadic()
    ),
    file: optional(Flag.String("file").pipe(Flag.withDescription("A file with a question per line"))),
    size: optional(
      Flag.Int("size").pipe(Flag.withSchema(Size), Flag.withDescription("How many agents (default: 3)"))
    ),
    order: Flag.Literals("order", ["input", "completion"]).pipe(
      Flag.withDefault("input"),
      Flag.withDescription("Print answers in the order of the questions, or as they come")
    ),
    ...app,
    timeout,
    json
  },
  (flags) =>
    Effect.flatMap(
      Effect.promise(() => import("./Pool.ts")),
      ({ run }) => told(flags.json)(run(flags))
    )
).pipe(
  Command.withDescription("Put many questions to a pool of agents, which is gone afterwards"),
  Command.withExamples([
    {
      command: 'remote-agent pool "Tesla revenue 2024" "Apple revenue 2024"',
      description: "Two questions at once"
    },
    {
      command: "remote-agent pool --file questions.txt --size 5 --json",
      description: "One JSON document per line"
    }
  ])
)

const demo = Command.make("demo", { isolation: app.isolation, json }, (flags) =>
  Effect.flatMap(
    Effect.promise(() => import("./Demo.ts")),
    ({ run }) => told(flags.json)(run(flags))
  )
).pipe(
  Command.withDescription("Three agents on this machine answer six questions; no account and no key needed"),
  Command.withExamples([{ command: "remote-agent demo", description: "Watch it" }])
)

const root = Command.make("remote-agent").pipe(
  Command.withDescription(
    "Runs research and coding agents in isolated sandboxes, and never leaves one behind"
  ),
  Command.withSubcommands([ask, pool, demo])
)

/** Help goes to stdout when it was asked for, and to stderr when the call was wrong. */
const presenter = Effect.map(Screen, ({ err, out }): CliOutput.Presenter => ({
  present: (event) => {
    const at = event._tag === "InvalidInvocation" ? err : out
    const formatter = CliOutput.defaultFormatter({ colors: at.colors })
    switch (event._tag) {
      case "Version":
        return line(out, event.version)
      case "Help":
        return line(out, formatter.formatHelpDoc(event.helpDoc))
      case "InvalidInvocation":
        return line(err, `${formatter.formatHelpDoc(event.helpDoc)}\n${formatter.formatErrors(event.errors)}`)
    }
  }
}))

/** Runs the command that the arguments name. Fails with `Ended`, which carries the exit code, when it is not done. */
export const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const { err } = yield* Screen
  return yield* Command.runWith(root, { version })(args).pipe(
    Effect.catchTag("ShowHelp", ({ errors }) =>
      errors.length === 0 ? Effect.void : Effect.fail(new Ended({ code: exitCode.usage }))
    ),
    Effect.provideService(CliOutput.Presenter, yield* presenter),
    Effect.provideService(TerminalCapabilities.TerminalCapabilities, {
      canAnimate: err.live,
      canColor: err.colors,
      canPrompt: false
    })
  )
})
