import { type Id, type OrchestratorError, type Run, RunTransition } from "@remote-agent/domain"
import { Clock, DateTime, Effect, FiberMap, Option, Queue, type Scope } from "effect"
import * as AgentStore from "../state/AgentStore.ts"
import type { Leases } from "../state/Leases.ts"
import { inputResource, type RunStore } from "../state/runs/RunStore.ts"
import type { RunSlots, SlotEnd } from "./RunSlot.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * The scope and the size of a worker.
 *
 * @category models
 * @since 0.2.0
 */
export interface WorkOptions {
  /** Works for one run only and ends with it: when it is over, paused or stopped, and none of its agents is left. */
  readonly run?: Id.RunId | undefined
  /** How many slots, and so agents, this process works with at most. */
  readonly slots: number
}

/** What a worker works with. */
interface Means {
  readonly slots: RunSlots
  readonly store: RunStore["Service"]
  readonly leases: Leases["Service"]
}

interface Place {
  readonly id: Id.RunId
  readonly slot: number
  readonly priority: number
}

const keyOf = ({ id, slot }: Pick<Place, "id" | "slot">) => `${id}/${slot}`

/** How often a worker looks for work when nothing has changed. */
const every = "500 millis"

/** How long a slot whose work failed is left alone: longer after each failure in a row. */
const backoff = (failures: number): number => Math.min(30_000, 500 * 2 ** Math.min(failures, 8))

/**
 * The slots of a run that need work: those in use, and, as long as questions wait, free ones.
 *
 * @category decisions
 * @since 0.2.0
 */
export const wanted = (run: Run.Run, used: ReadonlyArray<number>): ReadonlyArray<number> => {
  if (!RunTransition.isOpen(run)) return used
  const { running, waiting } = run.counts
  const free = Array.from({ length: run.size }, (_, slot) => slot).filter((slot) => !used.includes(slot))
  const room = Math.max(0, Math.min(run.size, waiting + running) - used.length)
  return waiting === 0 ? used : [...used, ...free.slice(0, room)]
}

/**
 * Takes one slot of each run after the other, so that runs of the same priority get equally many.
 *
 * @category decisions
 * @since 0.2.0
 */
export const fairly = (
  lists: ReadonlyArray<{ readonly run: Run.Run; readonly slots: ReadonlyArray<number> }>
): ReadonlyArray<Place> =>
  lists
    .flatMap(({ run, slots }, order) =>
      slots.map((slot, round) => ({ id: run.id, slot, priority: run.priority, round, order }))
    )
    .toSorted((a, b) => b.priority - a.priority || a.round - b.round || a.order - b.order)
    .map(({ id, priority, slot }) => ({ id, priority, slot }))

/** Works for the slots of runs until it is interrupted, or until the only run has ended. */
export const work = Effect.fnUntraced(function* (
  { leases, slots, store }: Means,
  options: WorkOptions
): Effect.fn.Return<void, Failure, Scope.Scope> {
  const fibers = yield* FiberMap.make<string>()
  const working = new Map<string, Place>()
  /** When a slot may be tried again: another process has it, or its work has failed. */
  const later = new Map<string, number>()
  const failures = new Map<string, number>()
  const changed = yield* Queue.sliding<void>(1)
  let hungry: ReadonlyArray<Place> = []

  const countOf = (id: Id.RunId) => [...working.values()].filter((place) => place.id === id).length

  /** Whether a slot is to be given up for a run that has none of its own, or for one of greater priority. */
  const shouldYield = ({ id, priority }: Place) =>
    Effect.sync(() =>
      hungry.some(
        (other) =>
          other.priority > priority ||
          (other.priority === priority && other.id !== id && countOf(other.id) + 1 < countOf(id))
      )
    )

  const settle = (key: string, end: SlotEnd) =>
    Effect.sync(() => {
      failures.delete(key)
      if (end._tag === "Held") later.set(key, DateTime.toEpochMillis(end.until))
    })

  const begin = Effect.fnUntraced(function* (place: Place) {
    const key = keyOf(place)
    working.set(key, place)
    yield* FiberMap.run(
      fibers,
      key,
      slots.work(place.id, place.slot, shouldYield(place)).pipe(
        Effect.matchEffect({
          onSuccess: (end) => settle(key, end),
          onFailure: Effect.fnUntraced(function* (error) {
            const count = (failures.get(key) ?? 0) + 1
            failures.set(key, count)
            later.set(key, (yield* Clock.currentTimeMillis) + backoff(count))
            yield* Effect.logWarning("The work for a slot of a run failed and is tried again", error)
          })
        }),
        Effect.ensuring(
          Effect.sync(() => {
            working.delete(key)
            Queue.offerUnsafe(changed, undefined)
          })
        )
      )
    )
  })

  /** Ends the input of a run when the process that read it has died. */
  const sealAbandoned = Effect.fnUntraced(function* (run: Run.Run) {
    if (run.sealed || Option.isSome(yield* leases.current(inputResource(run.id)))) return run
    const at = yield* DateTime.now
    return yield* store.change(run.id, RunTransition.abandonInput(at))
  })

  const look = Effect.fnUntraced(function* () {
    const found = options.run === undefined ? yield* store.open : [yield* store.get(options.run)]
    const open = yield* Effect.forEach(found, sealAbandoned)
    const now = yield* Clock.currentTimeMillis
    const lists = yield* Effect.forEach(open, (run) =>
      Effect.map(store.slots(run.id), (used) => ({ run, slots: wanted(run, used) }))
    )
    const places = fairly(lists).filter((place) => {
      const key = keyOf(place)
      return !working.has(key) && (later.get(key) ?? 0) <= now
    })
    const room = Math.max(0, options.slots - working.size)
    hungry = places.slice(room)
    yield* Effect.forEach(places.slice(0, room), begin, { discard: true })
    const [only] = lists
    return (
      options.run !== undefined &&
      only !== undefined &&
      only.run.status !== "running" &&
      only.slots.length === 0 &&
      working.size === 0
    )
  })

  for (;;) {
    const ended = yield* AgentStore.stored("run", look()).pipe(
      Effect.catch((error) =>
        error.reason._tag === "StoreFailed" && error.reason.cause.reason._tag === "Unavailable"
          ? Effect.as(Effect.logWarning("The state cannot be reached; trying again", error), false)
          : Effect.fail(error)
      )
    )
    if (ended) return
    yield* Effect.timeoutOption(Queue.take(changed), every)
  }
})
