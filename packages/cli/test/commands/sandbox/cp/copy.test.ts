import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { copy } from "../../../../src/commands/sandbox/cp/copy.ts"
import { here } from "../../../../src/commands/sandbox/cp/side.ts"
import { folder } from "../../../support/support.ts"

describe("a copy", () => {
  it.live("skips a file whose name is not UTF-8, and copies the others", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      yield* Effect.promise(async () => {
        await mkdir(join(cwd, "from", "deep"), { recursive: true })
        await writeFile(
          Buffer.concat([Buffer.from(join(cwd, "from", "deep", "caf")), Buffer.from([0xe9])]),
          "x"
        )
        await writeFile(join(cwd, "from", "deep", "\uFFFD"), "a name of its own")
        await writeFile(join(cwd, "from", "a"), "a")
      })
      const side = yield* here(cwd)
      const copied = yield* copy([side, "from"], [side, "to"], false)
      assert.deepStrictEqual([copied.files, copied.skipped], [2, ["/deep/caf\uFFFD"]])
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(cwd, "to", "deep"))), ["\uFFFD"])
      assert.strictEqual(yield* Effect.promise(() => readFile(join(cwd, "to", "a"), "utf8")), "a")
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
