/** Cases for snapshots. */
import { Effect } from "effect"
import { Sandboxes } from "../../Sandboxes.ts"
import { box, type Case, define, reasonOf, same, ttl } from "./case.ts"

/** Cases for snapshots. */
export const cases: ReadonlyArray<Case> = [
  define("makes sandboxes from a snapshot that no sandbox changes afterwards", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const source = yield* box()
      yield* source.files.write("deep/er/kept", "before")
      const { template } = yield* Effect.acquireRelease(sandboxes.snapshot(source.id), (snapshot) =>
        Effect.orDie(sandboxes.removeSnapshot(snapshot.template))
      )
      yield* source.files.write("deep/er/kept", "after")
      yield* same((yield* source.exec({ argv: ["true"] })).exitCode, 0, "the exit code")
      const first = yield* sandboxes.create({ ttl, template })
      yield* same(yield* first.files.readString("deep/er/kept"), "before", "the file")
      yield* first.files.write("deep/er/kept", "changed")
      yield* sandboxes.terminate(source.id)
      const second = yield* sandboxes.create({ ttl, template })
      yield* same(yield* second.files.readString("deep/er/kept"), "before", "the file")
      yield* second.files.write("deep/er/more", "x")
      yield* same((yield* first.files.list("deep/er")).length, 1, "the number of files")
      yield* sandboxes.removeSnapshot(template)
      yield* sandboxes.removeSnapshot(template)
      yield* same(yield* reasonOf(sandboxes.create({ ttl, template })), "InvalidRequest", "the reason")
      yield* same(yield* second.files.readString("deep/er/kept"), "before", "the file")
      yield* same(yield* reasonOf(sandboxes.snapshot(source.id)), "Gone", "the reason")
    })
  )
]
