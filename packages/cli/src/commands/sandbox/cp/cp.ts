import { Orchestrator } from "@remote-agent/orchestrator"
import type { Sandbox } from "@remote-agent/sandbox"
import { Effect, Option, Path, Schedule, Stdio, Stream } from "effect"
import { Argument, Flag } from "effect/cli"
import * as AgentLookup from "../../../app/AgentLookup.ts"
import type { Environment, Run } from "../../../app/Environment.ts"
import * as State from "../../../app/State.ts"
import { CommandHost } from "../../../process/CommandHost.ts"
import { Redaction } from "../../../process/redaction.ts"
import { exitCode } from "../../../ui/ExitCode.ts"
import { Ended, type Failure, NotFound, Usage } from "../../../ui/Failure.ts"
import { dim, line, Screen } from "../../../ui/Screen.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { command } from "../../shared/command.ts"
import { durable } from "../../shared/flags.ts"
import { asSandboxError } from "../sandboxFailure.ts"
import { copy, landing, placing } from "./copy.ts"
import { here } from "./here.ts"
import { bytesOf, type Location, parse, sizeText } from "./location.ts"
import type { Side } from "./side.ts"
import { empty, type Report, type Skipped } from "./tar/report.ts"
import { there } from "./there.ts"

/** The limits of what a sandbox may write to this machine, unless `--max-size` gives another. */
const usual = { bytes: 10 * 1024 ** 3, entries: 1_000_000 }

/** The sources and the target of a copy. The last path is the target. */
interface Paths {
  readonly sources: ReadonlyArray<Location>
  readonly target: Location
  readonly agent: string
}

/** The agent of a copy. Fails with `Usage` unless exactly one side is in one sandbox. */
const pathsOf = Effect.fnUntraced(function* (
  words: ReadonlyArray<string>,
  json: boolean
): Effect.fn.Return<Paths, Usage> {
  const [sources, target] = [words.slice(0, -1).map(parse), parse(words.at(-1) ?? "-")]
  if (target._tag === "Pipe" && json) {
    return yield* new Usage({ message: "Standard output cannot carry the file and JSON. Leave --json out." })
  }
  if (sources.length > 1 && (target._tag === "Pipe" || sources.some(({ _tag }) => _tag === "Pipe"))) {
    return yield* new Usage({ message: "Standard input and output carry one file. Name one source." })
  }
  const remote = sources.flatMap((one) => (one._tag === "There" ? [one.agent] : []))
  const agents = new Set(target._tag === "There" ? [...remote, target.agent] : remote)
  const [agent] = agents
  const isMixed = remote.length > 0 && remote.length < sources.length
  if (agent === undefined || agents.size > 1 || isMixed || (target._tag === "There" && remote.length > 0)) {
    return yield* new Usage({
      message:
        "One side of a copy is on this machine and the other in one sandbox. Write that one as agent:path."
    })
  }
  return { sources, target, agent }
})

/** Redraws one line with the progress of a copy, until the scope closes. */
const showing = Effect.fnUntraced(function* (report: Report) {
  const { note } = yield* Screen
  if (!note.live) return
  const draw = Effect.suspend(() =>
    note.write(`\r\u001B[K${dim(note, `${report.files} files, ${sizeText(report.bytes)}`)}`)
  )
  yield* Effect.addFinalizer(() => note.write("\r\u001B[K"))
  yield* Effect.forkScoped(Effect.schedule(draw, Schedule.spaced("200 millis")))
})

/** A path on its side. A trailing slash says that it is a folder; resolving would drop it. */
const placeOf = Effect.fnUntraced(function* (
  location: Exclude<Location, { readonly _tag: "Pipe" }>,
  sides: { readonly local: Side; readonly remote: Side }
) {
  if (location._tag === "There") return [sides.remote, location.path] as const
  const [{ cwd }, path] = [yield* CommandHost, yield* Path.Path]
  const slash = location.path.endsWith("/") ? "/" : ""
  return [sides.local, path.resolve(cwd, location.path) + slash] as const
})

/** Writes standard input to a file in the sandbox. */
const fromInput = Effect.fnUntraced(function* (
  sandbox: Sandbox.Sandbox,
  remote: Side,
  path: string,
  force: boolean,
  report: Report
) {
  const { stdin } = yield* Stdio.Stdio
  const landed = yield* landing(remote, path, "", "file", force)
  const input = Stream.tap(Stream.orDie(stdin), (bytes) =>
    Effect.sync(() => void (report.bytes += bytes.length))
  )
  yield* placing(remote, landed.path, landed.replace, (draft) =>
    Effect.gen(function* () {
      const events = sandbox.spawn({ argv: ["sh", "-c", 'cat > "$1"', "sh", draft] }, input)
      const last = yield* Stream.runLast(events)
      const code = Option.match(last, {
        onNone: () => -1,
        onSome: (event) => (event._tag === "Exit" ? event.exitCode : -1)
      })
      if (code !== 0)
        return yield* new Usage({ message: `${path} cannot be written in the sandbox. Check the disk.` })
    })
  )
  report.files = 1
  return landed.path
})

