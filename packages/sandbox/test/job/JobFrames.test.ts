import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { JobFrames, type Frame } from "../../src/job/JobFrames.ts"

const beginning = { stdout: 0, stderr: 0 }

/** What a reader says of the pieces, one block each: as it stands where it is ASCII, unless `encoded`. */
const told = (pieces: ReadonlyArray<readonly [letter: "o" | "e", bytes: Buffer, encoded: boolean]>) => {
  const at = { o: 0, e: 0 }
  return pieces
    .map(([letter, bytes, encoded]) => {
      const plain = !encoded && bytes.every((byte) => byte < 128)
      const head = `${letter} ${at[letter]} ${bytes.length}`
      at[letter] += bytes.length
      return plain ? `${head}=${bytes.toString("latin1")}\n` : `${head}:${bytes.toString("base64")}\n`
    })
    .join("beat\n")
}

const bytesOf = (said: ReadonlyArray<Frame>, tag: "Stdout" | "Stderr") =>
  Buffer.concat(said.flatMap((one) => (one._tag === tag ? [one.bytes] : [])))

const Piece = Schema.Struct({
  letter: Schema.Literals(["o", "e"]),
  text: Schema.NonEmptyString,
  binary: Schema.Boolean,
  encoded: Schema.Boolean
})

it.effect.prop(
  "gives the bytes that were sent, however they were sent and cut",
  [Schema.Array(Piece), Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 }))],
  ([pieces, width]) =>
    Effect.sync(() => {
      const sent = pieces.map(
        ({ binary, encoded, letter, text }) =>
          [letter, Buffer.from(text, binary ? "utf16le" : "utf8"), encoded] as const
      )
      const text = told(sent)
      const frames = new JobFrames(beginning)
      const said: Array<Frame> = []
      for (let at = 0; at < text.length; at += width) said.push(...frames.push(text.slice(at, at + width)))
      assert.isFalse(said.some(({ _tag }) => _tag === "Broken"))
      for (const [tag, letter] of [["Stdout", "o"] as const, ["Stderr", "e"] as const]) {
        const all = Buffer.concat(sent.flatMap(([to, bytes]) => (to === letter ? [bytes] : [])))
        assert.isTrue(bytesOf(said, tag).equals(all))
      }
      assert.deepStrictEqual(frames.cursor, {
        stdout: bytesOf(said, "Stdout").length,
        stderr: bytesOf(said, "Stderr").length
      })
    })
)

const lastOf = (...texts: ReadonlyArray<string>) => {
  const frames = new JobFrames(beginning)
  return texts.flatMap((text) => frames.push(text)).at(-1)
}

it("leaves words alone that hold the letters of a block", () => {
  const words = ["started", "/a:b/c=d"]
  assert.deepStrictEqual(lastOf("started /a:", "b/c=d\n"), { _tag: "Words", words })
})

it("sees a gap, a repetition, a block of another length, and text that is not what was sent", () => {
  for (const text of [
    "o 1 1=a\n",
    "o 0 1=a\no 0 1=a\n",
    "o 0 1=ab\n",
    "o 0 1:YWI=\n",
    "o 0 2:YQ==\n",
    "o 0 2=é\n",
    "x".repeat(300)
  ]) {
    assert.strictEqual(lastOf(text)?._tag, "Broken", text)
  }
})
