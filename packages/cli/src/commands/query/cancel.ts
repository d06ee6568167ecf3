import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import * as App from "../../app/App.ts"
import * as Documents from "../../ui/json.ts"
import type { Run } from "../../ui/Failure.ts"
import * as NamedQuery from "../../app/NamedQuery.ts"
import * as Provider from "../../app/agentProvider.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as State from "../../app/State.ts"

/** The flags of `cancel`. */
export interface CancelFlags extends App.AppFlags {
  readonly named: string
  readonly json: boolean
}

/** Stops a query, whoever runs it, and says how it ended. */
export const run = Effect.fn("cancel")(function* (flags: CancelFlags): Run {
  const { out } = yield* Screen
  const found = yield* Effect.provide(NamedQuery.query(flags.named, NamedQuery.current), State.layer(flags))
  const cancel = Effect.flatMap(Orchestrator.Orchestrator, (all) =>
    all.cancel(found.query.id, "the command line")
  )
  const query =
    found.query.status === "ended"
      ? found.query
      : yield* Effect.provide(cancel, App.durable(yield* Provider.where(flags, [found.agent])))
  const already = found.query.status === "ended" ? " already" : ""
  yield* line(
    out,
    flags.json
      ? JSON.stringify(yield* Documents.ofQueryRecord(query))
      : `${query.id} has ended${already}: ${query.outcome ?? "without an outcome"}`
  )
})