/** Does the copy, and returns where it ended. Returns nothing after writing to standard output. */
const copying = Effect.fnUntraced(function* (
  sandbox: Sandbox.Sandbox,
  { sources, target }: Paths,
  { force, maxBytes }: { readonly force: boolean; readonly maxBytes: number },
  report: Report
): Effect.fn.Return<string | undefined, Failure, Environment | Stdio.Stdio> {
  const { cwd } = yield* CommandHost
  const sides = { remote: there(sandbox), local: yield* here(cwd, { ...usual, bytes: maxBytes }) }
  const [first] = sources
  if (first?._tag === "Pipe" && target._tag === "There") {
    return yield* fromInput(sandbox, sides.remote, target.path, force, report)
  }
  if (target._tag === "Pipe") {
    if (first?._tag !== "There") return undefined
    const stdio = yield* Stdio.Stdio
    const path = yield* sides.remote.resolve(first.path)
    if ((yield* sides.remote.typeOf(path)) === "nothing") {
      return yield* new NotFound({ message: `There is no file ${first.path}. Check the path.` })
    }
    const { flush, push } = (yield* Redaction).bytePieces()
    yield* sandbox.files.stream(path, { limitBytes: maxBytes }).pipe(
      Stream.map(push),
      Stream.concat(Stream.suspend(() => Stream.succeed(flush()))),
      Stream.runForEach((bytes) =>
        Effect.orDie(Stream.run(Stream.succeed(bytes), stdio.stdout({ endOnDone: false })))
      )
    )
    return undefined
  }
  const to = yield* placeOf(target, sides)
  if (
    sources.length > 1 &&
    !to[1].endsWith("/") &&
    (yield* to[0].typeOf(yield* to[0].resolve(to[1]))) !== "folder"
  ) {
    return yield* new Usage({
      message: `${to[1]} is not a folder, and several files need one. End it with / to create it.`
    })
  }
  const paths = yield* Effect.forEach(sources, (source) =>
    source._tag === "Pipe"
      ? Effect.succeed("")
      : Effect.flatMap(placeOf(source, sides), (from) => copy(from, to, force, report))
  )
  return paths.length === 1 ? paths[0] : yield* to[0].resolve(to[1])
})

const reasons: Readonly<Record<Skipped, string>> = {
  link: "it is a link that leads out of the folder",
  special: "it is neither a file nor a folder",
  name: "its name is not UTF-8"
}

/** `cp`. */
export const cp = command({
  name: "cp",
  description: "Copy files and folders into and out of the sandbox of an agent",
  flags: {
    paths: Argument.String("path").pipe(
      Argument.variadic({ min: 2 }),
      Argument.withDescription(
        "Files or folders, then the destination; here or as agent:path. - is standard input or output"
      )
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withAlias("f"),
      Flag.withDefault(false),
      Flag.withDescription("Replace an existing folder, or a file with a folder")
    ),
    maxSize: Flag.String("max-size").pipe(
      Flag.withMetavar("size"),
      Flag.withDescription("The most that a sandbox may write here: 500M, 20G (default: 10G)"),
      Flag.filterMap(bytesOf, () => "a size such as 500M or 20G"),
      Flag.withDefault(usual.bytes)
    ),
    ...durable
  },
  examples: [
    { command: "remote-agent cp data my-agent:work", description: "Into the sandbox" },
    { command: "remote-agent cp my-agent:~/report.md my-agent:data .", description: "Out of it" },
    { command: "remote-agent cp my-agent:log.txt - | grep error", description: "To standard output" }
  ],
  run: Effect.fn("cp")(
    function* ({ force, json, maxSize, paths: words, ...flags }): Run<State.Records | Stdio.Stdio> {
      const { note, out } = yield* Screen
      const paths = yield* pathsOf(words, json)
      const found = yield* AgentLookup.one(paths.agent)
      const report = empty()
      const to = yield* Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        const sandbox = yield* agents.of(found).sandbox()
        yield* showing(report)
        return yield* copying(sandbox, paths, { force, maxBytes: maxSize }, report)
      }).pipe(Effect.scoped, asSandboxError, Effect.provide(AgentLookup.services(flags, [found])))
      if (to === undefined) return
      const { bytes, files, skipped } = report
      for (const { path, why } of skipped) {
        yield* line(note, `Skipped, because ${reasons[why]}: ${path}`)
      }
      yield* line(
        out,
        json
          ? jsonText({ to, files, bytes, skipped: skipped.map(({ path }) => path) })
          : `Copied ${files} ${files === 1 ? "file" : "files"}, ${bytes} bytes, to ${to}.`
      )
      if (skipped.length > 0) return yield* new Ended({ code: exitCode.partly })
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
