import { assert, describe, it } from "@effect/vitest"
import { encode, fieldsOf, FrameReader } from "../../src/guest/frames.ts"

const words = (frames: ReadonlyArray<ReadonlyArray<Buffer>>) =>
  frames.map((fields) => fields.map((field) => field.toString()))

describe("FrameReader", () => {
  it("returns the same frames, however their bytes are cut", () => {
    const frames = [["1", "run", "", "é\0\n"], [], ["", "x".repeat(1000)]]
    const bytes = Buffer.concat(frames.map(encode))
    for (const size of [1, 3, 7, 100, bytes.length]) {
      const reader = new FrameReader()
      const found: Array<ReadonlyArray<string>> = []
      for (let at = 0; at < bytes.length; at += size) {
        found.push(...words(reader.push(bytes.subarray(at, at + size))))
      }
      assert.deepStrictEqual(found, frames)
    }
  })

  it("leaves out a field that is cut off", () => {
    const body = encode(["whole", "cut off"]).subarray(4)
    assert.deepStrictEqual(words([fieldsOf(body.subarray(0, -1))]), [["whole"]])
  })
})
