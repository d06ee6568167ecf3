import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { encoded, makeDecoder } from "../../../src/commands/sandbox/binaryOutput.ts"

const everyByte = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 256))

/** Decodes text that arrives in pieces of so many characters. */
const decoded = (text: string, size: number) => {
  const decode = makeDecoder()
  const parts: Array<Uint8Array> = []
  for (let at = 0; at < text.length; at += size) parts.push(decode(text.slice(at, at + size)))
  return Buffer.concat(parts)
}

describe("the output of exec", () => {
  it("carries every byte through text, in whatever pieces it arrives", () => {
    const [program, ...args] = encoded(["sh", "-c", "cat; echo no >&2; exit 7"])
    const { status, stderr, stdout } = spawnSync(program, args, { input: everyByte })
    assert.deepStrictEqual([status, stderr.toString()], [7, "no\n"])
    for (const size of [1, 7, 50_000, 1_000_000]) {
      assert.isTrue(decoded(stdout.toString(), size).equals(everyByte), `${size}`)
    }
  })

  it("is as it is where the sandbox cannot encode it", () => {
    const [program, ...args] = encoded(["/bin/echo", "base6"])
    const { stdout } = spawnSync(program, args, { env: { PATH: "/nowhere" }, shell: false })
    assert.strictEqual(decoded(stdout?.toString() ?? "", 2).toString(), "")
    assert.strictEqual(decoded("plain\ntext", 3).toString(), "plain\ntext")
    assert.strictEqual(decoded("base6\n", 1).toString(), "base6\n")
  })
})
