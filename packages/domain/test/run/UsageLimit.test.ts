import { assert, describe, it } from "@effect/vitest"
import { UsageLimit } from "@remote-agent/domain"
import { DateTime, Effect, Option, Schema } from "effect"

const now = DateTime.makeUnsafe("2026-03-02T12:00:00Z")

const reset = (message: string) =>
  Option.getOrUndefined(Option.map(UsageLimit.resetOf(message, now), DateTime.formatIso))

const Whole = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500_000 }))

const forms: ReadonlyArray<(seconds: number) => string> = [
  (seconds) => `Rate limit exceeded. Please try again in ${seconds}s.`,
  (seconds) => `HTTP 429: retry-after: ${seconds}`,
  (seconds) => `429 Too Many Requests; try again in ${Math.floor(seconds / 60)}m${seconds % 60}s`,
  (seconds) =>
    `You've hit your usage limit. Try again in ${Math.floor(seconds / 3600)} hours ${Math.floor((seconds % 3600) / 60)} minutes ${seconds % 60} seconds.`,
  (seconds) => `Claude AI usage limit reached|${DateTime.toEpochMillis(now) / 1000 + seconds}`,
  (seconds) => `status 429, resets at ${DateTime.formatIso(DateTime.add(now, { seconds }))}`
]

describe("UsageLimit.resetOf", () => {
  it("reads times of the day, with and without a zone", () => {
    assert.strictEqual(
      reset("usage limit reached, resets at 3pm (America/New_York)"),
      "2026-03-02T20:00:00.000Z"
    )
    assert.strictEqual(reset("5-hour limit reached ∙ resets 3:30am"), "2026-03-03T03:30:00.000Z")
    assert.strictEqual(
      reset("You've hit your usage limit. Try again at 11:05 PM."),
      "2026-03-02T23:05:00.000Z"
    )
  })

  it("waits a minute when the message names no time", () => {
    assert.strictEqual(
      reset("Error code: 429 - {'error': {'message': 'slow down'}}"),
      "2026-03-02T12:01:00.000Z"
    )
    assert.strictEqual(reset("RESOURCE_EXHAUSTED"), "2026-03-02T12:01:00.000Z")
  })

  it("takes no other message for a limit", () => {
    for (const message of [
      "",
      "The revenue was 429 million",
      "line 429: syntax error, try again in 5 minutes",
      "429 insufficient_quota: check your billing details",
      "the rate limit of the speed was discussed",
      "crashed"
    ]) {
      assert.isUndefined(reset(message), message)
    }
  })

  it.effect.prop("reads back every time that messages give", { seconds: Whole }, ({ seconds }) =>
    Effect.sync(() => {
      const expected = DateTime.formatIso(DateTime.add(now, { seconds }))
      for (const form of forms) assert.strictEqual(reset(form(seconds)), expected, form(seconds))
    })
  )

  it.effect.prop(
    "stays between now and seven days from now, for any text",
    { text: Schema.String },
    ({ text }) =>
      Effect.sync(() => {
        for (const message of [
          text,
          `429 too many requests ${text}`,
          `usage limit reached, resets ${text}`
        ]) {
          const found = UsageLimit.resetOf(message, now)
          if (Option.isNone(found)) continue
          const left = DateTime.toEpochMillis(found.value) - DateTime.toEpochMillis(now)
          assert.isAtLeast(left, 0)
          assert.isAtMost(left, 7 * 86_400_000)
        }
      })
  )
})
