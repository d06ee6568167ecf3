import { assert, describe, it } from "@effect/vitest"
import { stopsWhen } from "../../../src/commands/local/status.ts"

const at = (idleSeconds: number | null, running: number, paused: number) =>
  stopsWhen({ idleSeconds, sandboxes: { running, paused } })

describe("when the local server stops by itself", () => {
  it("is when it is idle, and never while it has a sandbox, also a paused one", () => {
    assert.strictEqual(at(null, 0, 0), "on request")
    assert.strictEqual(at(600, 0, 0), "when idle for 10m")
    assert.strictEqual(at(600, 0, 1), "when idle for 10m, and not before its sandbox is deleted")
    assert.strictEqual(at(600, 2, 1), "when idle for 10m, and not before its 3 sandboxes are deleted")
  })
})
