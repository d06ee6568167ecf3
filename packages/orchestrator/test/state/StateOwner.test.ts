import { assert, describe, it } from "@effect/vitest"
import { StateOwner, SqlStateStore } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "remote-agent-owner-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const ownerOf = (path: string) =>
  Effect.provide(StateOwner.StateOwner, SqlStateStore.layerSqlite({ path }), { local: true })

describe("Owner", () => {
  it.live("is made with a store, by one of all that open it at once, and never changes", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "state.sqlite")
      const all = yield* Effect.forEach(Array.from({ length: 10 }), () => ownerOf(path), {
        concurrency: "unbounded"
      })
      assert.lengthOf([...new Set(all)], 1)
      assert.strictEqual(yield* ownerOf(path), all[0])
      assert.match(all[0] ?? "", /^[\w.-]{1,64}$/)
    })
  )

  it.live("is another one for each store", () =>
    Effect.gen(function* () {
      const here = yield* folder
      const [one, other] = [yield* ownerOf(join(here, "a.sqlite")), yield* ownerOf(join(here, "b.sqlite"))]
      assert.notStrictEqual(one, other)
    })
  )
})
