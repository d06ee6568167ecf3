import { QueryHandle, StateStore } from "@remote-agent/orchestrator"
import { Effect, Stream } from "effect"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import * as Answer from "../../ui/Answer.ts"
import { NotFound } from "../../ui/Failure.ts"
import { command } from "../shared/command.ts"
import { queryOrAgent, state } from "../shared/flags.ts"

/** `answer`. */
export const answer = command({
  name: "answer",
  description: "Print the answer of a query that has ended; of an agent, that of its newest query",
  flags: { named: queryOrAgent, state },
  examples: [
    { command: "remote-agent answer analyst", description: "Its newest answer" },
    { command: "remote-agent answer qry_06bq... --json", description: "The whole result" }
  ],
  run: Effect.fn("answer")(
    function* ({ json, named }): Run<State.Records> {
      const { query } = yield* AgentLookup.query(named, AgentLookup.newest)
      if (query.status !== "ended") {
        return yield* new NotFound({
          message: `Query ${query.id} has no answer yet: it is ${query.status}. Wait for it with \`remote-agent wait ${query.id}\`.`
        })
      }
      const { events } = yield* StateStore.StateStore
      const last = yield* Stream.runLast(events(query.id, 0))
      yield* Answer.print(yield* Effect.result(QueryHandle.resultOf("answer", query, last)), json)
    },
    (effect, { state: location }) => Effect.provide(effect, State.layer({ state: location }))
  )
})
