import { assert, describe, it, vi } from "@effect/vitest"
import { E2bServer } from "@remote-agent/e2b-local"
import { Effect } from "effect"
import { scene } from "../../support/runScene.ts"

// Real processes: how long they take is up to the machine.
vi.setConfig({ testTimeout: 600_000 })

describe("schedule", () => {
  it.live("creates, lists, runs, pauses and deletes a schedule", () =>
    Effect.gen(function* () {
      const { call } = yield* scene
      const made = yield* call(
        "schedule",
        "create",
        "0 7 * * 1-5",
        "--zone",
        "America/New_York",
        "--file",
        "questions.txt",
        "--name",
        "morning",
        "--json"
      )
      assert.strictEqual(made.code, 0, made.err)
      const { id, next, questions, status } = JSON.parse(made.out)
      assert.deepStrictEqual([status, questions, next.length], ["active", 3, 3])
      for (const time of next) assert.match(time, /T07:00:00\.000-0[45]:00$/)

      const started = JSON.parse((yield* call("schedule", "run", id, "--json")).out)
      assert.deepStrictEqual([started.schedule.id, started.name], [id, "morning"])
      const run = JSON.parse((yield* call("run", "status", started.id, "--json")).out)
      assert.deepStrictEqual([run.counts.total, run.sealed], [3, true])
      const [past] = (yield* call("schedule", "history", id, "--json")).out.trimEnd().split("\n")
      assert.deepInclude(JSON.parse(past ?? ""), { outcome: "manual", run: started.id, total: 3 })
      assert.strictEqual((yield* call("schedule", "watch", "--once")).code, 0)

      assert.strictEqual(JSON.parse((yield* call("schedule", "pause", id, "--json")).out).status, "paused")
      assert.include((yield* call("schedule", "list")).out, "paused")
      assert.strictEqual(JSON.parse((yield* call("schedule", "resume", id, "--json")).out).status, "active")
      assert.strictEqual((yield* call("schedule", "delete", id)).code, 0)
      assert.strictEqual((yield* call("schedule", "delete", id)).code, 3)

      const wrong = yield* call("schedule", "create", "every day", "why?")
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.err, "is not a schedule")
    }).pipe(Effect.scoped, Effect.provide(E2bServer.layer({ isolation: "none" })))
  )
})
