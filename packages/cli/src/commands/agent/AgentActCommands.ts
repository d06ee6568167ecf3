import { Argument, Command } from "effect/cli"
import { agent, onOff } from "./AgentCommands.ts"
import { durable, json, lazily } from "../shared/flags.ts"

const load = () => import("./AgentActs.ts")

const agents = agent.pipe(Argument.variadic())
const yes = onOff("yes", "Ask nothing")

const busy = {
  agents,
  all: onOff("all", "Every agent that is active"),
  wait: onOff("wait", "Wait for the end of the queries that it has been asked"),
  cancel: onOff("cancel", "Stop the query that it answers"),
  yes,
  ...durable,
  json
}

/** `pause`. */
export const pause = Command.make(
  "pause",
  busy,
  lazily("pause", load, (module, flags) => module.pause(flags))
).pipe(
  Command.withDescription("Put agents to sleep: memory and files stay, and a query wakes them"),
  Command.withExamples([
    { command: "remote-agent pause analyst --wait", description: "Once it has answered" },
    { command: "remote-agent pause --all", description: "All that are active" }
  ])
)

/** `resume`. */
export const resume = Command.make(
  "resume",
  { agents, all: onOff("all", "Every agent that is paused"), ...durable, json },
  lazily("resume", load, (module, flags) => module.resume(flags))
).pipe(
  Command.withDescription("Wake agents"),
  Command.withExamples([{ command: "remote-agent resume analyst", description: "Before it is asked" }])
)

/** `terminate`. */
export const terminate = Command.make(
  "terminate",
  { agents, all: onOff("all", "Every agent there is"), yes, ...durable, json },
  lazily("terminate", load, (module, flags) => module.terminate(flags))
).pipe(
  Command.withDescription("End agents and their sandboxes, with all files in them"),
  Command.withExamples([
    { command: "remote-agent terminate analyst", description: "One of them" },
    { command: "remote-agent terminate --all --yes", description: "All of them, in a script" }
  ])
)

/** `update`. */
export const update = Command.make(
  "update",
  busy,
  lazily("update", load, (module, flags) => module.update(flags))
).pipe(
  Command.withDescription(
    "Bring the program of agents to what their profile says now; back again if it fails"
  ),
  Command.withExamples([{ command: "remote-agent update --all --wait", description: "Each when it is free" }])
)

/** `health`. */
export const health = Command.make(
  "health",
  { agents, all: onOff("all", "Every agent that is active or paused"), ...durable, json },
  lazily("health", load, (module, flags) => module.health(flags))
).pipe(
  Command.withDescription("Look at agents from all sides; exit code 1 when one is not well"),
  Command.withExamples([{ command: "remote-agent health analyst", description: "Wakes nothing" }])
)
