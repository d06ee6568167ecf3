import { RemoteAgentConfig } from "@remote-agent/domain"
import { StateExport, StateImport, StateStore } from "@remote-agent/orchestrator"
import { Sandboxes } from "@remote-agent/sandbox"
import { Effect, FileSystem, Path, Redacted, Stdio, Stream } from "effect"
import * as App from "../../app/App.ts"
import { type Run, Usage } from "../../ui/Failure.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as State from "../../app/State.ts"
import * as Table from "../../ui/Table.ts"

/** The flags of `state export`. */
export interface ExportFlags {
  readonly file: string
  readonly state?: string | undefined
  readonly json: boolean
}

/** The keys that are set, which no document may hold. */
const keys = Effect.map(RemoteAgentConfig.RemoteAgentConfig, (config) =>
  Object.values(config).flatMap((value) =>
    (Array.isArray(value) ? value : [value]).filter((one) => Redacted.isRedacted(one))
  )
)

/** A file that stands in for standard input or output, and is gone afterwards. */
const standIn = Effect.gen(function* () {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "remote-agent-state-" })
  return path.join(folder, "state.json")
}).pipe(
  Effect.mapError(
    () => new Usage({ message: "No temporary folder can be made. Set TMPDIR to one that can be written to." })
  )
)

const named = Effect.fnUntraced(function* (file: string) {
  const [{ cwd }, path] = [yield* CommandHost, yield* Path.Path]
  return path.resolve(cwd, file)
})

/** Writes the state into a document, which has it whole or is what it was before. No key of the settings is in it. */
export const exportTo = Effect.fn("state export")(function* ({
  file,
  json,
  ...flags
}: ExportFlags): Run<Stdio.Stdio> {
  const [fs, { note, out }, stdio] = [yield* FileSystem.FileSystem, yield* Screen, yield* Stdio.Stdio]
  const toPipe = file === "-"
  if (toPipe && json) {
    return yield* new Usage({ message: "Standard output has the document itself. Leave --json out." })
  }
  const exported = Effect.gen(function* () {
    const target = toPipe ? yield* standIn : yield* named(file)
    const written = yield* StateExport.exportTo(yield* StateStore.StateStore, target, {
      secrets: yield* keys
    })
    if (toPipe) yield* Effect.orDie(Stream.run(fs.stream(target), stdio.stdout()))
    return written
  })
  const counts = yield* Effect.provide(Effect.scoped(exported), State.layer(flags))
  const { agents, events, pools, queries } = counts
  yield* json
    ? line(out, JSON.stringify(counts))
    : line(
        toPipe ? note : out,
        `Exported ${agents} agents, ${queries} queries, ${events} events and ${pools} pools.`
      )
})

/** The flags of `state import`. */
export interface ImportFlags extends App.AppFlags {
  readonly file: string
  readonly json: boolean
}

const input = Effect.fnUntraced(function* (file: string) {
  const [fs, { stdin }] = [yield* FileSystem.FileSystem, yield* Stdio.Stdio]
  if (file !== "-") return yield* named(file)
  const target = yield* standIn
  yield* Effect.orDie(Stream.run(stdin, fs.sink(target, { mode: 0o600 })))
  return target
})

/**
 * Takes a document over, all of it or nothing, and says what became of every agent. Fails with every problem of the
 * document at once.
 */
export const importFrom = Effect.fn("state import")(function* ({
  file,
  json,
  ...flags
}: ImportFlags): Run<Stdio.Stdio> {
  const { out } = yield* Screen
  const imported = Effect.gen(function* () {
    const [store, sandboxes] = [yield* StateStore.StateStore, yield* Sandboxes.Sandboxes]
    return yield* StateImport.importFrom(store, yield* input(file), StateImport.checkWith(sandboxes))
  })
  const report = yield* Effect.provide(Effect.scoped(imported), App.durable(flags))
  if (json) return yield* line(out, JSON.stringify(report))
  const rows = report.agents.map(({ detail = "", id, name, outcome }) => [id, name, outcome, detail])
  yield* line(
    out,
    [
      ...report.notes,
      ...Table.render(rows, out.live ? out.columns() : undefined),
      `${report.agents.length} agents seen; ${report.queries} queries and ${report.pools} pools added.`
    ].join("\n")
  )
})
