/**
 * Watchers of one sandbox whose events are collected until a client asks for them.
 *
 * @since 0.1.0
 */
import { Deferred, Effect, Exit, FiberMap, Schema, Stream } from "effect"
import * as Crypto from "node:crypto"
import type { SandboxRuntime } from "../isolation/SandboxRuntime.ts"
import * as DirectoryWatcher from "./DirectoryWatcher.ts"

/** There is no watcher with this id. */
export class WatcherNotFound extends Schema.TaggedError<WatcherNotFound>()("WatcherNotFound", {
  id: Schema.String
}) {
  override get message() {
    return `watcher with id ${this.id} not found`
  }
}

/** What to watch, and in which form its events are collected. */
interface Request extends DirectoryWatcher.Watched {
  /** Turns each change into the event that the client gets, when it happens. */
  readonly encode: (change: DirectoryWatcher.Change) => Effect.Effect<object>
}

/** The watchers of one sandbox. */
export interface WatcherTable {
  /** Succeeds with the id of a new watcher once it watches. */
  readonly create: (request: Request) => Effect.Effect<string, DirectoryWatcher.WatchFailed>
  /** Takes the events since the last call. Fails with the failure of the watcher if it has ended. */
  readonly take: (
    id: string
  ) => Effect.Effect<ReadonlyArray<object>, WatcherNotFound | DirectoryWatcher.WatchFailed>
  readonly remove: (id: string) => Effect.Effect<void, WatcherNotFound>
}

// Events that a client may leave uncollected.
const MAX_EVENTS = 100_000

interface Watched {
  events: Array<object>
  readonly failed: Deferred.Deferred<never, DirectoryWatcher.WatchFailed>
}

/** An empty table. Its watchers end with the scope. */
export const make = Effect.fnUntraced(function* (runtime: SandboxRuntime) {
  const fibers = yield* FiberMap.make<string>()
  const watchers = new Map<string, Watched>()

  const find = (id: string) =>
    Effect.suspend(() => {
      const watcher = watchers.get(id)
      return watcher === undefined ? Effect.fail(new WatcherNotFound({ id })) : Effect.succeed(watcher)
    })

  const collect = (watcher: Watched, ready: Deferred.Deferred<void>, { encode, ...watched }: Request) =>
    Effect.scoped(
      Effect.flatMap(DirectoryWatcher.watch(runtime, watched), (changes) =>
        Stream.runForEach(changes, (change) => {
          if (change === "ready") return Effect.asVoid(Deferred.succeed(ready, undefined))
          if (watcher.events.length >= MAX_EVENTS) return Effect.fail(DirectoryWatcher.overflow)
          return Effect.map(encode(change), (event) => void watcher.events.push(event))
        })
      )
    ).pipe(Effect.catch((error) => Deferred.fail(watcher.failed, error)))

  return {
    create: Effect.fnUntraced(function* (request) {
      const id = `w${Crypto.randomBytes(10).toString("hex")}`
      const ready = yield* Deferred.make<void>()
      const watcher: Watched = {
        events: [],
        failed: yield* Deferred.make<never, DirectoryWatcher.WatchFailed>()
      }
      yield* FiberMap.run(fibers, id, collect(watcher, ready, request))
      yield* Effect.raceFirst(Deferred.await(ready), Deferred.await(watcher.failed)).pipe(
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : FiberMap.remove(fibers, id)))
      )
      watchers.set(id, watcher)
      return id
    }),
    take: (id) =>
      Effect.flatMap(find(id), (watcher) =>
        Effect.suspend(() => {
          if (Deferred.isDoneUnsafe(watcher.failed)) return Deferred.await(watcher.failed)
          const { events } = watcher
          watcher.events = []
          return Effect.succeed(events)
        })
      ),
    remove: (id) =>
      Effect.andThen(
        Effect.map(find(id), () => watchers.delete(id)),
        FiberMap.remove(fibers, id)
      )
  } satisfies WatcherTable
})
