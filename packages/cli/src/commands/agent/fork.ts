import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import * as Json from "../../ui/json.ts"
import * as LaunchStages from "../../ui/launchStages.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { agent, durable, env, repeatable, text } from "../shared/flags.ts"
import * as SandboxEnv from "../shared/sandboxEnv.ts"
import * as AgentName from "../shared/agentName.ts"
import * as Labels from "../shared/labels.ts"

/** `fork`. */
export const fork = command({
  name: "fork",
  description: "Launch a second agent with a copy of an agent's conversations, and print its id",
  flags: {
    agent,
    name: text("name", "The name of the second agent (default: generated from the profile)"),
    label: repeatable("label", "A label, in addition to those of the first agent: key=value"),
    env,
    ...durable
  },
  examples: [
    {
      command: "remote-agent fork analyst --name sceptic",
      description: "Both have the same conversations so far; from then on they are separate"
    },
    {
      command: "remote-agent fork analyst --env ANTHROPIC_API_KEY",
      description: "Environment variables of the first launch are not stored: pass them again"
    }
  ],
  run: Effect.fn("fork")(
    function* (flags): Run<State.Records> {
      const { note, out } = yield* Screen
      const name = flags.name === undefined ? undefined : yield* AgentName.parse(flags.name)
      const [labels, variables] = [yield* Labels.pairs(flags.label), yield* SandboxEnv.parse(flags.env)]
      const first = yield* AgentLookup.one(flags.agent)
      const forked = Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        const onStage = flags.json ? undefined : yield* LaunchStages.make(note)
        const second = yield* agents.of(first).fork({
          name,
          labels: { ...first.labels, ...labels },
          env: variables,
          onStage
        })
        return second.record
      })
      const second = yield* Effect.provide(Effect.scoped(forked), AgentLookup.services(flags, [first]))
      if (flags.json) return yield* line(out, jsonText(yield* Json.ofAgent(second)))
      yield* line(out, second.id)
      yield* line(
        note,
        `${second.name} is ${second.status}, with the conversations of ${first.name}.\n  remote-agent query ${second.name} "..."`
      )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
