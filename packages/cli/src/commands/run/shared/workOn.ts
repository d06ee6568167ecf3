import type { Id, OrchestratorError, Run } from "@remote-agent/domain"
import { type RunRecords, Runs } from "@remote-agent/orchestrator"
import { Effect, FileSystem, Path, Stream } from "effect"
import { CommandHost } from "../../../process/CommandHost.ts"
import * as ExitCode from "../../../ui/ExitCode.ts"
import { Ended, type Usage } from "../../../ui/Failure.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import * as ResultFile from "./resultFile.ts"
import * as ResultText from "./resultText.ts"
import * as RunText from "./runText.ts"

/** How a run is worked for, and where its results go. */
export interface WorkFlags {
  readonly json: boolean
  readonly order: "input" | "completion"
  readonly output: string | undefined
  readonly format: ResultText.Format | undefined
}

/** Prints the results of a run as they come, or writes them to the file of `--output`. */
export const deliver = Effect.fnUntraced(function* (
  records: RunRecords.RunRecords,
  id: Id.RunId,
  { follow, format, json, order, output }: WorkFlags & { readonly follow: boolean }
): Effect.fn.Return<
  void,
  OrchestratorError.OrchestratorError | Usage,
  Screen | FileSystem.FileSystem | Path.Path | CommandHost
> {
  const { note, out } = yield* Screen
  if (output !== undefined) {
    const count = yield* ResultFile.write(records, id, { file: output, format, order, follow })
    return yield* line(note, `${count} results written to ${output}.`)
  }
  if (format === "csv") yield* out.write(ResultText.header)
  yield* Stream.runForEach(records.results(id, { order, follow }), (question) =>
    format !== undefined || json
      ? out.write(ResultText.record(format ?? "jsonl", question))
      : line(out, ResultText.toText(out, question))
  )
})

/** Ends the command with the exit code of a run: 0 when every question has an answer. */
export const ended = ({ counts, status }: Run.Run) => {
  if (status === "completed" && counts.failed === 0) return Effect.void
  const code = counts.ok > 0 ? ExitCode.exitCode.partly : ExitCode.exitCode.failed
  return Effect.fail(new Ended({ code }))
}

/** Works for a run in this process until it ends, and delivers its results meanwhile. */
export const workOn = Effect.fnUntraced(function* (id: Id.RunId, flags: WorkFlags) {
  const [{ note }, runs, { leftovers }] = [yield* Screen, yield* Runs.Runs, yield* CommandHost]
  leftovers(
    `The run continues with \`remote-agent run resume ${id}\`.`,
    `Handing the run over. It continues with \`remote-agent run resume ${id}\`.`
  )
  const { size } = yield* runs.get(id)
  yield* Effect.all([runs.work({ run: id, slots: size }), deliver(runs, id, { ...flags, follow: true })], {
    concurrency: 2,
    discard: true
  })
  const run = yield* runs.get(id)
  yield* line(note, RunText.summary(run))
  return run
})

/** Prints a run, as JSON or in one line. */
export const print = Effect.fnUntraced(function* (run: Run.Run, json: boolean) {
  const { out } = yield* Screen
  yield* line(out, json ? jsonText(RunText.document(run)) : `${run.id} ${RunText.summary(run)}`)
})
