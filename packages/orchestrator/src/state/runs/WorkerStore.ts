import type { StateStoreError } from "@remote-agent/domain"
import { Clock, Context, Effect } from "effect"

/**
 * A worker of a state, as it last reported itself. Times are in milliseconds since 1970.
 *
 * @category models
 * @since 0.2.0
 */
export interface WorkerRecord {
  readonly name: string
  readonly startedAt: number
  readonly seenAt: number
  /** How many agents it works with at most. */
  readonly slots: number
  /** Whether it has been asked to hand its work over and end. */
  readonly draining: boolean
}

type Result<A> = Effect.Effect<A, StateStoreError.StateStoreError>

/**
 * Stores which workers there are.
 *
 * @category services
 * @since 0.2.0
 */
export class WorkerStore extends Context.Service<
  WorkerStore,
  {
    /** Reports that a worker is running, and returns whether it has been asked to drain. */
    readonly beat: (name: string, slots: number) => Result<boolean>
    /** Asks a worker to drain. Returns false when there is none of that name. */
    readonly drain: (name: string) => Result<boolean>
    /** Removes a worker that has ended. */
    readonly leave: (name: string) => Result<void>
    /** Lists the workers that have reported themselves within the last minute, by name. */
    readonly list: Result<ReadonlyArray<WorkerRecord>>
  }
>()("@remote-agent/orchestrator/WorkerStore") {}

/**
 * How long a worker that reports nothing is listed, in milliseconds.
 *
 * @category constants
 * @since 0.2.0
 */
export const forgetAfter = 60_000

/**
 * Makes the workers of a state in memory.
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeMemory: Effect.Effect<WorkerStore["Service"]> = Effect.sync(() => {
  const workers = new Map<string, WorkerRecord>()
  return WorkerStore.of({
    beat: (name, slots) =>
      Effect.map(Clock.currentTimeMillis, (seenAt) => {
        const { draining = false, startedAt = seenAt } = workers.get(name) ?? {}
        workers.set(name, { name, startedAt, seenAt, slots, draining })
        return draining
      }),
    drain: (name) =>
      Effect.sync(() => {
        const known = workers.get(name)
        if (known !== undefined) workers.set(name, { ...known, draining: true })
        return known !== undefined
      }),
    leave: (name) => Effect.sync(() => void workers.delete(name)),
    list: Effect.map(Clock.currentTimeMillis, (now) =>
      [...workers.values()]
        .filter(({ seenAt }) => seenAt > now - forgetAfter)
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    )
  })
})
