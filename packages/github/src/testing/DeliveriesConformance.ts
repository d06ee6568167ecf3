import type { StateStoreError } from "@remote-agent/domain"
import { Data, Duration, Effect, Result } from "effect"
import { type Claim, Deliveries } from "../webhooks/Deliveries.ts"

/**
 * A store broke a rule of `Deliveries`.
 *
 * @category errors
 * @since 0.1.0
 */
export class Nonconforming extends Data.TaggedError("Nonconforming")<{ readonly message: string }> {}

/**
 * One rule that every store must follow. It uses delivery ids of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case {
  readonly name: string
  readonly run: Effect.Effect<void, Nonconforming | StateStoreError.StateStoreError, Deliveries>
}

const check = (condition: boolean, message: string) =>
  condition ? Effect.void : Effect.fail(new Nonconforming({ message }))

const claimant = { holder: "suite", expiresIn: Duration.minutes(1) }

const claim = Effect.fnUntraced(function* (id: string) {
  return yield* (yield* Deliveries).claim(id, claimant)
})

const expect = Effect.fnUntraced(function* (id: string, tag: Claim["_tag"]) {
  const answer = yield* claim(id)
  yield* check(answer._tag === tag, `a claim on ${id} should be ${tag} but is ${answer._tag}`)
})

const claimed = Effect.fnUntraced(function* (id: string, attempt: number) {
  const answer = yield* claim(id)
  if (answer._tag !== "Claimed") {
    return yield* new Nonconforming({ message: `${id} should be Claimed but is ${answer._tag}` })
  }
  yield* check(answer.attempt === attempt, `the attempt should be ${attempt} but is ${answer.attempt}`)
  return answer.token
})

const refused = Effect.fnUntraced(function* (effect: Effect.Effect<void, StateStoreError.StateStoreError>) {
  const result = yield* Effect.result(effect)
  const outcome = Result.isFailure(result) ? result.failure.reason._tag : "success"
  yield* check(outcome === "ClaimLost", `it should be refused with ClaimLost but is ${outcome}`)
})

/**
 * The rules that every store of `Deliveries` must follow. `elapse` makes time pass for the store: `TestClock.adjust` for
 * a store that uses Effect's clock.
 *
 * @category constructors
 * @since 0.1.0
 */
export const cases = (elapse: (duration: Duration.Duration) => Effect.Effect<void>): ReadonlyArray<Case> => [
  {
    name: "gives a new delivery to the first claim, and tells later ones until when it is busy",
    run: Effect.gen(function* () {
      yield* claimed("first", 1)
      yield* expect("first", "Busy")
      yield* claimed("second", 1)
    })
  },
  {
    name: "gives a delivery to one of a hundred concurrent claims",
    run: Effect.gen(function* () {
      const answers = yield* Effect.forEach(
        Array.from({ length: 100 }, () => "crowd"),
        claim,
        {
          concurrency: 100
        }
      )
      const count = answers.filter(({ _tag }) => _tag === "Claimed").length
      yield* check(count === 1, `one claim should succeed, but ${count} did`)
    })
  },
  {
    name: "never gives out a processed delivery again, even after its claim would have expired",
    run: Effect.gen(function* () {
      const token = yield* claimed("done", 1)
      yield* (yield* Deliveries).complete("done", token)
      yield* expect("done", "Processed")
      yield* elapse(Duration.hours(1))
      yield* expect("done", "Processed")
    })
  },
  {
    name: "gives a failed delivery to the next claim, and counts the attempts",
    run: Effect.gen(function* () {
      const { complete, fail } = yield* Deliveries
      yield* fail("again", yield* claimed("again", 1), "no network")
      const token = yield* claimed("again", 2)
      yield* expect("again", "Busy")
      yield* complete("again", token)
      yield* expect("again", "Processed")
    })
  },
  {
    name: "gives a delivery with an expired claim to the next claim, and refuses the old holder from then on",
    run: Effect.gen(function* () {
      const { complete, extend, fail } = yield* Deliveries
      const late = yield* claimed("crash", 1)
      yield* elapse(Duration.seconds(59))
      yield* expect("crash", "Busy")
      yield* elapse(Duration.seconds(1))
      const token = yield* claimed("crash", 2)
      yield* refused(complete("crash", late))
      yield* refused(fail("crash", late, "too late"))
      yield* refused(extend("crash", late, Duration.minutes(1)))
      yield* expect("crash", "Busy")
      yield* complete("crash", token)
      yield* refused(fail("crash", late, "too late"))
      yield* expect("crash", "Processed")
    })
  },
  {
    name: "lets a late holder finish while no other process has claimed the delivery",
    run: Effect.gen(function* () {
      const token = yield* claimed("late", 1)
      yield* elapse(Duration.minutes(2))
      yield* (yield* Deliveries).complete("late", token)
      yield* expect("late", "Processed")
    })
  },
  {
    name: "keeps a claim alive while its holder extends it",
    run: Effect.gen(function* () {
      const { extend } = yield* Deliveries
      const token = yield* claimed("long", 1)
      for (let count = 0; count < 3; count++) {
        yield* elapse(Duration.seconds(50))
        yield* extend("long", token, Duration.minutes(1))
      }
      yield* expect("long", "Busy")
      yield* elapse(Duration.minutes(1))
      yield* claimed("long", 2)
    })
  },
  {
    name: "accepts the same outcome twice, and no other outcome after the first",
    run: Effect.gen(function* () {
      const { complete, extend, fail } = yield* Deliveries
      const done = yield* claimed("ended", 1)
      yield* complete("ended", done)
      yield* complete("ended", done)
      yield* refused(fail("ended", done, "changed my mind"))
      yield* refused(extend("ended", done, Duration.minutes(1)))
      const failed = yield* claimed("failed", 1)
      yield* fail("failed", failed, "no network")
      yield* fail("failed", failed, "no network")
      yield* refused(complete("failed", failed))
      yield* refused(extend("failed", failed, Duration.minutes(1)))
    })
  },
  {
    name: "refuses the token of another delivery and an unknown token",
    run: Effect.gen(function* () {
      const { complete, fail } = yield* Deliveries
      const token = yield* claimed("mine", 1)
      yield* claimed("yours", 1)
      yield* refused(complete("yours", token))
      yield* refused(fail("unknown", token, "never claimed"))
      yield* expect("yours", "Busy")
      yield* claimed("unknown", 1)
    })
  }
]
