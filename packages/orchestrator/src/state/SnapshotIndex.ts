import type { StateStoreError } from "@remote-agent/domain"
import { Context, DateTime, Effect, Layer, Option } from "effect"

/** A sandbox that was set up, kept as a template. */
export interface Entry {
  /** What was set up, and on what: whoever has the same key can use the template. */
  readonly key: string
  /** The provider that has the template, and whose account it is in. */
  readonly provider: string
  /** What `SandboxSpec.template` takes. */
  readonly template: string
  readonly createdAt: DateTime.Utc
  readonly usedAt: DateTime.Utc
}

/**
 * The templates that launches have left for later ones, at most one for each key. It only writes them down: see
 * `SetupSnapshots` for when one is made, used and removed. Failures are `StateStoreError`s.
 */
export class SnapshotIndex extends Context.Service<
  SnapshotIndex,
  {
    /** Whether entries outlive this process. */
    readonly durable: boolean
    readonly get: (key: string) => Effect.Effect<Option.Option<Entry>, StateStoreError.StateStoreError>
    /** Made and used now. Says whether it was written: false when there is one of that key. */
    readonly add: (
      entry: Pick<Entry, "key" | "provider" | "template">
    ) => Effect.Effect<boolean, StateStoreError.StateStoreError>
    /** Notes that it was used now. Succeeds when there is none. */
    readonly touch: (key: string) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** Removes it unless it has another template by now. Succeeds when there is none. */
    readonly remove: (
      entry: Pick<Entry, "key" | "template">
    ) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** All of them, the least recently used first, a thousand at the most. */
    readonly list: Effect.Effect<ReadonlyArray<Entry>, StateStoreError.StateStoreError>
  }
>()("@remote-agent/orchestrator/SnapshotIndex") {}

/** How many entries `list` gives at the most. */
export const listed = 1000

const byUse = (a: Entry, b: Entry) =>
  DateTime.toEpochMillis(a.usedAt) - DateTime.toEpochMillis(b.usedAt) || (a.key < b.key ? -1 : 1)

/** A cache that lives and dies with the process. */
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

/** A cache that lives and dies with the process. */
export const layerMemory: Layer.Layer<SnapshotIndex> = Layer.effect(SnapshotIndex, makeMemory)
