import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { JobFrames, type Frame } from "../../src/job/JobFrames.ts"

const beginning = { stdout: 0, stderr: 0 }

const marker = "\nremote-agent-output\n"

/** The text of a reader for the pieces, one block each: plain where it is ASCII, unless `encoded`. */
const framed = (pieces: ReadonlyArray<readonly [letter: "o" | "e", bytes: Buffer, encoded: boolean]>) => {
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
  "returns the bytes that were sent, after any noise and however they were cut",
  [Schema.Array(Piece), Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 })), Schema.String],
  ([pieces, width, noise]) =>
    Effect.sync(() => {
      const sent = pieces.map(
        ({ binary, encoded, letter, text }) =>
          [letter, Buffer.from(text, binary ? "utf16le" : "utf8"), encoded] as const
      )
      const text = noise + marker + framed(sent)
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
  frames.push(marker)
  return texts.flatMap((text) => frames.push(text)).at(-1)
}

it("reads words that contain the letters of a block", () => {
  const words = ["started", "/a:b/c=d"]
  assert.deepStrictEqual(lastOf("started /a:", "b/c=d\n"), { _tag: "Words", words })
})

it("detects a gap, a repetition, a block of another length, and text that was not sent", () => {
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

it("ignores everything before the first line of the reader, however long and however cut", () => {
  const text = `${"x".repeat(10_000)}\no 0 1=a\nlost\nremote-agent${marker}o 0 2=hi\n`
  for (const width of [1, 7, 1000, text.length]) {
    const frames = new JobFrames(beginning)
    const read: Array<Frame> = []
    for (let at = 0; at < text.length; at += width) read.push(...frames.push(text.slice(at, at + width)))
    assert.strictEqual(read[0]?._tag, "Begun")
    assert.strictEqual(bytesOf(read, "Stdout").toString(), "hi")
    assert.isFalse(read.some(({ _tag }) => _tag === "Broken" || _tag === "Words"))
  }
})
