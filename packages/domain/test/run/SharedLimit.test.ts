import { assert, describe, it } from "@effect/vitest"
import { SharedLimit } from "@remote-agent/domain"

const use = (startedAt: number, endedAt?: number, tokens = 0): SharedLimit.Use => ({
  startedAt,
  until: startedAt + 600_000,
  endedAt,
  tokens
})

const limit = (fields: Partial<SharedLimit.Limit>) => new SharedLimit.Limit(fields)

describe("SharedLimit.startsAt", () => {
  it("lets so many queries run at the same time, and does not count those whose process is long dead", () => {
    const one = limit({ concurrent: 1 })
    assert.strictEqual(SharedLimit.startsAt(one, [], 0, 1000), 0)
    assert.strictEqual(SharedLimit.startsAt(one, [use(500)], 0, 1000), 2000)
    assert.strictEqual(SharedLimit.startsAt(one, [use(500, 900)], 0, 1000), 0)
    assert.strictEqual(SharedLimit.startsAt(one, [use(500)], 0, 700_000), 0)
  })

  it("lets so many queries start within a minute", () => {
    const two = limit({ requests: 2 })
    assert.strictEqual(SharedLimit.startsAt(two, [use(0, 1), use(10_000, 10_001)], 0, 30_000), 60_000)
    assert.strictEqual(SharedLimit.startsAt(two, [use(0, 1), use(10_000, 10_001)], 0, 60_000), 0)
  })

  it("waits until the tokens of a minute are below the limit", () => {
    const tokens = limit({ tokens: 100 })
    const uses = [use(0, 5000, 60), use(0, 20_000, 50), use(0, 30_000, 40)]
    assert.strictEqual(SharedLimit.startsAt(tokens, uses, 0, 40_000), 65_000)
    assert.strictEqual(SharedLimit.startsAt(tokens, uses, 0, 65_000), 0)
  })

  it("starts nothing before the reset of a limit that an agent has met", () => {
    assert.strictEqual(SharedLimit.startsAt(limit({}), [], 5000, 1000), 5000)
  })
})
