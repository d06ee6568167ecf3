import { assert, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { parse } from "../../../src/e2b/internal/retryAfter.ts"

const now = Date.parse("2026-06-01T12:00:00Z")

const cases: ReadonlyArray<readonly [value: string, Duration.Duration | undefined]> = [
  ["0", Duration.zero],
  [" 7 ", Duration.seconds(7)],
  ["Mon, 01 Jun 2026 12:00:09 GMT", Duration.seconds(9)],
  ["Mon, 01 Jun 2026 11:00:00 GMT", Duration.zero],
  ["", undefined],
  ["-1", undefined],
  ["1.5", undefined],
  ["soon", undefined],
  ["99999999999", undefined]
]

it.effect.each(cases)("reads %j", ([value, expected]) =>
  Effect.sync(() => assert.deepStrictEqual(parse(value, now), expected))
)

it.effect.prop("reads any text as a delay that is not negative, or as nothing", [Schema.String], ([text]) =>
  Effect.sync(() => {
    const delay = parse(text, now)
    assert.isTrue(delay === undefined || Duration.isGreaterThanOrEqualTo(delay, Duration.zero))
  })
)
