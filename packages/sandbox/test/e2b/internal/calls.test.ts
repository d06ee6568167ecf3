import { assert, describe, it } from "@effect/vitest"
import { Id, SandboxError } from "@remote-agent/domain"
import { Clock, Duration, Effect, Fiber, Random, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { type Connection, E2bCalls } from "../../../src/e2b/internal/calls.ts"

type Failing = (count: number) => SandboxError.SandboxError

const calls = Effect.map(
  Effect.promise(() => import("e2b")),
  (sdk) =>
    (options: Partial<Connection> = {}) =>
      new E2bCalls(sdk, { apiKey: Redacted.make("e2b_fake_key"), ...options })
)

/** The times in milliseconds at which a caller with its own seed tries a call that always fails. */
const triesOf = Effect.fnUntraced(function* (
  failing: Failing,
  options: {
    readonly seed?: string
    readonly takes?: Duration.Input
    readonly retryWindow?: Duration.Input
  } = {}
) {
  const { retryWindow, seed = "one", takes = 0 } = options
  const began = yield* Clock.currentTimeMillis
  const at: Array<number> = []
  const effect = Effect.gen(function* () {
    at.push((yield* Clock.currentTimeMillis) - began)
    yield* Effect.sleep(takes)
    return yield* failing(at.length)
  })
  const trying = yield* Effect.forkChild(
    Effect.flip((yield* calls)({ retryWindow }).retrying(effect)).pipe(Random.withSeed(seed))
  )
  yield* TestClock.adjust("1 hour")
  const { reason } = yield* Fiber.join(trying)
  return { at, gaps: at.slice(1).map((time, index) => time - (at[index] ?? 0)), reason: reason._tag }
})

const busy: Failing = () => SandboxError.fail("info", new SandboxError.Busy({}))

const limited =
  (...seconds: ReadonlyArray<number>): Failing =>
  (count) => {
    const retryAfter = seconds[count - 1]
    return SandboxError.fail(
      "info",
      retryAfter === undefined
        ? new SandboxError.Busy({})
        : new SandboxError.RateLimited({ retryAfter: Duration.seconds(retryAfter) })
    )
  }

describe("the default retries", () => {
  it.effect("are five, with growing delays", () =>
    Effect.gen(function* () {
      const { at, gaps, reason } = yield* triesOf(busy)
      assert.strictEqual(reason, "Busy")
      assert.lengthOf(at, 6)
      assert.strictEqual(at[0], 0)
      for (const [index, gap] of gaps.entries()) {
        const expected = 200 * 2 ** index
        assert.isAtLeast(gap, Math.floor(expected * 0.8), `gap ${index}`)
        assert.isAtMost(gap, Math.ceil(expected * 1.2), `gap ${index}`)
      }
      assert.isAtMost(at.at(-1) ?? Infinity, 30_000)
    })
  )

  it.effect("are not synchronous with those of another caller", () =>
    Effect.gen(function* () {
      const all = yield* Effect.forEach(["a", "b", "c", "d"], (seed) => triesOf(busy, { seed }))
      for (const index of [0, 1, 2, 3, 4]) {
        assert.strictEqual(new Set(all.map(({ gaps }) => gaps[index])).size, all.length, `gap ${index}`)
      }
    })
  )

  it.effect("end half a minute after the first failure, for any duration of a try", () =>
    Effect.gen(function* () {
      const takes = Duration.seconds(12)
      const { at } = yield* triesOf(busy, { takes })
      assert.lengthOf(at, 4)
      assert.isAtMost(at.at(-1) ?? Infinity, Duration.toMillis(takes) + 30_000)
    })
  )

  it.effect("start no sooner than the provider asked", () =>
    Effect.gen(function* () {
      const { at } = yield* triesOf(limited(10, 7))
      assert.isAtLeast(at[1] ?? 0, 10_000)
      assert.isAtLeast((at[2] ?? 0) - (at[1] ?? 0), 7000)
      // The request to wait holds only for the next try.
      assert.isBelow((at[3] ?? Infinity) - (at[2] ?? 0), 1000)
    })
  )

  it.effect("wait at most half a minute for the provider", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* triesOf(limited(30))).at.slice(0, 2), [0, 30_000])
      assert.deepStrictEqual(yield* triesOf(limited(31)), { at: [0], gaps: [], reason: "RateLimited" })
      assert.lengthOf((yield* triesOf(limited(20, 20))).at, 2)
      assert.deepStrictEqual((yield* triesOf(limited(7), { retryWindow: "6 seconds" })).at, [0])
    })
  )
})

const asked: ReadonlyArray<readonly [SandboxError.Operation, SandboxError.Reason, tries: number]> = [
  ["create", new SandboxError.Busy({}), 6],
  ["create", new SandboxError.QuotaExceeded({}), 6],
  ["create", new SandboxError.Unreachable({ sent: false }), 6],
  ["create", new SandboxError.Unreachable({ sent: true }), 1],
  ["create", new SandboxError.RequestTimedOut({ after: Duration.seconds(1) }), 1],
  ["create", new SandboxError.ProviderFailed({ status: 504 }), 1],
  ["create", new SandboxError.Ambiguous({ attemptId: Id.AttemptId.make(`att_${"0".repeat(26)}`) }), 1],
  ["spawn", new SandboxError.Unreachable({ sent: true }), 1],
  ["pause", new SandboxError.ProviderFailed({ status: 500 }), 1],
  ["rename", new SandboxError.RequestTimedOut({ after: Duration.seconds(1) }), 1],
  ["snapshot", new SandboxError.Unreachable({ sent: true }), 1],
  ["info", new SandboxError.Unreachable({ sent: true }), 6],
  ["terminate", new SandboxError.RequestTimedOut({ after: Duration.seconds(1) }), 6],
  ["info", new SandboxError.Unauthorized({}), 1],
  ["info", new SandboxError.Gone({}), 1],
  ["read", new SandboxError.FileNotFound({ path: "x" }), 1]
]

for (const [operation, reason, tries] of asked) {
  const sent = reason._tag === "Unreachable" ? (reason.sent ? ", sent" : ", not sent") : ""
  it.effect(`${operation} that is ${reason._tag}${sent} is tried ${tries} times`, () =>
    Effect.gen(function* () {
      assert.lengthOf((yield* triesOf(() => SandboxError.fail(operation, reason))).at, tries)
    })
  )
}
