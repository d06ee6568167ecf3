import { AgentLifecycle } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import { Argument } from "effect/cli"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { Usage } from "../../ui/Failure.ts"
import * as Json from "../../ui/json.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { agent, state } from "../shared/flags.ts"
import * as Labels from "../shared/labels.ts"
import { updateRecord } from "../shared/agentRecord.ts"

/** `label`. */
export const label = command({
  name: "label",
  description: "Set and remove labels of an agent",
  flags: {
    agent,
    labels: Argument.String("label").pipe(
      Argument.withDescription("key=value to set a label, key- to remove one"),
      Argument.variadic()
    ),
    state
  },
  examples: [
    {
      command: "remote-agent label analyst team=research draft-",
      description: "Sets one label and removes another"
    }
  ],
  run: Effect.fn("label")(
    function* (flags): Run<State.Records> {
      const { out } = yield* Screen
      const changes = yield* Labels.parse(flags.labels)
      if (flags.labels.length === 0) {
        return yield* new Usage({
          message: "No label is given. Write key=value to set one, or key- to remove one."
        })
      }
      const { id } = yield* AgentLookup.one(flags.agent)
      const changed = yield* updateRecord(id, (was) => AgentLifecycle.relabelled(was, changes))
      const now = Labels.toText(changed.labels)
      yield* line(
        out,
        flags.json
          ? jsonText(yield* Json.ofAgent(changed))
          : `${changed.name} (${changed.id}) ${now === "" ? "has no labels" : `is labelled ${now}`}`
      )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
