import { Orchestrator } from "@remote-agent/orchestrator"
import type { Sandbox } from "@remote-agent/sandbox"
import { Effect, Path, Stdio, Stream } from "effect"
import { Argument, Flag } from "effect/cli"
import * as AgentLookup from "../../../app/AgentLookup.ts"
import type { Run } from "../../../app/Environment.ts"
import * as State from "../../../app/State.ts"
import { CommandHost } from "../../../process/CommandHost.ts"
import { Redaction } from "../../../process/redaction.ts"
import { NotFound, Usage } from "../../../ui/Failure.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { command } from "../../shared/command.ts"
import { durable } from "../../shared/flags.ts"
import { asSandboxError } from "../sandboxFailure.ts"
import { copy, type Copied, landing, placing } from "./copy.ts"
import { type Location, mayNotBeUtf8, parse } from "./location.ts"
import { here, type Side, there } from "./side.ts"

/** The agent of a copy. Fails with `Usage` unless exactly one side is in a sandbox. */
const agentOf = Effect.fnUntraced(function* (from: Location, to: Location, json: boolean) {
  if (to._tag === "Pipe" && json) {
    return yield* new Usage({ message: "Standard output cannot carry the file and JSON. Leave --json out." })
  }
  if (from._tag === "There" && to._tag !== "There") return from.agent
  if (to._tag === "There" && from._tag !== "There") return to.agent
  return yield* new Usage({
    message: "One side of a copy is on this machine and the other in a sandbox. Write that one as agent:path."
  })
})

const sideOf = Effect.fnUntraced(function* (location: Location, inSandbox: Side) {
  const [{ cwd }, path] = [yield* CommandHost, yield* Path.Path]
  switch (location._tag) {
    case "There":
      return [inSandbox, location.path] as const
    case "Here": {
      // A trailing slash says that it is a folder; resolving would drop it.
      const slash = location.path.endsWith("/") ? "/" : ""
      return [yield* here(cwd), path.resolve(cwd, location.path) + slash] as const
    }
    case "Pipe":
      return undefined
  }
})

const copying = Effect.fnUntraced(function* (
  sandbox: Sandbox.Sandbox,
  from: Location,
  to: Location,
  force: boolean
) {
  const stdio = yield* Stdio.Stdio
  const inSandbox = there(sandbox)
  const [source, target] = [yield* sideOf(from, inSandbox), yield* sideOf(to, inSandbox)]
  if (source !== undefined && target !== undefined) return yield* copy(source, target, force)
  if (target !== undefined) {
    const { path, replace } = yield* landing(target[0], target[1], "", "file", force)
    const bytes = yield* Stream.mkUint8Array(Stream.orDie(stdio.stdin))
    yield* replace
      ? placing(inSandbox, path, replace, (draft) => inSandbox.write(draft, bytes))
      : inSandbox.write(path, bytes)
    return { to: path, files: 1, bytes: bytes.length, skipped: [] } satisfies Copied
  }
  if (source !== undefined) {
    const type = yield* source[0].typeOf(yield* source[0].resolve(source[1]))
    if (type === "nothing") {
      return yield* new NotFound({ message: `There is no file ${source[1]}. Check the path.` })
    }
    const { flush, push } = (yield* Redaction).bytePieces()
    yield* inSandbox.stream(source[1]).pipe(
      Stream.map(push),
      Stream.concat(Stream.suspend(() => Stream.succeed(flush()))),
      Stream.runForEach((bytes) =>
        Effect.orDie(Stream.run(Stream.succeed(bytes), stdio.stdout({ endOnDone: false })))
      )
    )
  }
  return undefined
})

/** `cp`. */
export const cp = command({
  name: "cp",
  description: "Copy files and folders into and out of the sandbox of an agent",
  flags: {
    from: Argument.String("from").pipe(
      Argument.withDescription("A file or folder, here or as agent:path; - for standard input")
    ),
    to: Argument.String("to").pipe(
      Argument.withDescription("The destination, here or as agent:path; - for standard output")
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withAlias("f"),
      Flag.withDefault(false),
      Flag.withDescription("Replace an existing folder, or a file with a folder")
    ),
    ...durable
  },
  examples: [
    { command: "remote-agent cp data my-agent:work", description: "Into the sandbox" },
    { command: "remote-agent cp my-agent:work/report.md .", description: "Out of it" },
    { command: "remote-agent cp my-agent:log.txt - | grep error", description: "To standard output" }
  ],
  run: Effect.fn("cp")(
    function* ({ force, json, ...flags }): Run<State.Records | Stdio.Stdio> {
      const { note, out } = yield* Screen
      const [from, to] = [parse(flags.from), parse(flags.to)]
      const found = yield* AgentLookup.one(yield* agentOf(from, to, json))
      const copied = yield* Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        return yield* copying(yield* agents.of(found).sandbox(), from, to, force)
      }).pipe(Effect.scoped, asSandboxError, Effect.provide(AgentLookup.services(flags, [found])))
      if (copied === undefined) return
      const { bytes, files, skipped } = copied
      for (const path of skipped) {
        const why = mayNotBeUtf8(path) ? "its name is not UTF-8" : "it is neither a file nor a folder"
        yield* line(note, `Skipped, because ${why}: ${path}`)
      }
      yield* line(
        out,
        json
          ? jsonText(copied)
          : `Copied ${files} ${files === 1 ? "file" : "files"}, ${bytes} bytes, to ${copied.to}.`
      )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
