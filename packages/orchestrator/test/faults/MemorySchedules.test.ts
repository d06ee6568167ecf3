import { describeOnce } from "#test/once"
import { nameOf, seeds } from "#test/tier"
import { assert, it, vi } from "@effect/vitest"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { Profiles } from "@remote-agent/orchestrator"
import { MemorySandboxes } from "@remote-agent/sandbox"
import { Effect, Layer, Random } from "effect"
import { layerLogged } from "../support/support.ts"
import * as Driver from "./Driver.ts"
import * as MemoryWorld from "./MemoryWorld.ts"
import { owner } from "./World.ts"

const schedules = seeds({ some: 30, all: 300 })

vi.setConfig({ testTimeout: 60_000 + schedules.length * 5_000 })

const layerOf = (seed: number) =>
  Layer.mergeAll(
    MemorySandboxes.layer({ run: MemoryWorld.run }),
    Profiles.layerFrom(MemoryWorld.profiles),
    RemoteAgentConfig.layerFrom({
      REMOTE_AGENT_OWNER: owner,
      REMOTE_AGENT_PROFILE: "quick",
      E2B_AUTO_PAUSE: String(seed % 2 === 0)
    })
  )

const schedule = (seed: number, options: Partial<Driver.Options> = {}) =>
  Effect.gen(function* () {
    const world = yield* MemoryWorld.make
    const { told, wrongs } = yield* Driver.run(world, { steps: 25, covers: true, ...options })
    return { wrongs, told: `seed ${seed}: ${told}\n${world.told()}` }
  }).pipe(Effect.provide(layerOf(seed)), Random.withSeed(seed))

it.effect(
  `leaves nothing and destroys nothing, whatever becomes of creates and calls, in the schedules ${nameOf(schedules)}`,
  () =>
    Effect.gen(function* () {
      for (const seed of schedules) {
        const { told, wrongs } = yield* schedule(seed)
        assert.deepStrictEqual(wrongs, Driver.nothing, told)
      }
    }).pipe(Effect.provide(layerLogged))
)

describeOnce("where nobody reaps", () => {
  it.effect("what is left is seen", () =>
    Effect.gen(function* () {
      const seen = yield* Effect.forEach([1, 2, 3, 4, 5], (seed) => schedule(seed, { withoutReaper: true }))
      for (const part of ["unknown", "bereft", "intents"] as const) {
        assert.isTrue(
          seen.some(({ wrongs }) => wrongs[part].length > 0),
          part
        )
      }
    }).pipe(Effect.provide(layerLogged))
  )
})
