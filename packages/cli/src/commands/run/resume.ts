import { Runs } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { Usage } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { besideServer, command } from "../shared/command.ts"
import { durable, onOff } from "../shared/flags.ts"
import * as Background from "./shared/background.ts"
import { order, output, runId } from "./shared/runFlags.ts"
import { layer } from "./shared/runLayer.ts"
import { ended, print, workOn } from "./shared/workOn.ts"

/** `run resume`. */
export const resume = command({
  name: "run resume",
  at: besideServer,
  description: "Continue a run after a crash, a pause or a stop",
  flags: {
    run: runId,
    background: onOff("background", "Answer the questions in the background of this command"),
    queue: onOff("queue", "Only mark the run as running, for a worker"),
    order,
    ...output,
    ...durable
  },
  examples: [
    {
      command: "remote-agent run resume run_01jd… --output results.jsonl",
      description: "Answers the remaining questions and continues the file of results"
    }
  ],
  run: Effect.fn("run resume")(
    function* (flags): Run<State.Records> {
      const { background, json, queue, run: id } = flags
      const { note } = yield* Screen
      if (background && queue)
        return yield* new Usage({ message: "--background and --queue exclude each other." })
      yield* Effect.gen(function* () {
        const run = yield* (yield* Runs.Runs).resume(id)
        if (!background && !queue) return yield* Effect.flatMap(workOn(id, flags), ended)
        yield* print(run, json)
        if (background) yield* line(note, `Its log is ${yield* Background.start(id, flags)}.`)
      }).pipe(Effect.provide(layer(flags)))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
