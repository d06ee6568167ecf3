import { assert, it } from "@effect/vitest"
import { Lifecycle } from "@remote-agent/domain"
import { Sandboxes } from "@remote-agent/sandbox"
import { Effect, Exit, type Fiber, Random } from "effect"
import {
  agents,
  alive,
  layerReaper,
  makeProcess,
  open,
  type Process,
  reap,
  stamped
} from "./reaperSupport.ts"
import { layerLogged, pass, unreachable } from "./support.ts"

// To replay one schedule, set `first` to the seed that a failure names and `count` to 1.
const [first, count] = [1, 300]

interface Running {
  readonly process: Process
  readonly fiber: Fiber.Fiber<Exit.Exit<unknown, unknown>>
}

/** What is wrong with the world: nothing, if the promise holds. */
const wrongs = Effect.gen(function* () {
  const held = yield* alive
  const known = yield* agents
  const bound = new Set(
    known.flatMap(({ binding, status }) =>
      binding !== undefined && Lifecycle.mayHoldSandbox(status) ? [binding.sandboxId] : []
    )
  )
  return {
    unknown: held.filter((id) => !bound.has(id)),
    lost: known
      .filter(({ status }) => status === "active" || status === "paused")
      .filter(({ binding }) => binding === undefined || !held.includes(binding.sandboxId))
      .map(({ id }) => id),
    intents: yield* open
  }
})

const oneOf = <A>(all: ReadonlyArray<A>) =>
  Effect.map(Random.nextIntBetween(0, Math.max(0, all.length - 1)), (index) => all[index])

/** A few dozen steps of several processes, some of which die, while reapers run. */
const schedule = Effect.fnUntraced(function* (weather: { stormy: boolean }) {
  const sandboxes = yield* Sandboxes.Sandboxes
  const dead = new Set<Process>()
  const processes = [yield* makeProcess, yield* makeProcess]
  const launches: Array<Running> = []
  const theirs = [(yield* stamped("other")).id, (yield* stamped(undefined)).id]
  const told: Array<string> = []

  const launch = Effect.gen(function* () {
    const process = yield* oneOf(processes)
    if (process === undefined) return
    const ttl = `${yield* Random.nextIntBetween(20, 180)} minutes` as const
    const fiber = yield* Effect.forkDetach(Effect.exit(process.orchestrator.launch({ ttl })))
    launches.push({ process, fiber })
  })
  const crash = Effect.gen(function* () {
    const process = yield* oneOf(processes)
    if (process === undefined) return
    yield* process.die
    dead.add(process)
    processes.splice(processes.indexOf(process), 1, yield* makeProcess)
  })
  const active = Effect.map(agents, (all) => all.filter(({ status }) => status === "active"))
  const terminate = Effect.gen(function* () {
    const [agent, process] = [yield* oneOf(yield* active), yield* oneOf(processes)]
    if (agent === undefined || process === undefined) return
    yield* Effect.forkDetach(Effect.exit(process.orchestrator.terminate(agent.id)))
  })
  const vanish = Effect.gen(function* () {
    const agent = yield* oneOf(yield* active)
    if (agent?.binding === undefined) return
    weather.stormy = false
    yield* sandboxes.terminate(agent.binding.sandboxId)
    weather.stormy = true
  })
  const orphan = Effect.asVoid(stamped("me"))
  const reaping = Effect.asVoid(Effect.forkDetach(Effect.exit(reap())))
  const steps = { launch, again: launch, crash, terminate, vanish, orphan, reaping }

  for (let step = 0; step < 25; step++) {
    const [name, run] = (yield* oneOf(Object.entries(steps))) ?? ["", Effect.void]
    told.push(name)
    yield* run
    yield* pass(`${yield* Random.nextIntBetween(0, 300)} seconds`)
  }
  weather.stormy = false
  // Whatever is still under way comes to its end, and what crashes have left grows old enough.
  yield* pass("15 minutes")
  yield* reap()
  yield* pass("15 minutes")
  yield* reap()

  const { unknown, ...rest } = yield* wrongs
  const refused = launches.filter(({ fiber, process }) => {
    const exit = fiber.pollUnsafe()
    return !dead.has(process) && !(exit?._tag === "Success" && Exit.isSuccess(exit.value))
  }).length
  const left = yield* alive
  return {
    told: told.join(" "),
    wrongs: { ...rest, refused, unknown: unknown.filter((id) => !theirs.includes(id)) },
    theirs: theirs.filter((id) => !left.includes(id))
  }
})

it.effect(
  `leaves no sandbox that the store does not know, and no live agent without its own, in ${count} schedules`,
  () =>
    Effect.gen(function* () {
      for (let seed = first; seed < first + count; seed++) {
        const weather = { stormy: true }
        let calls = seed
        const { told, ...seen } = yield* schedule(weather).pipe(
          Random.withSeed(seed),
          Effect.provide(
            layerReaper({
              settings: { E2B_AUTO_PAUSE: String(seed % 2 === 0) },
              fault: ({ operation }) =>
                weather.stormy &&
                /list|info|terminate/.test(operation) &&
                (calls = (calls * 31 + 7) % 101) % 4 === 0
                  ? unreachable
                  : undefined
            })
          )
        )
        const nothing = { wrongs: { lost: [], intents: [], refused: 0, unknown: [] }, theirs: [] }
        assert.deepStrictEqual(seen, nothing, `seed ${seed}: ${told}`)
      }
    }).pipe(Effect.provide(layerLogged))
)
