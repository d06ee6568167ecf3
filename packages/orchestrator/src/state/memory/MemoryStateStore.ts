import { AgentEvent } from "@remote-agent/domain"
import { Context, Effect, Layer, Result } from "effect"
import * as Leases from "../Leases.ts"
import { type StateRecord, StateStore } from "../StateStore.ts"
import * as MemoryRuns from "../runs/MemoryRuns.ts"
import * as MemorySchedules from "../runs/MemorySchedules.ts"
import { RunStore } from "../runs/RunStore.ts"
import { ScheduleStore } from "../runs/ScheduleStore.ts"
import { makeMemory as makeLimits, SharedLimits } from "../runs/SharedLimits.ts"
import { makeMemory as makeWorkers, WorkerStore } from "../runs/WorkerStore.ts"
import * as MemoryAgents from "./MemoryAgents.ts"
import * as MemoryPools from "./MemoryPools.ts"
import * as MemoryQueries from "./MemoryQueries.ts"
import * as MemoryTables from "./MemoryTables.ts"
import * as MemoryUsage from "./MemoryUsage.ts"

/** Adds a record, and returns its id or name when there was none. */
const add = (tables: MemoryTables.Tables, record: StateRecord): string | undefined => {
  const { logs, pools, queries } = tables
  switch (record._tag) {
    case "Pool":
      return Result.isSuccess(MemoryTables.insert(pools, record.pool.name, record.pool))
        ? record.pool.name
        : undefined
    case "Agent":
      return Result.isSuccess(MemoryAgents.restoreAgent(tables, record.agent)) ? record.agent.id : undefined
    case "Query": {
      const { events, query } = record.query
      if (Result.isFailure(MemoryTables.insert(queries, query.id, query))) return undefined
      logs.set(
        query.id,
        events.map((one, seq) => new AgentEvent.EventRecord({ ...one, queryId: query.id, seq }))
      )
      return query.id
    }
  }
}

/**
 * Makes a store in memory and the leases that fence it. Every operation runs without another in between.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<{
  readonly leases: Leases.Leases["Service"]
  readonly limits: SharedLimits["Service"]
  readonly runs: RunStore["Service"]
  readonly schedules: ScheduleStore["Service"]
  readonly workers: WorkerStore["Service"]
  readonly store: StateStore["Service"]
}> = Effect.gen(function* () {
  const { leases, newest } = yield* Leases.makeMemory
  const tables = MemoryTables.make(newest)
  const restore = Effect.fn("StateStore.restore")((records: Iterable<StateRecord>) =>
    Effect.sync((): ReadonlySet<string> => {
      // Read to the end first: if that throws, nothing was written.
      const all = [...records]
      return new Set(all.flatMap((record) => add(tables, record) ?? []))
    })
  )
  const store = StateStore.of({
    ...MemoryAgents.make(tables),
    ...MemoryQueries.make(tables),
    ...MemoryUsage.make(tables),
    ...MemoryPools.make(tables),
    restore
  })
  const runs = MemoryRuns.make(tables)
  return {
    leases,
    limits: yield* makeLimits,
    runs,
    schedules: MemorySchedules.make(runs),
    workers: yield* makeWorkers,
    store
  }
})

/**
 * A store in memory. It is lost with the layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  StateStore | RunStore | ScheduleStore | SharedLimits | WorkerStore | Leases.Leases
> = Layer.effectContext(
  Effect.map(make, ({ leases, limits, runs, schedules, store, workers }) =>
    Context.make(StateStore, store).pipe(
      Context.add(Leases.Leases, leases),
      Context.add(RunStore, runs),
      Context.add(ScheduleStore, schedules),
      Context.add(SharedLimits, limits),
      Context.add(WorkerStore, workers)
    )
  )
)
