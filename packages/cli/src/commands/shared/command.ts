import { type Array as Arr, Effect, Option, References } from "effect"
import { Command } from "effect/cli"
import * as ExitCode from "../../ui/ExitCode.ts"
import type { Target } from "../../app/ServerTarget.ts"
import { Ended, type Failure, Usage } from "../../ui/Failure.ts"
import { toJson, toLines } from "../../ui/failureText.ts"
import { line, red, Screen, silent } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { json, quiet, server, tokenFile, trust, verbose } from "./flags.ts"

type Flags<F extends Command.Command.Config> = Command.Command.Config.Infer<F> & { readonly json: boolean }

type Action<F extends Command.Command.Config, R> = (
  flags: Flags<F>
) => Effect.Effect<void, Failure | Ended, R>

/**
 * Where a command works when a server is named: there, always on this machine, or only where no server is named; then
 * `instead` says what to do.
 */
type Place = "server" | "machine" | { readonly instead: string }

/** Commands on runs, for which a server has pools. */
export const besideServer = {
  instead: "Use `remote-agent pool run`, or run it on the machine of the server."
} as const satisfies Place

/** Commands that read and write the state themselves. */
export const atState = {
  instead: "Run it on a machine that reaches the state of the server, with --state."
} as const satisfies Place

/** A command: what it is called, what it takes and what it does. */
export interface Definition<F extends Command.Command.Config, R> {
  /** All its words, such as `pool run`. The last is the name in its group. */
  readonly name: string
  readonly description: string
  /** Where it works when a server is named; at that server when absent. */
  readonly at?: Place | undefined
  /** Another name of the command in its group, such as `ls` of `list`. */
  readonly alias?: string | undefined
  /** Its arguments and flags. Every command takes `--json` beside them. */
  readonly flags: F
  readonly examples: Arr.NonEmptyReadonlyArray<Command.Command.Example>
  /** Whether its exit code is that of a process. Its own failures then have a code of their own: 125. */
  readonly runsProcess?: boolean
  readonly run: Action<F, R>
  /** Loads `run`. The bundler moves `run` into a file of its own and writes this in its place. */
  readonly load?: (() => Promise<{ readonly run: Action<F, R> }>) | undefined
}

/** Reports a failure: as JSON on stdout for programs, and on stderr for people. */
const reported =
  (asJson: boolean, runsProcess: boolean) =>
  <A, R>(effect: Effect.Effect<A, Failure | Ended, R>): Effect.Effect<A, Ended, R | Screen> =>
    Effect.catch(effect, (failure) =>
      Effect.gen(function* () {
        if (failure._tag === "Ended") return yield* failure
        const { err, out } = yield* Screen
        if (asJson) yield* line(out, jsonText(toJson(failure)))
        const [what = "", ...todo] = toLines(failure)
        yield* line(err, [red(err, what), ...todo].join("\n"))
        return yield* new Ended({
          code: runsProcess ? ExitCode.besideProcess(failure) : ExitCode.of(failure)
        })
      })
    )

const withVerbosity = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const [screen, isQuiet, isVerbose] = [yield* Screen, yield* quiet, yield* verbose]
    const heard = isQuiet ? Effect.provideService(effect, Screen, { ...screen, note: silent }) : effect
    return yield* isVerbose ? Effect.provideService(heard, References.MinimumLogLevel, "Debug") : heard
  })

/** The server at which a command works. Fails with `Usage` for a command that no server can carry out. */
const targetOf = <R>(
  resolved: Effect.Effect<Target | undefined, Failure, R>,
  named: boolean,
  name: string,
  at: Place
): Effect.Effect<Target | undefined, Failure, R> => {
  if (at === "server") return resolved
  if (at === "machine") {
    return named
      ? Effect.fail(new Usage({ message: `\`${name}\` works on this machine only. Leave --server out.` }))
      : Effect.undefined
  }
  return Effect.flatMap(resolved, (target) =>
    target === undefined
      ? Effect.undefined
      : Effect.fail(new Usage({ message: `A server offers no ${name}. ${at.instead}` }))
  )
}

/**
 * Makes a command.
 *
 * **Details**
 *
 * The settings files are read once, before `run`. A failure is reported here and becomes the exit code of the process.
 */
export const command = <const F extends Command.Command.Config, R>({
  alias,
  at = "server",
  description,
  examples,
  flags,
  load,
  name,
  run,
  runsProcess = false
}: Definition<F, R>) => {
  const handler = (given: Flags<F>) =>
    Effect.gen(function* () {
      const [Settings, ServerTarget, { observed }, action] = yield* Effect.promise(() =>
        Promise.all([
          import("../../app/Settings.ts"),
          import("../../app/ServerTarget.ts"),
          import("../../process/Telemetry.ts"),
          load === undefined ? run : load().then((loaded) => loaded.run)
        ])
      )
      const sources = yield* Settings.make({ trusts: yield* trust })
      const flagged = {
        server: Option.getOrUndefined(yield* server),
        tokenFile: Option.getOrUndefined(yield* tokenFile)
      }
      yield* targetOf(ServerTarget.resolve(flagged, sources), flagged.server !== undefined, name, at).pipe(
        Effect.flatMap((target) => Effect.provideService(action(given), ServerTarget.ServerTarget, target)),
        observed(name, Settings.merged(sources)),
        Effect.catchTag("ConfigError", (error) => Effect.flip(Settings.withPlaces(error, sources))),
        reported(given.json, runsProcess),
        Effect.provideService(Settings.Settings, sources)
      )
    }).pipe(withVerbosity)
  const made = Command.make(
    name.slice(name.lastIndexOf(" ") + 1),
    { ...flags, json },
    // The library infers the same flags, but not through a generic.
    handler as (
      given: Command.Command.Config.Infer<F & { readonly json: typeof json }>
    ) => ReturnType<typeof handler>
  )
  const described = made.pipe(Command.withDescription(description), Command.withExamples(examples))
  return alias === undefined ? described : Command.withAlias(described, alias)
}

/** Makes a group of commands. */
export const group = <const C extends ReadonlyArray<Command.Command.Any>>(
  name: string,
  description: string,
  commands: C
) => Command.make(name).pipe(Command.withDescription(description), Command.withSubcommands(commands))
