import {
  type Agent,
  type AgentEvent,
  type Id,
  type Lease,
  type PoolRecord,
  type Query,
  StateStoreError
} from "@remote-agent/domain"
import { DateTime, Effect, Result } from "effect"
import type { Memory } from "../Leases.ts"

/**
 * The records of a store in memory.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tables {
  readonly agents: Map<Id.AgentId, Agent.Agent>
  readonly queries: Map<Id.QueryId, Query.Query>
  readonly logs: Map<Id.QueryId, Array<AgentEvent.EventRecord>>
  readonly pools: Map<Id.PoolName, PoolRecord.PoolRecord>
  /** The agents that hold their names. */
  readonly names: Map<Agent.AgentName, Id.AgentId>
  /** Fails with `Fenced` when a newer lease of the fence's resource was granted. */
  readonly checkFence: (fence: Lease.Fence | undefined) => Result.Result<void, StateStoreError.Fenced>
}

/**
 * Makes empty tables whose fences are checked against `newest`, the newest token of a resource.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (newest: Memory["newest"]): Tables => ({
  agents: new Map(),
  queries: new Map(),
  logs: new Map(),
  pools: new Map(),
  names: new Map(),
  checkFence: (fence) => {
    if (fence === undefined) return Result.void
    const { resource, token } = fence
    const current = newest(resource)
    return current > token
      ? Result.fail(new StateStoreError.Fenced({ resource, token, current }))
      : Result.void
  }
})

/**
 * Returns a record. Fails with `NotFound` when there is none.
 *
 * @category access
 * @since 0.1.0
 */
export const known = <K extends string, V>(
  all: ReadonlyMap<K, V>,
  id: K
): Result.Result<V, StateStoreError.NotFound> =>
  Result.fromNullishOr(all.get(id), () => new StateStoreError.NotFound({ id }))

/**
 * Adds a record. Fails with `AlreadyExists` when the id is taken.
 *
 * @category access
 * @since 0.1.0
 */
export const insert = <K extends string, V>(
  all: Map<K, V>,
  id: K,
  value: V
): Result.Result<void, StateStoreError.AlreadyExists> => {
  if (all.has(id)) return Result.fail(new StateStoreError.AlreadyExists({ id }))
  all.set(id, value)
  return Result.void
}

/**
 * Fails with `RevisionConflict` when a record was written since it was read.
 *
 * @category access
 * @since 0.1.0
 */
export const unchanged = (
  id: string,
  expected: number,
  actual: number
): Result.Result<void, StateStoreError.RevisionConflict> =>
  expected === actual
    ? Result.void
    : Result.fail(new StateStoreError.RevisionConflict({ id, expected, actual }))

/**
 * Returns all records, ordered by id.
 *
 * @category access
 * @since 0.1.0
 */
export const inOrder = <K extends string, V>(all: ReadonlyMap<K, V>): ReadonlyArray<V> =>
  [...all].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, value]) => value)

/**
 * Runs a synchronous change as one operation of the store, so that no other operation runs in between.
 *
 * @category access
 * @since 0.1.0
 */
export const step = <A>(
  operation: string,
  run: (at: DateTime.Utc) => Result.Result<A, StateStoreError.Reason>
): Effect.Effect<A, StateStoreError.StateStoreError> =>
  Effect.flatMap(DateTime.now, (at) =>
    Effect.suspend(() =>
      Effect.fromResult(
        Result.mapError(run(at), (reason) => new StateStoreError.StateStoreError({ operation, reason }))
      )
    )
  )
