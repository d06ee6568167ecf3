import { assert, describe, it } from "@effect/vitest"
import { Profile, SandboxError } from "@remote-agent/domain"
import { MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Duration, Effect, Fiber, type Layer, Stream } from "effect"
import { layerReaper, reap, said } from "../support/reaperSupport.ts"
import { exit, nothingLeft, type Options, pass, start, tiny } from "../support/support.ts"
import { byId, type ById } from "../support/byId.ts"

/** Like `tiny`, with a set-up that may take long. */
const slow = new Profile.Profile({
  ...tiny,
  setup: [new Profile.ProfileCommand({ argv: ["prepare"], timeout: Duration.hours(2) })]
})

/** What the programs of the agents do from now on. */
interface Weather {
  prepare: MemorySandboxes.Program
  check: MemorySandboxes.Program
  fault: SandboxError.Reason | undefined
}

const fine: MemorySandboxes.Program = Stream.make(exit(0))
const broken: MemorySandboxes.Program = Stream.make(exit(1))
const long = (time: Duration.Input): MemorySandboxes.Program =>
  Stream.fromEffect(Effect.delay(Effect.succeed(exit(0)), time))

interface Scene {
  readonly orchestrator: ById
  readonly weather: Weather
}

type Given = Layer.Success<ReturnType<typeof layerReaper>>

const scene = <Step extends Effect.Effect<unknown, unknown, Given>>(
  test: (scene: Scene) => Generator<Step, void, never>
) => {
  const weather: Weather = { prepare: fine, check: fine, fault: undefined }
  const options: Options = {
    profiles: [slow],
    prepare: () => weather.prepare,
    check: () => weather.check,
    fault: ({ operation }) => (operation === "create" ? undefined : weather.fault)
  }
  return Effect.gen(function* () {
    const orchestrator = yield* byId
    return yield* Effect.fnUntraced(test)({ orchestrator, weather })
  }).pipe(Effect.provide(layerReaper(options)))
}

/** What the reaper does long after. */
const later = Effect.andThen(pass("30 minutes"), Effect.map(reap(), said))

const states = Effect.flatMap(MemorySandboxes.Ledger, ({ alive }) =>
  Effect.map(alive, (all) => all.map(({ state }) => state))
)

describe("an update that fails and cannot be undone", () => {
  it.effect("leaves the agent to be used, saved and updated again, and the reaper leaves it too", () =>
    scene(function* ({ orchestrator, weather }) {
      const { id } = yield* orchestrator.launch()
      weather.prepare = broken
      weather.check = broken
      const { reason } = yield* Effect.flip(orchestrator.update(id))
      assert(reason._tag === "UpdateFailed")
      assert.isFalse(reason.restored)
      const after = yield* orchestrator.get(id)
      assert.deepStrictEqual(
        [after.status, after.detail],
        ["active", "An update failed and could not be undone."]
      )
      assert.deepStrictEqual(yield* later, ["leave-alone bound left"])
      assert.deepStrictEqual(yield* states, ["running"])
      weather.prepare = fine
      weather.check = fine
      yield* orchestrator.update(id)
      assert.isUndefined((yield* orchestrator.get(id)).detail)
      assert.isTrue((yield* orchestrator.query(id, "why?")).ok)
    })
  )

  it.effect("changes nothing about an agent whose provider cannot be reached", () =>
    scene(function* ({ orchestrator, weather }) {
      const { id } = yield* orchestrator.launch()
      weather.prepare = Stream.fromEffect(
        Effect.sync(() => {
          weather.fault = new SandboxError.Unreachable({ sent: false })
          return exit(1)
        })
      )
      const updating = yield* start(Effect.flip(orchestrator.update(id)))
      yield* pass("10 minutes")
      assert.strictEqual((yield* Fiber.join(updating)).reason._tag, "UpdateFailed")
      assert.strictEqual((yield* orchestrator.get(id)).status, "active")
      weather.fault = undefined
      assert.deepStrictEqual(yield* later, ["leave-alone bound left"])
      assert.isTrue((yield* orchestrator.query(id, "why?")).ok)
      assert.deepStrictEqual(yield* states, ["running"])
    })
  )

  it.effect("has lost an agent whose sandbox went away under it", () =>
    scene(function* ({ orchestrator, weather }) {
      const { binding, id } = yield* orchestrator.launch()
      assert(binding !== undefined)
      const { terminate } = yield* Sandboxes.Sandboxes
      weather.prepare = Stream.fromEffect(Effect.as(Effect.orDie(terminate(binding.sandboxId)), exit(1)))
      const { reason } = yield* Effect.flip(orchestrator.update(id))
      assert.strictEqual(reason._tag, "AgentLost")
      assert.strictEqual((yield* orchestrator.get(id)).status, "lost")
    })
  )
})

describe("work that takes longer than the life of a sandbox", () => {
  for (const persistent of [false, true]) {
    it.effect(`is done by a launch, an update and work alone, persistent: ${persistent}`, () =>
      scene(function* ({ orchestrator, weather }) {
        weather.prepare = long("20 minutes")
        const launching = yield* start(orchestrator.launch({ ttl: "5 minutes", persistent }))
        yield* pass("21 minutes")
        const { id } = yield* Fiber.join(launching)
        const updating = yield* start(orchestrator.update(id))
        yield* pass("21 minutes")
        yield* Fiber.join(updating)
        const working = yield* start(
          orchestrator.withExclusiveAccess("save", id, ({ sandbox }) =>
            Effect.delay(sandbox.files.stat("."), "20 minutes")
          )
        )
        yield* pass("21 minutes")
        assert.strictEqual((yield* Fiber.join(working)).type, "directory")
        assert.deepStrictEqual(yield* states, ["running"])
        yield* pass("10 minutes")
        assert.deepStrictEqual(yield* states, persistent ? ["paused"] : [], "nobody uses it any more")
        assert.strictEqual((yield* nothingLeft).commands, 0)
      })
    )
  }

  it.effect("wakes a sandbox that fell asleep at the end of its life, before it works there", () =>
    scene(function* ({ orchestrator }) {
      const { id } = yield* orchestrator.launch({ ttl: "5 minutes", persistent: true })
      for (const work of [
        Effect.asVoid(orchestrator.update(id)),
        Effect.asVoid(orchestrator.withExclusiveAccess("look", id, ({ sandbox }) => sandbox.files.stat("."))),
        Effect.asVoid(orchestrator.query(id, "why?"))
      ]) {
        yield* pass("10 minutes")
        assert.deepStrictEqual(yield* states, ["paused"])
        yield* work
        assert.deepStrictEqual(yield* states, ["running"])
      }
    })
  )
})
