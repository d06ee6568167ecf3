import { amount } from "#test/tier"
import { assert, describe, it } from "@effect/vitest"
import type { StateStoreError } from "@remote-agent/domain"
import { LaunchIntents, MemoryStateStore, SqlStateStore } from "@remote-agent/orchestrator"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { randomInt } from "node:crypto"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { expected, plan, random, snapshot } from "../support/crashPlan.ts"
import { makeDatabase } from "../support/database.ts"
import { newPath } from "../support/storeSupport.ts"
import { type Death, live } from "../support/crashHarness.ts"

const program = fileURLToPath(import.meta.resolve("../fixtures/crash.ts"))

/**
 * How many kills there are on each database, and of which plans: more with `REMOTE_AGENT_CRASHES`, others with
 * `REMOTE_AGENT_SEED`.
 */
const kills = Number(process.env["REMOTE_AGENT_CRASHES"] ?? amount(4, 12))
const seed = Number(process.env["REMOTE_AGENT_SEED"] ?? amount(1, randomInt(1e9)))

/** A database that is used by processes that die. */
interface Place {
  readonly state: string
  /** Where programs keep their compiled code, so that those that come after begin sooner. */
  readonly cache: string
  readonly layer: Layer.Layer<SqlStateStore.State, StateStoreError.StateStoreError>
}

const look = ({ layer }: Place) => Effect.orDie(Effect.provide(snapshot, Layer.fresh(layer)))

/** A plan, and the states that it goes through. */
interface Model {
  readonly seed: number
  readonly states: ReadonlyArray<string>
}

const modelOf = (number: number): Effect.Effect<Model> =>
  expected(plan(number)).pipe(
    Effect.map((states) => ({ seed: number, states })),
    Effect.provide(Layer.fresh(Layer.merge(MemoryStateStore.layer, LaunchIntents.layerMemory)))
  )

/**
 * Runs a plan, from an operation on, in a process that dies, and says after how many of its operations the database
 * stands: after those that the process was told are done, or one more.
 */
const dieOnce = Effect.fnUntraced(function* (place: Place, model: Model, from: number, death?: Death) {
  const args = [String(model.seed), String(from)]
  const env = { CRASH_STATE: place.state, NODE_COMPILE_CACHE: place.cache }
  const life = yield* live(program, args, env, death)
  const what = `seed ${model.seed} from ${from} ${JSON.stringify(death)}`
  assert.isTrue(life.killed || life.code === 0, `${what} ended with ${life.code}: ${life.stderr}`)
  const done = from + life.lines.filter((line) => /^\d+$/.test(line)).length
  const actual = yield* look(place)
  const standing = [done, done + 1].find((index) => model.states[index] === actual)
  const either = `${model.states[done]}\nnor ${model.states[done + 1]}`
  assert(standing !== undefined, `${what} after ${done}:\n${actual}\nis neither ${either}`)
  return { standing, killed: life.killed, steps: Number(life.lines.at(-1)?.split(" ")[1] ?? 0) }
})

/** Kills at steps all over the plan, each in a database of its own, before and after. */
const bySchedule = Effect.fnUntraced(function* (
  newPlace: Effect.Effect<Place, never, Scope.Scope>,
  count: number
) {
  const model = yield* modelOf(seed)
  const { standing, steps } = yield* dieOnce(yield* newPlace, model, 0)
  assert.strictEqual(standing, model.states.length - 1)
  const cuts = Math.min(count, 2 * steps)
  for (let cut = 0; cut < cuts; cut++) {
    const step = 1 + Math.floor((cut * steps) / cuts)
    const when = cut % 2 === 0 ? "before" : "after"
    const { killed } = yield* Effect.scoped(
      Effect.flatMap(newPlace, (place) => dieOnce(place, model, 0, { _tag: "AtStep", step, when }))
    )
    assert.isTrue(killed)
  }
  return { cuts, steps }
})

/** Kills again and again on one database, at steps and at moments nobody chose, until the plan is done. */
const byChance = Effect.fnUntraced(function* (
  newPlace: Effect.Effect<Place, never, Scope.Scope>,
  count: number
) {
  const next = random(seed)
  let deaths = 0
  for (let number = seed + 1; deaths < count; number++) {
    const [place, model] = [yield* newPlace, yield* modelOf(number)]
    for (let from = 0; from < model.states.length - 1 && deaths < count;) {
      const death: Death =
        next() < 0.5
          ? { _tag: "AtStep", step: 1 + Math.floor(next() * 60), when: next() < 0.5 ? "before" : "after" }
          : { _tag: "AfterLine", line: 1 + Math.floor(next() * 8), millis: Math.floor(next() * 6) }
      const { killed, standing } = yield* dieOnce(place, model, from, death)
      if (killed) deaths++
      from = standing
    }
  }
  return deaths
})

const places = Effect.gen(function* () {
  const cache = dirname(yield* newPath)
  const sqlite: Effect.Effect<Place, never, Scope.Scope> = Effect.map(newPath, (path) => ({
    cache,
    state: path,
    layer: SqlStateStore.layerSqlite({ path })
  }))
  const postgres = Effect.map(makeDatabase, ({ newUrl }) =>
    Effect.map(newUrl, (url): Place => ({
      cache,
      state: Redacted.value(url),
      layer: SqlStateStore.layerPostgres({ url, connections: 2 })
    }))
  )
  return { SQLite: Effect.succeed(sqlite), Postgres: postgres }
})

const half = Math.ceil(kills / 2)

describe("a state whose processes are killed", () => {
  for (const name of ["SQLite", "Postgres"] as const) {
    const newPlaces = Effect.flatMap(places, (all) => all[name])

    it.live(
      `has lost and doubled nothing in ${name}, at whatever step they died`,
      () =>
        Effect.gen(function* () {
          const { cuts, steps } = yield* bySchedule(yield* newPlaces, half)
          yield* Effect.logInfo(`${name}: seed ${seed}, ${cuts} kills at steps of ${steps}`)
        }).pipe(Effect.scoped),
      3_600_000
    )

    it.live(
      `has lost and doubled nothing in ${name}, whenever they died`,
      () =>
        Effect.gen(function* () {
          const deaths = yield* byChance(yield* newPlaces, kills - half)
          yield* Effect.logInfo(`${name}: seed ${seed}, ${deaths} kills by chance`)
        }).pipe(Effect.scoped),
      3_600_000
    )
  }
})
