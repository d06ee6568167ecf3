import { assert, describe, it, vi } from "@effect/vitest"
import { E2bServer } from "@remote-agent/e2b-local"
import { Effect } from "effect"
import { appendFile, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { questions, scene } from "../../support/runScene.ts"

// Real processes: how long they take is up to the machine.
vi.setConfig({ testTimeout: 600_000 })

const documents = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

const provided = Effect.provide(E2bServer.layer({ isolation: "none" }))

describe("run", () => {
  it.live("records, answers and reports a run, and leaves no sandbox", () =>
    Effect.gen(function* () {
      const { call, cwd } = yield* scene
      const queued = yield* call("run", "start", "--file", "questions.txt", "--queue", "--json")
      assert.strictEqual(queued.code, 0, queued.err)
      const { id } = JSON.parse(queued.out)
      const status = JSON.parse((yield* call("run", "status", id, "--json")).out)
      assert.deepStrictEqual([status.status, status.counts.waiting, status.sealed], ["running", 3, true])
      assert.include((yield* call("run", "list")).out, id)

      assert.strictEqual((yield* call("run", "pause", id)).code, 0)
      const resumed = yield* call("run", "resume", id, "--json")
      assert.strictEqual(resumed.code, 5, resumed.err)
      assert.deepStrictEqual(
        documents(resumed.out).map(({ index, outcome, query }) => [index, outcome, query]),
        [
          [0, "ok", questions[0]],
          [1, "ok", questions[1]],
          [2, "error", questions[2]]
        ]
      )
      const after = JSON.parse((yield* call("run", "status", id, "--json")).out)
      assert.deepStrictEqual([after.status, after.counts.ok, after.counts.failed], ["completed", 2, 1])
      assert.strictEqual((yield* call("run", "watch", id, "--json")).code, 0)

      yield* call("run", "results", id, "--output", "all.csv")
      const csv = yield* Effect.promise(() => readFile(join(cwd, "all.csv"), "utf8"))
      assert.lengthOf(csv.trimEnd().split("\n"), 4)
      // As a writer that was killed leaves it: the last record is cut off.
      yield* Effect.promise(() => writeFile(join(cwd, "all.csv"), csv.slice(0, -20)))
      yield* call("run", "results", id, "--output", "all.csv")
      assert.strictEqual(yield* Effect.promise(() => readFile(join(cwd, "all.csv"), "utf8")), csv)

      const over = yield* call("run", "resume", id)
      assert.include(over.err, "is completed")
      const missing = yield* call("run", "status", `run_${"0".repeat(26)}`)
      assert.deepStrictEqual([missing.code, missing.out], [3, ""])
      assert.strictEqual(yield* (yield* E2bServer.E2bServer).live, 0)
    }).pipe(Effect.scoped, provided)
  )

  it.live("prints the id first and then the results with --wait, and says what is wrong with its flags", () =>
    Effect.gen(function* () {
      const { call, cwd } = yield* scene
      const waited = yield* call("run", "start", questions[0]!, "--wait", "--json", "--size", "1")
      assert.strictEqual(waited.code, 0, waited.err)
      const [first, second] = documents(waited.out)
      assert.deepStrictEqual(Object.keys(first ?? {}), ["id"])
      assert.deepStrictEqual([second?.["index"], second?.["outcome"]], [0, "ok"])
      assert.strictEqual((yield* call("run", "start")).code, 2)
      assert.include(
        (yield* call("run", "start", "--file", "none.txt", "--queue")).err,
        "none.txt cannot be read"
      )
      assert.include(
        (yield* call("run", "start", "a", "--retry", "often", "--queue")).err,
        '"often" is not an outcome'
      )
      yield* Effect.promise(() => appendFile(join(cwd, "other.csv"), "no results\n"))
      const { id } = JSON.parse((yield* call("run", "start", "a", "--queue", "--json")).out)
      const cancelled = JSON.parse((yield* call("run", "cancel", id, "--json")).out)
      assert.strictEqual(cancelled.status, "cancelled")
      assert.strictEqual(yield* (yield* E2bServer.E2bServer).live, 0)
    }).pipe(Effect.scoped, provided)
  )
})
