import { type Agent, Id, type PoolRecord, StateStoreError } from "@remote-agent/domain"
import { type AgentPool, Orchestrator, StateStore } from "@remote-agent/orchestrator"
import { Deferred, Effect, Schema, Stream, type Terminal } from "effect"
import * as Budgets from "../shared/budgets.ts"
import * as App from "../../app/App.ts"
import { confirm } from "../../ui/Confirm.ts"
import { Ended, exitCode, type Failure, NotFound, type Run, Usage } from "../../ui/Failure.ts"
import { bold, line, Screen } from "../../ui/Screen.ts"
import * as State from "../../app/State.ts"
import * as Table from "../../ui/Table.ts"

/** The pool of a name. Fails with `NotFound` when there is none. */
export const get = Effect.fnUntraced(function* (
  name: string
): Effect.fn.Return<PoolRecord.PoolRecord, Failure, StateStore.StateStore> {
  const { getPool } = yield* StateStore.StateStore
  return yield* Effect.catchReason(getPool(Id.PoolName.make(name)), "StateStoreError", "NotFound", () =>
    Effect.fail(
      new NotFound({
        message: `There is no pool ${name}. See which there are with \`remote-agent pool list\`.`
      })
    )
  )
})

const members = Effect.fnUntraced(function* (pool: string) {
  const { listAgents } = yield* StateStore.StateStore
  return yield* Stream.runCollect(listAgents({ pool, status: ["active", "paused"] }))
})

/** How many launches of a pool went well, and what became of the rest. */
interface Settled {
  readonly agents: ReadonlyArray<Agent.Agent>
  readonly failures: ReadonlyArray<string>
}

/** Opens a pool and waits until each of its places has an agent, or it is known why not. Its agents stay. */
const settled = Effect.fnUntraced(function* (spec: AgentPool.PoolSpec) {
  const { pool } = yield* Orchestrator.Orchestrator
  const { note } = yield* Screen
  const all = yield* Deferred.make<void>()
  const agents = new Map<number, Agent.Agent>()
  const failures: Array<string> = []
  const onEvent = Effect.fnUntraced(function* (event: AgentPool.PoolEvent) {
    if (event._tag === "Ready") {
      agents.set(event.slot, event.agent)
      yield* line(note, `agent ${event.slot + 1}: ready (${event.agent.id})`)
    }
    if (event._tag === "LaunchFailed") {
      failures.push(event.error.message)
      yield* line(note, `agent ${event.slot + 1}: ${event.error.message}`)
    }
    if (agents.size + failures.length >= spec.size) yield* Deferred.succeed(all, undefined)
  })
  yield* pool({ ...spec, onEvent })
  yield* Deferred.await(all)
  const done: Settled = { agents: [...agents.values()], failures }
  return done
}, Effect.scoped)

const tell = Effect.fnUntraced(function* (
  name: string,
  { agents, failures }: Settled,
  json: boolean
): Effect.fn.Return<void, Ended, Screen> {
  const { out } = yield* Screen
  const ids = agents.map(({ id }) => id)
  yield* line(
    out,
    json
      ? JSON.stringify({ name, agents: ids, failures })
      : `The pool ${name} has ${ids.length} agent${ids.length === 1 ? "" : "s"}.`
  )
  if (failures.length > 0) return yield* new Ended({ code: exitCode.partly })
})

/** The flags of `pool create`. */
export interface CreateFlags extends App.AppFlags, Budgets.BudgetFlags {
  readonly name: string
  readonly size?: number | undefined
  readonly env: ReadonlyArray<string>
  readonly json: boolean
}

/** Launches a pool that stays. Fails with `Usage` when there is one of that name. */
export const create = Effect.fn("pool create")(function* ({
  env,
  json,
  name,
  size = 3,
  ...flags
}: CreateFlags): Run {
  const given = yield* App.environment(env)
  const work = Effect.gen(function* () {
    const known = yield* Effect.option(get(name))
    if (known._tag === "Some") {
      return yield* new Usage({
        message: `There is a pool ${name} already. Resize it, or take another name.`
      })
    }
    const launched = yield* settled({
      name: Id.PoolName.make(name),
      size,
      env: given,
      poolBudget: Budgets.of(flags),
      profile: flags.profile
    })
    yield* tell(name, launched, json)
  })
  yield* Effect.provide(work, App.durable(flags))
})

