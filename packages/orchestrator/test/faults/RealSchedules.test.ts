import { nameOf, seeds } from "#test/tier"
import { assert, it, vi } from "@effect/vitest"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { Profiles } from "@remote-agent/orchestrator"
import { Clock, Effect, Random } from "effect"
import { layerLogged } from "../support/support.ts"
import * as Driver from "./Driver.ts"
import { profiles } from "./programs.ts"
import * as RealWorld from "./RealWorld.ts"
import * as WarpClock from "./WarpClock.ts"
import { owner } from "./World.ts"

const schedules = seeds({ some: 4, all: 40 })

vi.setConfig({ testTimeout: 60_000 + schedules.length * 20_000 })

const one = Effect.fnUntraced(function* (seed: number) {
  const clock = WarpClock.make()
  const schedule = Effect.gen(function* () {
    const world = yield* RealWorld.make({ seed, often: 0.12, clock })
    const { told, wrongs } = yield* Driver.run(world, { steps: 10, covers: true })
    assert.deepStrictEqual(wrongs, Driver.nothing, `seed ${seed}: ${told}\n${world.told()}`)
  })
  yield* schedule.pipe(
    Effect.scoped,
    Effect.provide(E2bServer.layer({ isolation: "none" })),
    Effect.provide([
      Profiles.layerFrom(profiles),
      RemoteAgentConfig.layerFrom({
        REMOTE_AGENT_OWNER: owner,
        REMOTE_AGENT_PROFILE: "quick",
        E2B_AUTO_PAUSE: String(seed % 2 === 0)
      })
    ]),
    Random.withSeed(seed),
    Effect.provideService(Clock.Clock, clock),
    Effect.ensuring(Effect.sync(clock.stop))
  )
})

it.live(
  `leaves nothing and destroys nothing, with faults on every way to a real server, in the schedules ${nameOf(schedules)}`,
  () =>
    // Most of the time of one is spent on waiting for its processes.
    Effect.forEach(schedules, one, { concurrency: 4, discard: true }).pipe(Effect.provide(layerLogged))
)
