import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Logger, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import * as ColdStart from "./ColdStart.ts"
import * as Copy from "./Copy.ts"
import * as Create from "./Create.ts"
import * as Events from "./Events.ts"
import * as Git from "./Git.ts"
import * as Guest from "./Guest.ts"
import * as Launch from "./Launch.ts"
import * as Pool from "./Pool.ts"
import * as Report from "./Report.ts"
import * as Runs from "./Runs.ts"
import * as Scheduler from "./Scheduler.ts"
import * as Soak from "./Soak.ts"
import * as State from "./State.ts"
import * as Streaming from "./Streaming.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

const names = [
  "pool",
  "scheduler",
  "state",
  "cold-start",
  "streaming",
  "git",
  "create",
  "launch",
  "events",
  "runs",
  "cp",
  "guest",
  "soak"
] as const

/** Runs only when named, because its duration is set by an option. */
const onlyNamed = "soak"

const Manifest = Schema.Struct({ version: Schema.String })

const versionOf = (manifest: string): string => {
  const content: unknown = createRequire(import.meta.url)(manifest)
  return Option.match(Schema.decodeUnknownOption(Manifest)(content), {
    onNone: () => "unknown",
    onSome: ({ version }) => version
  })
}

type Benchmark = Effect.Effect<
  Report.Outcome,
  Effect.Error<
    ReturnType<
      | typeof Pool.run
      | typeof ColdStart.run
      | typeof State.run
      | typeof Streaming.run
      | typeof Git.run
      | typeof Copy.run
      | typeof Create.run
      | typeof Launch.run
      | typeof Events.run
      | typeof Guest.run
      | typeof Soak.run
      | typeof Runs.run
    >
  >,
  Effect.Services<ReturnType<typeof ColdStart.run | typeof Copy.run | typeof Git.run>>
>

const benchmarks = (
  rounds: number,
  megabytes: number,
  soak: Soak.Options,
  peer: string | undefined
): Readonly<Record<(typeof names)[number], Benchmark>> => ({
  pool: Pool.run({ size: 20, queries: 200, rounds }),
  scheduler: Scheduler.run({ agents: 100, queries: 1000, rounds }),
  state: State.run({ sizes: [1000, 10_000, 100_000], operations: 1000, rounds }),
  "cold-start": ColdStart.run({ root, runs: 5 * rounds, peer }),
  streaming: Streaming.run({ megabytes, rounds }),
  git: Git.run({ files: 20_000, megabytes: 50, rounds }),
  create: Create.run({ atOnce: [1, 20, 100], rounds }),
  launch: Launch.run({ files: 3000, rounds }),
  cp: Copy.run({ root, files: 3000, rounds }),
  events: Events.run({ events: 200, rounds }),
  runs: Runs.run({
    sizes: [1000, 100_000],
    operations: 200,
    workers: [1, 2, 4],
    questions: 200,
    rounds
  }),
  guest: Guest.run({ times: 100 }),
  soak: Soak.run(soak)
})

const bench = Command.make(
  "bench",
  {
    only: Argument.Literals("benchmark", names).pipe(
      Argument.withDescription("Which to run (default: all)"),
      Argument.variadic()
    ),
    rounds: Flag.Int("rounds").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))),
      Flag.withDescription("How often each side is run; of cold starts there are five times as many"),
      Flag.withDefault(3)
    ),
    megabytes: Flag.Int("megabytes").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4000 }))),
      Flag.withDescription("How much output is streamed"),
      Flag.withDefault(256)
    ),
    minutes: Flag.Finite("minutes").pipe(
      Flag.withDescription("How long the soak takes"),
      Flag.withDefault(10)
    ),
    peer: Flag.String("peer").pipe(
      Flag.withDescription("The JavaScript file of another command line tool to hold cold starts against"),
      Flag.optional
    ),
    sandboxes: Flag.Int("sandboxes").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))),
      Flag.withDescription("How many sandboxes the soak has at a time"),
      Flag.withDefault(50)
    )
  },
  Effect.fnUntraced(function* ({ megabytes, minutes, only, peer, rounds, sandboxes }) {
    const busy = yield* Report.busy
    const all = benchmarks(rounds, megabytes, { minutes, sandboxes }, Option.getOrUndefined(peer))
    const chosen = names.filter((name) => (only.length === 0 ? name !== onlyNamed : only.includes(name)))
    const outcomes = yield* Effect.forEach(chosen, (name) => all[name])
    const outcome: Report.Outcome = {
      measures: outcomes.flatMap(({ measures }) => measures),
      notes: [...outcomes.flatMap(({ notes }) => notes), ...busy]
    }
    const file = yield* Report.write(`${root}bench/results`, outcome, {
      node: process.versions.node,
      effect: versionOf("effect/package.json"),
      e2b: versionOf("e2b/package.json"),
      "remote-agent": versionOf("../packages/cli/package.json")
    })
    yield* Console.log(
      [
        Report.table(outcome.measures),
        "",
        ...Report.missed(outcome.measures),
        ...outcome.notes,
        `Raw samples: ${file}`
      ].join("\n")
    )
  })
).pipe(
  Command.withDescription(
    "Measures what this toolkit costs against what it stands on, side by side in one run"
  )
)

bench.pipe(
  Command.run({ version: versionOf("../packages/cli/package.json") }),
  Effect.provide(
    Layer.merge(NodeServices.layer, Logger.layer([Logger.withConsoleError(Logger.formatSimple)]))
  ),
  NodeRuntime.runMain
)
