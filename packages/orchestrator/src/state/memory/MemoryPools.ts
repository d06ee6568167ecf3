import { PoolRecord } from "@remote-agent/domain"
import { Effect, Result, Stream } from "effect"
import type { StateStore } from "../StateStore.ts"
import { inOrder, insert, known, step, type Tables, unchanged } from "./MemoryTables.ts"

/**
 * The methods of the store that read and write pools.
 *
 * @category models
 * @since 0.1.0
 */
export type MemoryPools = Pick<
  StateStore["Service"],
  "createPool" | "getPool" | "updatePool" | "removePool" | "listPools"
>

/** The pools of a store in memory. See `MemoryStateStore.make`. */
export const make = ({ pools }: Tables): MemoryPools => ({
  createPool: Effect.fn("StateStore.createPool")((pool) =>
    step("createPool", () => insert(pools, pool.name, pool))
  ),
  getPool: Effect.fn("StateStore.getPool")((name) => step("getPool", () => known(pools, name))),
  updatePool: Effect.fn("StateStore.updatePool")((pool: PoolRecord.PoolRecord) =>
    step("updatePool", (updatedAt) =>
      Result.gen(function* () {
        const { name, revision } = pool
        const current = yield* known(pools, name)
        yield* unchanged(name, revision, current.revision)
        const written = new PoolRecord.PoolRecord({ ...pool, revision: revision + 1, updatedAt })
        pools.set(name, written)
        return written
      })
    )
  ),
  removePool: Effect.fn("StateStore.removePool")((name) =>
    Effect.sync(() => {
      pools.delete(name)
    })
  ),
  listPools: Stream.suspend(() => Stream.fromIterable(inOrder(pools)))
})
