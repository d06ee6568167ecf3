import { RemoteAgentConfig } from "@remote-agent/domain"
import { StateExport, StateStore } from "@remote-agent/orchestrator"
import { Effect, FileSystem, Redacted, Stdio, Stream } from "effect"
import { Argument } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { Usage } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import { resolved, temporaryFile } from "./pipes.ts"

/** The secrets of the settings. The document must not contain them. */
const secrets = Effect.map(RemoteAgentConfig.RemoteAgentConfig, (config) =>
  Object.values(config).flatMap((value) =>
    (Array.isArray(value) ? value : [value]).filter((one) => Redacted.isRedacted(one))
  )
)

/** `state export`. */
export const exportState = command({
  name: "state export",
  description: "Write agents, queries, events and pools to one JSON document, without keys",
  flags: {
    file: Argument.String("file").pipe(Argument.withDescription("The file to write; - for standard output")),
    state
  },
  examples: [
    { command: "remote-agent state export state.json", description: "Whole or not at all" },
    { command: "remote-agent state export - | gzip > state.json.gz", description: "To standard output" }
  ],
  run: Effect.fn("state export")(
    function* ({ file, json }): Run<State.Records | Stdio.Stdio> {
      const [fs, { note, out }, stdio] = [yield* FileSystem.FileSystem, yield* Screen, yield* Stdio.Stdio]
      const toPipe = file === "-"
      if (toPipe && json) {
        return yield* new Usage({
          message: "Standard output cannot carry the document and a summary. Leave --json out."
        })
      }
      const counts = yield* Effect.gen(function* () {
        const target = toPipe ? yield* temporaryFile : yield* resolved(file)
        const store = yield* StateStore.StateStore
        const written = yield* StateExport.exportTo(store, target, { secrets: yield* secrets })
        if (toPipe) yield* Effect.orDie(Stream.run(fs.stream(target), stdio.stdout()))
        return written
      }).pipe(Effect.scoped)
      const { agents, events, pools, queries } = counts
      yield* json
        ? line(out, jsonText(counts))
        : line(
            toPipe ? note : out,
            `Exported ${agents} agents, ${queries} queries, ${events} events and ${pools} pools.`
          )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
