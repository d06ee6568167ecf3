/** Cases for files. */
import { Effect, Fiber, Stream } from "effect"
import type { FileEvent } from "../../Sandbox.ts"
import { Sandboxes } from "../../Sandboxes.ts"
import { box, type Case, check, define, eventually, reasonOf, same, scripts } from "./case.ts"

const keep = (seen: Set<string>) => (event: FileEvent) =>
  Effect.sync(() => void seen.add(`${event._tag} ${event.name}`))

/** 50 MB in which no two pages are alike. */
const largeFile = () => {
  const bytes = new Uint8Array(50 * 1024 * 1024)
  for (let index = 0; index < bytes.length; index++) bytes[index] = (index * 7 + (index >> 8)) & 255
  return bytes
}

const sameBytes = (actual: Uint8Array, expected: Uint8Array) => {
  if (actual.length !== expected.length) return false
  for (let index = 0; index < expected.length; index++) if (actual[index] !== expected[index]) return false
  return true
}

/** Cases for files. */
export const cases: ReadonlyArray<Case> = [
  define("prepares the folders and files of a new sandbox, small and large", () =>
    Effect.gen(function* () {
      const { files } = yield* box()
      const bytes = Uint8Array.from({ length: 1024 }, (_, index) => index & 255)
      const small = {
        folders: ["work/it's", "./other"],
        files: [
          { path: "./in/$HOME `x`", content: "'quoted'\n\n" },
          { path: "bytes", content: bytes, mode: "0700" }
        ]
      }
      const home = yield* files.prepare(small)
      yield* same(home, (yield* files.stat(".")).path, "the home folder")
      yield* same((yield* files.stat("work/it's")).type, "directory", "the type")
      yield* same((yield* files.stat("other")).type, "directory", "the type")
      yield* same(yield* files.readString("in/$HOME `x`"), "'quoted'\n\n", "the text")
      yield* same([...(yield* files.read("bytes"))], [...bytes], "the bytes")
      const large = "x".repeat(300_000)
      yield* files.prepare({ folders: [], files: [{ path: "bytes", content: large }] })
      yield* same((yield* files.stat("bytes")).size, large.length, "the size")
    })
  ),
  define("writes, reads, lists, moves and removes files", () =>
    Effect.gen(function* () {
      const { files } = yield* box()
      const bytes = Uint8Array.from({ length: 1024 }, (_, index) => index & 255)
      yield* files.write("a/b/bytes.bin", bytes)
      yield* files.write("a/b/bytes.bin", bytes.toReversed())
      yield* same([...(yield* files.read("a/b/bytes.bin"))], [...bytes].toReversed(), "the bytes")
      yield* files.write("a/ü 'x' $y.txt", "täxt")
      yield* same(yield* files.readString("a/ü 'x' $y.txt"), "täxt", "the text")
      const entries = yield* files.list("a")
      yield* same(
        entries
          .map(({ name, type, size }) => ({ name, type, ...(type === "file" ? { size } : {}) }))
          .toSorted((x, y) => (x.name < y.name ? -1 : 1)),
        [
          { name: "b", type: "directory" },
          { name: "ü 'x' $y.txt", type: "file", size: 5 }
        ],
        "the entries"
      )
      yield* files.rename("a/b", "c")
      yield* same((yield* files.stat("c/bytes.bin")).size, 1024, "the size")
      yield* files.remove("c")
      yield* files.remove("c")
      yield* same(yield* reasonOf(files.read("c/bytes.bin")), "FileNotFound", "the reason")
      yield* same(yield* reasonOf(files.stat("nowhere")), "FileNotFound", "the reason")
      yield* same(yield* reasonOf(files.list("nowhere")), "FileNotFound", "the reason")
      yield* same(yield* reasonOf(files.rename("nowhere", "x")), "FileNotFound", "the reason")
      yield* same(yield* reasonOf(files.read("a")), "InvalidRequest", "the reason")
    })
  ),
  define("transfers a file of 50 MB in both directions", () =>
    Effect.gen(function* () {
      const { files } = yield* box()
      const large = largeFile()
      yield* files.write("large.bin", large)
      yield* same((yield* files.stat("large.bin")).size, large.length, "the size")
      const back = yield* files.read("large.bin")
      yield* check(sameBytes(back, large), "every byte should come back")
    })
  ),
  define("emits the changes in a watched folder", () =>
    Effect.gen(function* () {
      const { exec, files } = yield* box()
      yield* files.makeDir("watched/sub")
      const [flat, deep] = [new Set<string>(), new Set<string>()]
      yield* Effect.forkScoped(Stream.runForEach(files.watch("watched"), keep(flat)))
      yield* Effect.forkScoped(Stream.runForEach(files.watch("watched", { recursive: true }), keep(deep)))
      // Repeat until both have started.
      yield* eventually(
        Effect.map(files.write("watched/first", "x"), () =>
          [flat, deep].every((seen) => [...seen].some((event) => event.endsWith(" first")))
        ),
        "the first event"
      )
      yield* files.write("watched/new.txt", "x")
      yield* exec({ script: scripts.append })
      yield* files.rename("watched/new.txt", "watched/moved.txt")
      yield* files.remove("watched/moved.txt")
      yield* files.write("watched/sub/below.txt", "x")
      yield* files.makeDir("watched/last")
      yield* eventually(
        Effect.sync(() => [flat, deep].every((seen) => seen.has("Created last"))),
        "the last event"
      )
      for (const seen of [flat, deep]) {
        for (const event of [
          "Created new.txt",
          "Written new.txt",
          "Renamed new.txt",
          "Created moved.txt",
          "Removed moved.txt"
        ]) {
          yield* check(seen.has(event), `${event} should be told`)
        }
      }
      yield* check(deep.has("Created sub/below.txt"), "what is below a folder should be told")
      yield* check(
        [...flat].every((event) => !event.includes("/")),
        "what is below a folder should not be told unless that was asked for"
      )
    })
  ),
  define("stops watching with its reader and with its sandbox, and refuses a missing folder", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const sandbox = yield* box()
      const { files } = sandbox
      yield* same(yield* reasonOf(Stream.runDrain(files.watch("nowhere"))), "FileNotFound", "the reason")
      yield* files.makeDir("watched")
      const touching = Effect.forever(
        Effect.andThen(files.write("watched/file", "x"), Effect.sleep("20 millis"))
      )
      yield* Effect.raceFirst(Stream.runDrain(Stream.take(files.watch("watched"), 1)), touching)
      const seen: Array<FileEvent> = []
      const watching = yield* Effect.forkScoped(
        reasonOf(
          Stream.runForEach(files.watch("watched"), (event) => Effect.sync(() => void seen.push(event)))
        )
      )
      yield* eventually(
        Effect.map(files.write("watched/file", "x"), () => seen.length > 0),
        "an event"
      )
      yield* sandboxes.terminate(sandbox.id)
      yield* same(yield* Fiber.join(watching), "Gone", "the reason")
      yield* same(yield* reasonOf(Stream.runDrain(files.watch("watched"))), "Gone", "the reason")
    })
  )
]
