import { Id } from "@remote-agent/domain"
import { Runs, Worker } from "@remote-agent/orchestrator"
import { Effect, FileSystem, Layer, Path, Schema } from "effect"
import { Flag } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { Usage } from "../../ui/Failure.ts"
import { jsonText } from "../../ui/plainText.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { layer } from "../run/shared/runLayer.ts"
import { atState, command } from "../shared/command.ts"
import { durable, optional, text } from "../shared/flags.ts"

const Name = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][\w.-]{0,99}$/, { message: "letters, digits, `.`, `_` and `-`, at most 100" })
)

/** `worker`. */
export const worker = command({
  name: "worker",
  at: atState,
  description: "Answer the questions of runs and start the runs of schedules, until Ctrl-C or `worker drain`",
  flags: {
    slots: Flag.Int("slots").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 }))),
      Flag.withDefault(10),
      Flag.withDescription("How many agents this worker works with at most")
    ),
    name: optional(
      Flag.String("name").pipe(
        Flag.withSchema(Name),
        Flag.withDescription("A name that no other worker of the state has (default: a new one)")
      )
    ),
    healthFile: text("health-file", "A file that is written whenever the state answers, for health checks"),
    ...durable
  },
  examples: [
    {
      command: "remote-agent worker --state postgres://…/agents --provider e2b --slots 20",
      description: "One of any number of workers on any machines"
    }
  ],
  run: Effect.fn("worker")(
    function* (flags): Run<State.Records> {
      const { healthFile, json, slots } = flags
      const [{ note, out }, host, fs, path] = [
        yield* Screen,
        yield* CommandHost,
        yield* FileSystem.FileSystem,
        yield* Path.Path
      ]
      const name = flags.name ?? `worker-${yield* Id.nextToken}`
      const file = healthFile === undefined ? undefined : path.resolve(host.cwd, healthFile)
      const onBeat = file === undefined ? Effect.void : Effect.ignore(fs.writeFileString(file, `${name}\n`))
      if (file !== undefined) {
        yield* Effect.mapError(
          fs.writeFileString(file, ""),
          () => new Usage({ message: `The file ${healthFile} cannot be written. Check --health-file.` })
        )
      }
      yield* Effect.gen(function* () {
        host.leftovers(
          "Queries continue in their sandboxes. Another worker follows them.",
          "Handing the work over. Press Ctrl-C again to stop at once."
        )
        yield* json
          ? line(out, jsonText({ name, slots }))
          : line(note, `The worker ${name} works with up to ${slots} agents. Ctrl-C hands its work over.`)
        yield* Worker.run({ name, slots, onBeat })
      }).pipe(Effect.provide(Layer.provide(layer(flags), Layer.succeed(Runs.WorkerName, `worker/${name}`))))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
