import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { readFile, rm, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { finish } from "./support.ts"

const readme = new URL("../../../README.md", import.meta.url)
const script = fileURLToPath(new URL(`./.readme-${process.pid}.ts`, import.meta.url))

describe("the README", () => {
  it.live(
    "has a library example that runs",
    () =>
      Effect.gen(function* () {
        const text = yield* Effect.promise(() => readFile(readme, "utf8"))
        const [, example = ""] = /```ts\n([\s\S]*?)```/.exec(text) ?? []
        assert.isAtMost(example.trimEnd().split("\n").length, 25)
        yield* Effect.acquireRelease(
          Effect.promise(() => writeFile(script, example)),
          () => Effect.promise(() => rm(script, { force: true }))
        )
        const ran = yield* Effect.promise(() =>
          finish(spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "pipe"] }))
        )
        assert.strictEqual(ran.code, 0, ran.stderr)
        const lines = ran.stdout.trimEnd().split("\n")
        assert.match(lines[0] ?? "", /^Tesla revenue 2024 -> .*97,690/)
        assert.match(lines.at(-1) ?? "", /^What is love\? -> .*cannot answer/)
      }),
    { timeout: 60_000 }
  )
})
