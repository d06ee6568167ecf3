import { Agent } from "@remote-agent/domain"
import { Effect } from "effect"
import { Argument } from "effect/cli"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import * as Json from "../../ui/json.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { agent, state } from "../shared/flags.ts"
import * as AgentName from "../shared/agentName.ts"
import { updateRecord } from "../shared/agentRecord.ts"

/** `rename`. */
export const rename = command({
  name: "rename",
  description: "Rename an agent",
  flags: {
    agent,
    name: Argument.String("name").pipe(Argument.withDescription("The new name")),
    state
  },
  examples: [{ command: "remote-agent rename analyst apple", description: "Its id stays the same" }],
  run: Effect.fn("rename")(
    function* (flags): Run<State.Records> {
      const { out } = yield* Screen
      const name = yield* AgentName.parse(flags.name)
      const found = yield* AgentLookup.one(flags.agent)
      const renamed = yield* updateRecord(found.id, (was) => new Agent.Agent({ ...was, name }))
      yield* line(
        out,
        flags.json ? jsonText(yield* Json.ofAgent(renamed)) : `${renamed.id} is now ${renamed.name}.`
      )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
