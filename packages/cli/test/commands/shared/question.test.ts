import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stdio, Stream } from "effect"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Asked, read } from "../../../src/commands/shared/question.ts"
import { Screen, silent } from "../../../src/ui/Screen.ts"
import { host } from "../../support/host.ts"
import { folder } from "../../support/support.ts"

/** The text that a question and standard input make, or the failure. */
const textOf = Effect.fnUntraced(function* (
  cwd: string,
  question: string | undefined,
  { bytes, file, piped = false }: { bytes?: string | Uint8Array; file?: string; piped?: boolean } = {}
) {
  const asked: Asked = { question: Option.fromUndefinedOr(question), file }
  const chunks = typeof bytes === "string" ? [new TextEncoder().encode(bytes)] : bytes ? [bytes] : []
  return yield* read(asked).pipe(
    Effect.catch(({ message }) => Effect.succeed(`refused: ${message}`)),
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        host(cwd, {}, undefined, piped),
        Layer.succeed(Screen, { out: silent, err: silent, note: silent }),
        // Input that nobody asks for must not be read.
        Stdio.layerTest({ stdin: bytes === undefined ? Stream.never : Stream.fromIterable(chunks) })
      )
    )
  )
})

describe("a question", () => {
  it.live("is its words, then a file or what is piped in, after an empty line", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      yield* Effect.promise(() => writeFile(join(cwd, "more.txt"), "from a file\n"))
      assert.strictEqual(yield* textOf(cwd, "Explain this"), "Explain this")
      assert.strictEqual(yield* textOf(cwd, "-", { bytes: "asked\nhere\n" }), "asked\nhere")
      assert.strictEqual(yield* textOf(cwd, undefined, { file: "-", bytes: "asked" }), "asked")
      assert.strictEqual(yield* textOf(cwd, undefined, { piped: true, bytes: "asked\n" }), "asked")
      const log = { piped: true, bytes: "line 1\nline 2\n" }
      assert.strictEqual(yield* textOf(cwd, "Explain this", log), "Explain this\n\nline 1\nline 2")
      assert.strictEqual(yield* textOf(cwd, "Explain", { file: "-", bytes: "x" }), "Explain\n\nx")
      assert.strictEqual(yield* textOf(cwd, "Explain", { file: "more.txt" }), "Explain\n\nfrom a file")
      assert.strictEqual(yield* textOf(cwd, "-", { file: "more.txt", bytes: "in" }), "from a file\n\nin")
      // A pipe that stays empty adds nothing, and a file takes the place of a pipe.
      assert.strictEqual(yield* textOf(cwd, "Explain", { piped: true, bytes: "" }), "Explain")
      assert.strictEqual(
        yield* textOf(cwd, "Explain", { file: "more.txt", piped: true }),
        "Explain\n\nfrom a file"
      )
    }).pipe(Effect.scoped)
  )

  it.live("is refused when there is none, when it is too long, and when it is not text", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      assert.include(yield* textOf(cwd, undefined), "refused: There is no question.")
      assert.include(yield* textOf(cwd, "-", { bytes: " \n" }), "refused: There is no question.")
      assert.include(
        yield* textOf(cwd, "x", { file: "missing" }),
        "refused: The file missing cannot be read."
      )
      const long = new Uint8Array(1024 * 1024 + 1).fill(97)
      assert.include(yield* textOf(cwd, "-", { bytes: long }), "refused: Standard input has more than 1 MiB")
      assert.include(yield* textOf(cwd, "-", { bytes: new Uint8Array([0xff, 0xfe]) }), "or is not UTF-8")
      // Half of a character at the end.
      assert.include(yield* textOf(cwd, "-", { bytes: new Uint8Array([97, 0xc3]) }), "or is not UTF-8")
    }).pipe(Effect.scoped)
  )
})
