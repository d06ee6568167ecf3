import { Effect, Option, References, Schema } from "effect"
import { Argument, Flag, GlobalFlag } from "effect/cli"
import { codeOf, Ended, type Failure, toJson, toLines } from "../../ui/Failure.ts"
import { line, red, Screen, silent } from "../../ui/Screen.ts"

/** Whether what is printed is for programs. */
export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON on stdout, for programs"),
  Flag.withDefault(false)
)

/** Whether nothing is told but results and failures. */
export const quiet = GlobalFlag.Setting("quiet")({
  flag: Flag.Boolean("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withDefault(false),
    Flag.withDescription("Tell nothing but results and failures")
  )
})

/** Whether everything is told. */
export const verbose = GlobalFlag.Setting("verbose")({
  flag: Flag.Boolean("verbose").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Tell every operation, as --log-level debug does")
  )
})

/** A flag that may be absent. */
export const optional = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  Flag.map(Flag.optional(flag), Option.getOrUndefined)

/** How local sandboxes are isolated. */
export const isolation = optional(
  Flag.Literals("isolation", ["auto", "bubblewrap", "namespaces", "none"]).pipe(
    Flag.withDescription("How local sandboxes are isolated (default: the best that works here)")
  )
)

/** Where sandboxes run. */
export const provider = optional(
  Flag.Literals("provider", ["local", "e2b"]).pipe(
    Flag.withDescription("Where sandboxes run (default: local)")
  )
)

/** The kind of agent. */
export const profile = optional(
  Flag.String("profile").pipe(Flag.withDescription("The kind of agent (default: sample)"))
)

/** Variables of the sandbox. */
export const env = Flag.String("env").pipe(
  Flag.withDescription("A variable of the sandbox: NAME=value, or NAME for its value here (repeatable)"),
  Flag.atLeast(0)
)

/** Where the state is kept. */
export const state = optional(
  Flag.String("state").pipe(
    Flag.withDescription(
      "Where the state is kept: a file or a Postgres address (default: in the data folder)"
    )
  )
)

/** What every command takes that works with agents which outlive it. */
export const durable = { provider, isolation, state }

/** What every command takes that sets up agents. */
export const app = { profile, provider, env, isolation, state }

/** A number of seconds, at most a day. */
export const Seconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 86_400 }))

/** How long an answer may take, in seconds. */
export const timeout = optional(
  Flag.Int("timeout").pipe(
    Flag.withSchema(Seconds),
    Flag.withDescription("How many seconds an answer may take (default: what the profile says)")
  )
)

const Model = Schema.String.check(
  Schema.isPattern(/^[^\s\p{Cc}-][^\s\p{Cc}]{0,199}$/u, { message: "the name of a model, without blanks" })
)

const Steps = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))

/** What a command takes that puts a question to an agent: how it is to answer. */
export const answering = {
  timeout,
  model: optional(
    Flag.String("model").pipe(
      Flag.withSchema(Model),
      Flag.withDescription("The model that the agent uses for it (default: what the profile says)")
    )
  ),
  maxSteps: optional(
    Flag.Int("max-steps").pipe(
      Flag.withSchema(Steps),
      Flag.withDescription("How many steps the agent may take for it (default: its own settings)")
    )
  )
}

const Positive = Schema.Finite.check(Schema.isGreaterThan(0))
const Count = Schema.Int.check(Schema.isGreaterThan(0))

/** The most that something may use. `what` is what uses it, as one says it before "may". */
export const budget = (what: string) => ({
  budgetUsd: optional(
    Flag.Finite("budget-usd").pipe(
      Flag.withSchema(Positive),
      Flag.withDescription(`US dollars that ${what} may cost`)
    )
  ),
  budgetTokens: optional(
    Flag.Int("budget-tokens").pipe(
      Flag.withSchema(Count),
      Flag.withDescription(`Tokens that ${what} may use`)
    )
  ),
  budgetSeconds: optional(
    Flag.Int("budget-seconds").pipe(
      Flag.withSchema(Count),
      Flag.withDescription(`Seconds that ${what} may take`)
    )
  )
})

/** A question that is not empty. */
const Question = Schema.String.check(Schema.isPattern(/\S/, { message: "a question that is not empty" }))

/** A question, as an argument. */
export const question = Argument.String("question").pipe(Argument.withSchema(Question))

/** Tells a failure on the way out: on stdout as JSON for programs, else on stderr for people. */
const told =
  (asJson: boolean) =>
  <A, R>(effect: Effect.Effect<A, Failure | Ended, R>): Effect.Effect<A, Ended, R | Screen> =>
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

const asLoudAsWanted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const [screen, isQuiet, isVerbose] = [yield* Screen, yield* quiet, yield* verbose]
    const heard = isQuiet ? Effect.provideService(effect, Screen, { ...screen, note: silent }) : effect
    return yield* isVerbose ? Effect.provideService(heard, References.MinimumLogLevel, "Debug") : heard
  })

/**
 * What the command of that name does: loads its own modules when it is run, so that `--version` and `--help` start
 * without them, and tells its failure.
 */
export const lazily =
  <M, F extends { readonly json: boolean }, R>(
    name: string,
    load: () => Promise<M>,
    run: (module: M, flags: F) => Effect.Effect<void, Failure | Ended, R>
  ) =>
  (flags: F) =>
    Effect.promise(() => Promise.all([load(), import("../../process/Telemetry.ts")])).pipe(
      Effect.flatMap(([module, { observed }]) => told(flags.json)(observed(name)(run(module, flags)))),
      asLoudAsWanted
    )
