import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect, FileSystem, Stdio, Stream } from "effect"
import { Argument } from "effect/cli"
import * as App from "../../app/App.ts"
import type { Run } from "../../app/Environment.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { durable } from "../shared/flags.ts"
import { resolved, temporaryFile } from "./pipes.ts"

const input = Effect.fnUntraced(function* (file: string) {
  const [fs, { stdin }] = [yield* FileSystem.FileSystem, yield* Stdio.Stdio]
  if (file !== "-") return yield* resolved(file)
  const target = yield* temporaryFile
  yield* Effect.orDie(Stream.run(stdin, fs.sink(target, { mode: 0o600 })))
  return target
})

/** `state import`. */
export const importState = command({
  name: "state import",
  description: "Add the records of a document, all or none. Records that exist already stay as they are",
  flags: {
    file: Argument.String("file").pipe(
      Argument.withDescription(
        "A document of `state export`, or orchestrator_state.json; - for standard input"
      )
    ),
    ...durable
  },
  examples: [
    { command: "remote-agent state import state.json", description: "From another machine" },
    { command: "remote-agent state import orchestrator_state.json", description: "From the Python module" }
  ],
  run: Effect.fn("state import")(function* ({ file, json, ...flags }): Run<Stdio.Stdio> {
    const { out } = yield* Screen
    const report = yield* Effect.gen(function* () {
      const { state } = yield* Orchestrator.Orchestrator
      return yield* Effect.catchReason(
        state.import(yield* input(file)),
        "OrchestratorError",
        "StoreFailed",
        ({ cause }) => Effect.fail(cause)
      )
    }).pipe(Effect.scoped, Effect.provide(App.durable(flags)))
    if (json) return yield* line(out, jsonText(report))
    const rows = report.agents.map(({ detail = "", id, name, outcome }) => [id, name, outcome, detail])
    yield* line(
      out,
      [
        ...report.notes,
        ...Table.render(rows, Table.widthOf(out)),
        `${report.agents.length} agents read; ${report.queries} queries and ${report.pools} pools added.`
      ].join("\n")
    )
  })
})
