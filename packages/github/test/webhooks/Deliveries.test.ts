import { assert, describe, it } from "@effect/vitest"
import { Deliveries } from "@remote-agent/github"
import { DeliveriesConformance } from "@remote-agent/github/testing"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"

const claimant = { holder: "test", expiresIn: Duration.minutes(1) }

describe("Deliveries in memory", () => {
  for (const one of DeliveriesConformance.cases(TestClock.adjust)) {
    it.effect(one.name, () => Effect.provide(one.run, Deliveries.layerMemory()))
  }

  it.effect("forgets what was handled long ago and nothing else", () =>
    Effect.gen(function* () {
      const { claim, complete, extend } = yield* Deliveries.Deliveries
      const take = Effect.fnUntraced(function* (id: string) {
        const answer = yield* claim(id, claimant)
        assert(answer._tag === "Claimed")
        return answer
      })
      const held = yield* take("held")
      yield* complete("old", (yield* take("old")).token)
      yield* extend("held", held.token, Duration.hours(5))
      yield* TestClock.adjust("1 hour")
      yield* complete("new", (yield* take("new")).token)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* claim("old", claimant))._tag, "Claimed")
      assert.strictEqual((yield* claim("new", claimant))._tag, "Processed")
      assert.strictEqual((yield* claim("held", claimant))._tag, "Busy")
    }).pipe(Effect.provide(Deliveries.layerMemory({ retention: "2 hours" })))
  )
})
