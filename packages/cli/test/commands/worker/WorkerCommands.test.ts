import { assert, describe, it, vi } from "@effect/vitest"
import { E2bServer } from "@remote-agent/e2b-local"
import { Effect, Fiber } from "effect"
import { scene } from "../../support/runScene.ts"

// Real processes: how long they take is up to the machine.
vi.setConfig({ testTimeout: 600_000 })

describe("worker", () => {
  it.live("answers the questions of runs until it is drained, and leaves no sandbox", () =>
    Effect.gen(function* () {
      const { call } = yield* scene
      const { id } = JSON.parse(
        (yield* call("run", "start", "--file", "questions.txt", "--queue", "--json")).out
      )
      const worker = yield* Effect.forkChild(call("worker", "--name", "one", "--health-file", "healthy"))
      const watched = yield* call("run", "watch", id, "--json")
      const last = JSON.parse(watched.out.trimEnd().split("\n").at(-1) ?? "")
      assert.deepStrictEqual([last.status, last.counts.ok, last.counts.failed], ["completed", 2, 1])
      const [listed] = (yield* call("worker", "list", "--json")).out.trimEnd().split("\n")
      assert.deepInclude(JSON.parse(listed ?? ""), { name: "one", slots: 10, status: "working" })
      const { live } = yield* E2bServer.E2bServer
      while ((yield* live) > 0) yield* Effect.sleep("50 millis")

      const drained = yield* call("worker", "drain", "one", "--wait", "--json")
      assert.deepStrictEqual(JSON.parse(drained.out), { name: "one", drained: true })
      assert.strictEqual((yield* Fiber.join(worker)).code, 0)
      assert.strictEqual((yield* call("worker", "drain", "one")).code, 3)
    }).pipe(Effect.scoped, Effect.provide(E2bServer.layer({ isolation: "none" })))
  )
})
