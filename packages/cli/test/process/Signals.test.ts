import { describeOnce } from "#test/once"
import { runsDefault, runsRest } from "#test/tier"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { randomInt } from "node:crypto"
import { family, finish, folder, leftFolders, lines, run, start, survivors } from "../support/support.ts"

const limit = { timeout: 120_000 }

/** The number of lines that the demo prints before it has cleaned up. */
const moments = 40

/** The lines after which the demo is stopped: a fixed one by default, and random ones in the full tests. */
const momentsOf = (fixed: number): ReadonlyArray<number> => [
  ...(runsDefault ? [fixed] : []),
  ...(runsRest ? Array.from({ length: 4 }, () => randomInt(1, moments)) : [])
]

const gone = (processes: Parameters<typeof survivors>[0]) =>
  Effect.promise(() => survivors(processes)).pipe(
    Effect.repeat({
      until: (left) => left.length === 0,
      schedule: Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 500 }))
    })
  )

const stopped = (signal: NodeJS.Signals, moment: number) =>
  Effect.gen(function* () {
    const cwd = yield* folder
    const child = start(cwd, ["demo"])
    const ended = finish(child)
    yield* Effect.promise(() => lines(child, moment))
    const members = yield* Effect.promise(() => family(child.pid ?? 0))
    child.kill(signal)
    const result = yield* Effect.promise(() => ended)
    assert.deepStrictEqual(yield* gone(members), [], "every process of the demo should be gone")
    return { cwd, result }
  })

describe("a demo that is stopped at any moment", () => {
  for (const [signal, fixed] of [
    ["SIGINT", 8],
    ["SIGTERM", 27]
  ] as const) {
    for (const moment of momentsOf(fixed)) {
      it.live(
        `cleans up and leaves nothing (${signal} after line ${moment})`,
        () =>
          Effect.gen(function* () {
            const { cwd, result } = yield* stopped(signal, moment)
            assert.strictEqual(result.code, 130)
            assert.include(result.stderr, "cleaning up")
            assert.deepStrictEqual(yield* Effect.promise(() => leftFolders(cwd)), [])
          }),
        limit
      )
    }
  }

  for (const moment of momentsOf(17)) {
    it.live(
      `leaves no process, and no folder once there was another start (SIGKILL after line ${moment})`,
      () =>
        Effect.gen(function* () {
          const { cwd, result } = yield* stopped("SIGKILL", moment)
          assert.strictEqual(result.signal, "SIGKILL")
          const next = yield* run(cwd, ["ask", "AAPL revenue 2024"])
          assert.strictEqual(next.code, 0, next.stderr)
          assert.deepStrictEqual(yield* Effect.promise(() => leftFolders(cwd)), [])
        }),
      limit
    )
  }
})

describeOnce("a command that is told to end", () => {
  it.live(
    "ends at once at the second signal, says so, and leaves no process",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const child = start(cwd, ["ask", "AAPL revenue 2024", "--isolation", "none"])
        const ended = finish(child)
        yield* Effect.promise(() => new Promise((resolve) => child.stderr?.once("data", resolve)))
        const members = yield* Effect.promise(() => family(child.pid ?? 0))
        child.kill("SIGINT")
        child.kill("SIGTERM")
        const result = yield* Effect.promise(() => ended)
        assert.strictEqual(result.code, 130)
        assert.include(result.stderr, "Stopped without cleaning up.")
        assert.deepStrictEqual(yield* gone(members), [])
      }),
    limit
  )

  it.live(
    "cleans up when its reader leaves",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const child = start(cwd, ["demo"])
        const ended = finish(child)
        yield* Effect.promise(() => lines(child, 5))
        const members = yield* Effect.promise(() => family(child.pid ?? 0))
        child.stdout?.destroy()
        yield* Effect.promise(() => ended)
        assert.deepStrictEqual(yield* gone(members), [])
        assert.deepStrictEqual(yield* Effect.promise(() => leftFolders(cwd)), [])
      }),
    limit
  )
})
