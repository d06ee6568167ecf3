import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import * as Json from "../../ui/json.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { durable, queryOrAgent } from "../shared/flags.ts"

/** `cancel`. */
export const cancel = command({
  name: "cancel",
  description: "Cancel a query, also one that another process runs; of an agent, its running query",
  flags: { named: queryOrAgent, ...durable },
  examples: [{ command: "remote-agent cancel analyst", description: "The query that it is answering" }],
  run: Effect.fn("cancel")(
    function* (flags): Run<State.Records> {
      const { out } = yield* Screen
      const { agent, query: found } = yield* AgentLookup.query(flags.named, AgentLookup.current)
      const hasEnded = found.status === "ended"
      const cancelled = Effect.gen(function* () {
        const { queries } = yield* Orchestrator.Orchestrator
        return yield* (yield* queries.get(found.id)).cancel("the command line")
      }).pipe(Effect.provide(AgentLookup.services(flags, [agent])))
      const query = hasEnded ? found : yield* cancelled
      yield* line(
        out,
        flags.json
          ? jsonText(yield* Json.ofQueryRecord(query))
          : `${query.id} has ${hasEnded ? "already " : ""}ended: ${query.outcome ?? "without an outcome"}`
      )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
