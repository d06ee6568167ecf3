import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Option } from "effect"
import { secondsOf, sinceOf } from "../../../src/commands/shared/time.ts"
import { run } from "../../support/paper.ts"
import { folder } from "../../support/support.ts"

describe("a time", () => {
  it("is a number of seconds, or days, hours, minutes and seconds in this order", () => {
    const values: Readonly<Record<string, number>> = {
      "90": 90,
      "90s": 90,
      "5m": 300,
      "1h30m": 5400,
      "2d": 172_800,
      "1d1h1m1s": 90_061,
      "0": 0
    }
    for (const [text, seconds] of Object.entries(values)) {
      assert.deepStrictEqual(secondsOf(text), Option.some(seconds), text)
    }
    for (const text of [
      "",
      "soon",
      "m",
      "5x",
      "30m1h",
      "-5",
      "1.5h",
      "1e3",
      " 5",
      "5 m",
      "1h1h",
      "9".repeat(11)
    ]) {
      assert.deepStrictEqual(secondsOf(text), Option.none(), text)
    }
  })

  it("of --since is a day or an age", () => {
    const now = DateTime.makeUnsafe("2026-03-10T12:00:00Z")
    const since = (text: string) => Option.map(sinceOf(text, now), DateTime.formatIso)
    assert.deepStrictEqual(since("2026-02-28"), Option.some("2026-02-28T00:00:00.000Z"))
    assert.deepStrictEqual(since("7d"), Option.some("2026-03-03T12:00:00.000Z"))
    assert.deepStrictEqual(since("1h30m"), Option.some("2026-03-10T10:30:00.000Z"))
    for (const text of ["2026-02-31", "2026", "7", "", "yesterday"]) {
      assert.deepStrictEqual(since(text), Option.none(), text)
    }
  })

  it.live("is refused with an example of how to write it", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      for (const wrong of ["0", "soon", "25h", "90.5"]) {
        const { code, err, out } = yield* run(["ask", "hello", "--timeout", wrong], { cwd })
        assert.deepStrictEqual([code, out], [2, ""])
        assert.include(
          err,
          `--timeout: "${wrong}". Expected: a time such as 90 (seconds), 5m or 1h30m, at most a day`
        )
      }
    }).pipe(Effect.scoped)
  )
})
