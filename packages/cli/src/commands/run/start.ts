import { Id } from "@remote-agent/domain"
import { Runs } from "@remote-agent/orchestrator"
import { Deferred, Duration, Effect } from "effect"
import { Argument } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { Usage } from "../../ui/Failure.ts"
import { jsonText } from "../../ui/plainText.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as Budget from "../shared/budget.ts"
import { besideServer, command } from "../shared/command.ts"
import { durable, onOff, profile, question } from "../shared/flags.ts"
import * as Background from "./shared/background.ts"
import { questionsOf } from "./shared/questions.ts"
import * as RunFlags from "./shared/runFlags.ts"
import { layer } from "./shared/runLayer.ts"
import { ended, workOn } from "./shared/workOn.ts"

/** `run start`. */
export const start = command({
  name: "run start",
  at: besideServer,
  description: "Record many questions as a run, which survives every crash, and answer them",
  flags: {
    questions: Argument.variadic(question),
    ...RunFlags.spec,
    wait: onOff(
      "wait",
      "Answer the questions in this command and print the results, instead of in the background"
    ),
    queue: onOff("queue", "Only record the run, for a worker or `run resume`"),
    order: RunFlags.order,
    ...RunFlags.output,
    profile,
    ...durable
  },
  examples: [
    {
      command: "remote-agent run start --file questions.txt --size 5",
      description: "Prints the id of the run and returns; the questions are answered in the background"
    },
    {
      command: "cat questions.txt | remote-agent run start --file - --wait --output results.csv",
      description: "Answers questions as they arrive"
    }
  ],
  run: Effect.fn("run start")(
    function* (flags): Run<State.Records> {
      const { json, queue, wait } = flags
      const [{ note, out }] = [yield* Screen]
      if (wait && queue) return yield* new Usage({ message: "--wait and --queue exclude each other." })
      const retry = RunFlags.retryOf(flags)
      if ("unknown" in retry) {
        return yield* new Usage({
          message: `"${retry.unknown}" is not an outcome. See --help for those of --retry.`
        })
      }
      const questions = yield* questionsOf(flags.questions, flags.file)
      const spec: Runs.RunSpec = {
        id: yield* Id.nextRunId,
        size: flags.size ?? 3,
        name: flags.name,
        profile: flags.profile,
        priority: flags.priority,
        retry,
        stopAfter: flags.stopAfter,
        budget: Budget.of(flags),
        timeout: flags.timeout === undefined ? undefined : Duration.seconds(flags.timeout)
      }
      yield* Effect.gen(function* () {
        const runs = yield* Runs.Runs
        const created = yield* Deferred.make<Id.RunId>()
        const record = runs.start(spec, questions, ({ id }) =>
          Effect.andThen(
            json ? line(out, jsonText({ id })) : line(wait ? note : out, id),
            Deferred.succeed(created, id)
          )
        )
        if (wait) {
          const run = Effect.flatMap(Deferred.await(created), (id) => workOn(id, flags))
          const [, last] = yield* Effect.all([record, run], { concurrency: 2 })
          return yield* ended(last)
        }
        const background = queue
          ? Effect.void
          : Effect.flatMap(Deferred.await(created), (id) =>
              Effect.flatMap(Background.start(id, flags), (log) => line(note, `Its log is ${log}.`))
            )
        const [{ counts, id }] = yield* Effect.all([record, background], { concurrency: 2 })
        yield* line(
          note,
          `${counts.total} questions${queue ? " wait for a worker" : ""}. See \`remote-agent run watch ${id}\`.`
        )
      }).pipe(Effect.provide(layer(flags)))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
