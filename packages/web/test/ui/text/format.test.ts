import { assert, describe, it } from "@effect/vitest"
import { ago, count, dollars, duration } from "../../../src/ui/text/format.ts"

describe("Figures as people read them", () => {
  it("durations have at most two units", () => {
    assert.deepStrictEqual([0, 400, 12_000, 184_000, 7_500_000, 3 * 86_400_000, -5].map(duration), [
      "0.0 s",
      "0.4 s",
      "12 s",
      "3:04",
      "2 h 05",
      "3 d",
      "0.0 s"
    ])
  })

  it("times past are rounded down", () => {
    assert.deepStrictEqual([0, 59_000, 90_000, 7_200_000, 10 * 86_400_000].map(ago), [
      "now",
      "now",
      "1 min ago",
      "2 h ago",
      "10 d ago"
    ])
  })

  it("a cost that nobody reported is not the same as none", () => {
    assert.deepStrictEqual([undefined, 0, 0.004, 0.5, 12.345, 12_345].map(dollars), [
      "–",
      "$0",
      "$0.004",
      "$0.50",
      "$12.35",
      "$12,345"
    ])
  })

  it("counts are short", () => {
    assert.deepStrictEqual([0, 950, 12_340, 4_000_000].map(count), ["0", "950", "12.3K", "4M"])
  })
})