/** The flags of `pool resize`. */
export interface ResizeFlags extends App.AppFlags {
  readonly name: string
  readonly size: number
  readonly json: boolean
}

/** Launches what a pool lacks, and ends agents that are too many unless they answer. */
export const resize = Effect.fn("pool resize")(function* ({ json, name, size, ...flags }: ResizeFlags): Run {
  const work = Effect.gen(function* () {
    const [{ listQueries }, { terminate: end }] = [
      yield* StateStore.StateStore,
      yield* Orchestrator.Orchestrator
    ]
    const pool = yield* get(name)
    const kept = yield* settled({ name: pool.name, size })
    const ids = new Set(kept.agents.map(({ id }) => id))
    const many = (yield* members(name)).filter(({ id }) => !ids.has(id))
    const ended = yield* Effect.forEach(
      many,
      Effect.fnUntraced(function* ({ id }) {
        const busy = yield* Stream.runCount(listQueries({ agentId: id, status: "running" }, { limit: 1 }))
        if (busy > 0) return `agent ${id} answers a query and was left; resize again when it is done`
        yield* end(id)
        return undefined
      }),
      { concurrency: 5 }
    )
    const left = ended.filter((text) => text !== undefined)
    yield* tell(name, { agents: kept.agents, failures: [...kept.failures, ...left] }, json)
  })
  yield* Effect.provide(work, App.durable(flags))
})

/** The flags of `pool terminate`. */
export interface TerminateFlags extends App.AppFlags {
  readonly name: string
  readonly yes: boolean
  readonly json: boolean
}

/** Ends a pool and all its agents, once somebody said yes. */
export const terminate = Effect.fn("pool terminate")(function* ({
  json,
  name,
  yes,
  ...flags
}: TerminateFlags): Run<Terminal.Terminal> {
  const { out } = yield* Screen
  const count = yield* Effect.andThen(get(name), members(name)).pipe(
    Effect.map((all) => all.length),
    Effect.provide(State.layer(flags))
  )
  yield* confirm(`The pool ${name} has ${count} agents, which end with all their files. Go on?`, yes)
  const work = Effect.flatMap(Orchestrator.Orchestrator, ({ closePool }) => closePool(Id.PoolName.make(name)))
  yield* Effect.provide(work, App.durable(flags))
  yield* line(
    out,
    json
      ? JSON.stringify({ name, terminated: count })
      : `The pool ${name} has ended, and ${count} agents with it.`
  )
})

const Row = Schema.Struct({
  name: Schema.String,
  profile: Schema.String,
  status: Schema.String,
  size: Schema.Int,
  active: Schema.Int,
  paused: Schema.Int,
  queries: Schema.Int
})

const rowOf = Effect.fnUntraced(function* (
  pool: PoolRecord.PoolRecord
): Effect.fn.Return<typeof Row.Type, StateStoreError.StateStoreError, StateStore.StateStore> {
  const agents = yield* members(pool.name)
  const { queries } = yield* (yield* StateStore.StateStore).usage({ pool: pool.name })
  const count = (status: Agent.Agent["status"]) => agents.filter((agent) => agent.status === status).length
  const { name, profile, size, status } = pool
  return { name, profile, status, size, active: count("active"), paused: count("paused"), queries }
})

/** Lists the pools of the state; starts nothing. */
export const list = Effect.fn("pool list")(function* (flags: {
  readonly state?: string | undefined
  readonly json: boolean
}): Run {
  const { note, out } = yield* Screen
  const rows = yield* Effect.gen(function* () {
    const { listPools } = yield* StateStore.StateStore
    return yield* Stream.runCollect(Stream.mapEffect(listPools, rowOf))
  }).pipe(Effect.provide(State.layer(flags)))
  if (flags.json) {
    return yield* Effect.forEach(rows, (row) => line(out, JSON.stringify(row)), { discard: true })
  }
  if (rows.length === 0)
    return yield* line(note, "There are no pools. Make one with `remote-agent pool create`.")
  const [head = "", ...body] = Table.render(
    [
      ["NAME", "PROFILE", "STATUS", "SIZE", "ACTIVE", "PAUSED", "QUERIES"],
      ...rows.map((row) => Object.values(row).map(String))
    ],
    out.columns()
  )
  yield* line(out, [bold(out, head), ...body].join("\n"))
})
