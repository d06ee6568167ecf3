import { Command, Flag } from "effect/cli"
import { isolation, json, lazily, optional, Seconds } from "../shared/flags.ts"

const localFlags = {
  isolation,
  idle: optional(
    Flag.Int("idle").pipe(
      Flag.withSchema(Seconds),
      Flag.withDescription(
        "How many seconds without a sandbox and a request before it ends (default: never, in the background 600)"
      )
    )
  )
}

const load = () => import("./LocalServer.ts")

const serve = Command.make(
  "serve",
  {
    ...localFlags,
    background: Flag.Boolean("background").pipe(
      Flag.withDescription("Start it unless it is there, and come back"),
      Flag.withDefault(false)
    ),
    json
  },
  lazily("local serve", load, (module, flags) => module.serve(flags))
).pipe(
  Command.withDescription("Run the local server until Ctrl-C, and print what E2B programs need to use it"),
  Command.withExamples([
    { command: "remote-agent local serve", description: "In this terminal" },
    { command: 'eval "$(remote-agent local serve --background)"', description: "For this shell" }
  ])
)

const status = Command.make(
  "status",
  {
    showKey: Flag.Boolean("show-key").pipe(
      Flag.withDescription("Show the key of the server, too"),
      Flag.withDefault(false)
    ),
    json
  },
  lazily("local status", load, (module, flags) => module.status(flags))
).pipe(
  Command.withDescription(
    "Say whether the local server runs, and what it holds; exit code 3 when it does not"
  )
)

const stop = Command.make(
  "stop",
  {
    yes: Flag.Boolean("yes").pipe(
      Flag.withDescription("End it although it holds sandboxes, and them with it"),
      Flag.withDefault(false)
    ),
    json
  },
  lazily("local stop", load, (module, flags) => module.stop(flags))
).pipe(Command.withDescription("End the local server; refused while it holds sandboxes"))

// What the binary starts by itself.
const daemon = Command.make(
  "daemon",
  { ...localFlags, json },
  lazily("local daemon", load, (module, flags) => module.daemon(flags))
).pipe(Command.unlisted)

/** `local`. */
export const local = Command.make("local").pipe(
  Command.withDescription("The server of sandboxes on this machine, for every E2B program"),
  Command.withSubcommands([serve, status, stop, daemon])
)
