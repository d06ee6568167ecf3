import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { folder, run } from "../../support/support.ts"

const limit = { timeout: 300_000 }

describe("resume, update and replace", () => {
  it.live(
    "do what they say, and say what they cannot do",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const call = (...args: ReadonlyArray<string>) => run(cwd, args, { REMOTE_AGENT_DATA: `${cwd}/data` })
      yield* Effect.addFinalizer(() => call("local", "stop", "--yes"))
      const status = Effect.map(
        call("info", "ada", "--json"),
        ({ stdout }) => JSON.parse(stdout).agent.status
      )

      assert.strictEqual((yield* call("launch", "--name", "ada", "-q")).code, 0)
      assert.strictEqual((yield* call("pause", "ada")).code, 0)
      assert.strictEqual(yield* status, "paused")
      const resumed = yield* call("resume", "ada")
      assert.strictEqual(resumed.code, 0, resumed.stderr)
      assert.strictEqual(yield* status, "active")
      const updated = yield* call("update", "ada")
      assert.strictEqual(updated.code, 0, updated.stderr)
      assert.strictEqual((yield* call("query", "ada", "-q", "Tesla revenue 2024", "--session", "s")).code, 0)
      const unknown = yield* call("update", "nobody")
      assert.deepStrictEqual([unknown.code, unknown.stdout], [3, ""])

      // The server ends, and every sandbox with it: that is confirmed, and only then is the agent lost.
      assert.strictEqual((yield* call("local", "stop", "--yes")).code, 0)
      const lost = yield* call("query", "ada", "Tesla revenue 2024")
      assert.strictEqual(lost.code, 3, lost.stderr)
      assert.strictEqual(yield* status, "lost")
      const replaced = yield* call("query", "ada", "-q", "--replace", "Tesla revenue 2024")
      assert.strictEqual(replaced.code, 0, replaced.stderr)
      assert.include(replaced.stdout, "97,690")
      assert.strictEqual(yield* status, "active")
      assert.strictEqual((yield* call("terminate", "ada")).code, 0)
      const stopped = yield* call("local", "stop")
      assert.strictEqual(stopped.code, 0, stopped.stderr)
    }),
    limit
  )
})
