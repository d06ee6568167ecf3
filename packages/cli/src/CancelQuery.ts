import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import * as App from "./App.ts"
import * as Documents from "./Documents.ts"
import type { Run } from "./Failure.ts"
import * as NamedQuery from "./NamedQuery.ts"
import * as Provider from "./Provider.ts"
import { line, Screen } from "./Screen.ts"
import * as State from "./State.ts"

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
