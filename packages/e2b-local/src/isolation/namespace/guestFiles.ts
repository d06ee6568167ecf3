/**
 * File operations without a program: the guest of a sandbox does them. Large contents and rare cases are left to the
 * scripts of `files.ts`.
 *
 * @since 0.1.0
 */
import { Effect, Option, Pull, Stream } from "effect"
import * as Path from "node:path/posix"
import { SMALL } from "../../guest/fileProgram.ts"
import { fieldsOf } from "../../guest/frames.ts"
import type { FileResult, Guest } from "../../guest/Guest.ts"
import * as FileErrors from "../fileErrors.ts"
import { fileError } from "../fileErrors.ts"
import type { Content, FileError, Files, Metadata } from "../SandboxRuntime.ts"
import { compareBySegment, parseEntries } from "./files.ts"

/** The output of an operation that has ended. Fails with its reason. */
const outputOf = (path: string, { code, message, output }: FileResult) => {
  if (code === 0) return Effect.succeed(output)
  const reason = FileErrors.ofExit({ code, signal: null }, message)
  return Effect.fail(fileError(reason, path, reason === "Failed" ? message : undefined))
}

const entryOf = (path: string, output: Buffer) => {
  const [entry] = parseEntries(output)
  return entry === undefined ? Effect.fail(fileError("NotFound", path)) : Effect.succeed(entry)
}

const contentOf = (output: Buffer): Content => {
  const [size = "0", modified = "0", bytes = Buffer.alloc(0)] = fieldsOf(output)
  // Files of /proc have no size, and content.
  const known = Number(size.toString()) > 0 ? bytes.length : undefined
  return {
    size: known,
    modified: Number(modified.toString()),
    bytes: (range = { start: 0, length: bytes.length }) => {
      const part = bytes.subarray(range.start, range.start + range.length)
      return part.length === 0 ? Stream.empty : Stream.succeed(new Uint8Array(part))
    }
  }
}

/** A content that has been read up to a number of bytes: the whole of it, or its beginning with the rest. */
const beginning = Effect.fnUntraced(function* <E>(content: Stream.Stream<Uint8Array, E>) {
  const pull = yield* Stream.toPull(content)
  const chunks: Array<Uint8Array> = []
  let size = 0
  while (size <= SMALL) {
    const next = yield* pull.pipe(
      Effect.map((more) => Option.some<ReadonlyArray<Uint8Array>>(more)),
      Pull.catchDone(() => Effect.succeed(Option.none<ReadonlyArray<Uint8Array>>()))
    )
    if (Option.isNone(next)) return { chunks, whole: true, rest: Stream.empty }
    for (const chunk of next.value) {
      chunks.push(chunk)
      size += chunk.length
    }
  }
  return { chunks, whole: false, rest: Stream.fromPull(Effect.succeed(pull)) }
})

/** The files of the user of a sandbox. `scripts` does what the guest cannot. */
export const make = (guest: Effect.Effect<Option.Option<Guest>>, scripts: Files): Files => {
  const operate = Effect.fnUntraced(function* (
    name: string,
    args: readonly [string, ...ReadonlyArray<string | Uint8Array>]
  ) {
    const found = yield* guest
    if (Option.isNone(found)) return Option.none<FileResult>()
    return yield* Effect.option(found.value.operate(name, args))
  })

  const withScript = <A>(
    name: string,
    args: readonly [string, ...ReadonlyArray<string | Uint8Array>],
    decode: (output: Buffer) => Effect.Effect<A, FileError>,
    script: Effect.Effect<A, FileError>
  ): Effect.Effect<A, FileError> =>
    Effect.flatMap(
      operate(name, args),
      Option.match({
        onNone: () => script,
        onSome: (result) => Effect.flatMap(outputOf(args[0], result), decode)
      })
    )

  const write = <E>(
    path: string,
    content: Stream.Stream<Uint8Array, E>,
    metadata: Metadata
  ): Effect.Effect<void, FileError | E> =>
    Effect.scoped(
      Effect.gen(function* () {
        if (Option.isNone(yield* guest)) return yield* scripts.write(path, content, metadata)
        const { chunks, rest, whole } = yield* beginning(content)
        const words = Object.entries(metadata).flat()
        const result = whole
          ? yield* operate("write", [path, Path.dirname(path), Buffer.concat(chunks), ...words])
          : Option.none()
        if (Option.isSome(result)) return yield* Effect.asVoid(outputOf(path, result.value))
        yield* scripts.write(path, Stream.concat(Stream.fromIterable(chunks), rest), metadata)
      })
    )

  return {
    stat: (path) => withScript("stat", [path], (output) => entryOf(path, output), scripts.stat(path)),
    list: (path, depth) =>
      withScript(
        "list",
        [path, `${depth}`],
        (output) =>
          Effect.sync(() => parseEntries(output).toSorted((a, b) => compareBySegment(a.path, b.path))),
        scripts.list(path, depth)
      ),
    folder: (path) =>
      withScript("folder", [path], (output) => Effect.succeed(output.toString()), scripts.folder(path)),
    makeDir: (path) =>
      withScript("makeDir", [path], (output) => entryOf(path, output), scripts.makeDir(path)),
    move: (from, to) =>
      withScript(
        "move",
        [from, to, Path.dirname(to)],
        (output) => entryOf(to, output),
        scripts.move(from, to)
      ),
    remove: (path) => withScript("remove", [path], () => Effect.void, scripts.remove(path)),
    read: Effect.fnUntraced(function* (path: string) {
      const result = yield* operate("read", [path])
      if (Option.isNone(result)) return yield* scripts.read(path)
      return contentOf(yield* outputOf(path, result.value))
    }),
    write
  }
}
