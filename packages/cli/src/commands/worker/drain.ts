import { WorkerStore } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import { Argument } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { NotFound } from "../../ui/Failure.ts"
import { jsonText } from "../../ui/plainText.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { atState, command } from "../shared/command.ts"
import { onOff, state } from "../shared/flags.ts"

/** `worker drain`. */
export const drain = command({
  name: "worker drain",
  at: atState,
  description: "Ask a worker to hand its work over and end. Its queries continue",
  flags: {
    worker: Argument.String("worker").pipe(Argument.withDescription("The name of the worker")),
    wait: onOff("wait", "Wait until the worker has ended"),
    state
  },
  examples: [
    { command: "remote-agent worker drain worker-1 --wait", description: "Before its machine is stopped" }
  ],
  run: Effect.fn("worker drain")(
    function* ({ json, wait, worker: name }): Run<State.Records> {
      const [{ out }, workers] = [yield* Screen, yield* WorkerStore.WorkerStore]
      if (!(yield* workers.drain(name))) {
        return yield* new NotFound({
          message: `There is no worker ${name}. List them with \`remote-agent worker list\`.`
        })
      }
      const isListed = Effect.map(workers.list, (all) => all.some((one) => one.name === name))
      if (wait) while (yield* isListed) yield* Effect.sleep("500 millis")
      yield* line(
        out,
        json ? jsonText({ name, drained: wait }) : `${name} ${wait ? "has ended" : "hands its work over"}`
      )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
