import type { StateStoreError } from "@remote-agent/domain"
import { Context, DateTime, Effect, Layer, Option } from "effect"

/**
 * A sandbox after its setup, kept as a template.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  /** Identifies the setup and what it ran on. A launch with the same key can use the template. */
  readonly key: string
  /** The provider that has the template, and its account. */
  readonly provider: string
  /** The value for `SandboxSpec.template`. */
  readonly template: string
  readonly createdAt: DateTime.Utc
  readonly usedAt: DateTime.Utc
}

/**
 * Records the templates of setups, at most one for each key. `SetupSnapshots` makes, uses and removes the templates.
 *
 * @category services
 * @since 0.1.0
 */
export class SnapshotIndex extends Context.Service<
  SnapshotIndex,
  {
    /** Whether entries outlive this process. */
    readonly durable: boolean
    readonly get: (key: string) => Effect.Effect<Option.Option<Entry>, StateStoreError.StateStoreError>
    /** Adds an entry, made and used now. Returns false when the key has an entry. */
    readonly add: (
      entry: Pick<Entry, "key" | "provider" | "template">
    ) => Effect.Effect<boolean, StateStoreError.StateStoreError>
    /** Records that an entry was used now. Succeeds when there is none. */
    readonly touch: (key: string) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** Removes an entry, unless it has another template by now. Succeeds when there is none. */
    readonly remove: (
      entry: Pick<Entry, "key" | "template">
    ) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** Lists the entries, least recently used first, at most a thousand. */
    readonly list: Effect.Effect<ReadonlyArray<Entry>, StateStoreError.StateStoreError>
  }
>()("@remote-agent/orchestrator/SnapshotIndex") {}

/**
 * The number of entries that `list` returns at most.
 *
 * @category constants
 * @since 0.1.0
 */
export const listed = 1000

const byUse = (a: Entry, b: Entry) =>
  DateTime.toEpochMillis(a.usedAt) - DateTime.toEpochMillis(b.usedAt) || (a.key < b.key ? -1 : 1)

/**
 * Makes an index in memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<SnapshotIndex["Service"]> = Effect.sync(() => {
  const entries = new Map<string, Entry>()
  return SnapshotIndex.of({
    durable: false,
    get: Effect.fn("SnapshotIndex.get")((key) => Effect.sync(() => Option.fromUndefinedOr(entries.get(key)))),
    add: Effect.fn("SnapshotIndex.add")(function* (entry) {
      const now = yield* DateTime.now
      if (entries.has(entry.key)) return false
      entries.set(entry.key, { ...entry, createdAt: now, usedAt: now })
      return true
    }),
    touch: Effect.fn("SnapshotIndex.touch")(function* (key) {
      const usedAt = yield* DateTime.now
      const entry = entries.get(key)
      if (entry !== undefined) entries.set(key, { ...entry, usedAt })
    }),
    remove: Effect.fn("SnapshotIndex.remove")(({ key, template }) =>
      Effect.sync(() => {
        if (entries.get(key)?.template === template) entries.delete(key)
      })
    ),
    list: Effect.sync(() => [...entries.values()].toSorted(byUse).slice(0, listed))
  })
})

/**
 * An index in memory. It is lost with the process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<SnapshotIndex> = Layer.effect(SnapshotIndex, makeMemory)
