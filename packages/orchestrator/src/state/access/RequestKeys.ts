import type { StateStoreError } from "@remote-agent/domain"
import { Clock, Context, Duration, Effect, Layer } from "effect"

/**
 * A request that is about to be carried out under a key.
 *
 * @category models
 * @since 0.2.0
 */
export interface Request {
  /** What is requested, such as `launch`. One key stands for one operation. */
  readonly operation: string
  /** The id that the record will have. Every attempt under the key uses the id of the first. */
  readonly recordId: string
  /** How long the claim holds unless it is renewed. */
  readonly expiresIn: Duration.Duration
}

/**
 * The state of a key after a claim.
 *
 * **Details**
 *
 * - `Claimed`: the caller carries the request out, with this id. `again` says that an earlier claim expired, because the
 *   process that held it died: the record may exist.
 * - `Busy`: another process is carrying the request out.
 * - `Done`: the request was carried out, and made the record.
 *
 * @category models
 * @since 0.2.0
 */
export type Claim =
  | { readonly _tag: "Claimed"; readonly recordId: string; readonly again: boolean }
  | { readonly _tag: "Busy"; readonly operation: string }
  | { readonly _tag: "Done"; readonly operation: string; readonly recordId: string }

/**
 * How long keys are kept.
 *
 * @category constants
 * @since 0.2.0
 */
export const retention: Duration.Duration = Duration.days(1)

type Result<A> = Effect.Effect<A, StateStoreError.StateStoreError>

/**
 * The keys of requests that may be repeated, for all servers that use this state.
 *
 * **Details**
 *
 * A claim of a process that died expires, and the next claim of the same key takes over with the same record id. So a
 * request is carried out at most once, however often it is sent and to whichever server.
 *
 * @category services
 * @since 0.2.0
 */
export class RequestKeys extends Context.Service<
  RequestKeys,
  {
    /** Claims a key, or tells what became of it. */
    readonly claim: (key: string, request: Request) => Result<Claim>
    /** Keeps a claim for this much longer. */
    readonly renew: (key: string, expiresIn: Duration.Duration) => Result<void>
    /** Records that the request was carried out. */
    readonly complete: (key: string) => Result<void>
    /** Forgets a key, because its request failed and may be repeated under it. */
    readonly release: (key: string) => Result<void>
  }
>()("@remote-agent/orchestrator/RequestKeys") {}

interface Entry {
  readonly operation: string
  readonly recordId: string
  readonly createdAt: number
  readonly until: number
  readonly done: boolean
}

/**
 * Makes a set of keys in memory.
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeMemory: Effect.Effect<RequestKeys["Service"]> = Effect.sync(() => {
  const entries = new Map<string, Entry>()

  const change = (key: string, next: (entry: Entry, now: number) => Entry | undefined) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const entry = entries.get(key)
      const changed = entry === undefined ? undefined : next(entry, now)
      if (changed === undefined) entries.delete(key)
      else entries.set(key, changed)
    })

  return RequestKeys.of({
    claim: Effect.fn("RequestKeys.claim")((key, { expiresIn, operation, recordId }) =>
      Effect.map(Clock.currentTimeMillis, (now): Claim => {
        for (const [old, { createdAt }] of entries) {
          if (createdAt <= now - Duration.toMillis(retention)) entries.delete(old)
        }
        const until = now + Duration.toMillis(expiresIn)
        const entry = entries.get(key)
        if (entry === undefined) {
          entries.set(key, { operation, recordId, createdAt: now, until, done: false })
          return { _tag: "Claimed", recordId, again: false }
        }
        if (entry.done) return { _tag: "Done", operation: entry.operation, recordId: entry.recordId }
        if (entry.until > now || entry.operation !== operation)
          return { _tag: "Busy", operation: entry.operation }
        entries.set(key, { ...entry, until })
        return { _tag: "Claimed", recordId: entry.recordId, again: true }
      })
    ),
    renew: Effect.fn("RequestKeys.renew")((key, expiresIn) =>
      change(key, (entry, now) => ({ ...entry, until: now + Duration.toMillis(expiresIn) }))
    ),
    complete: Effect.fn("RequestKeys.complete")((key) => change(key, (entry) => ({ ...entry, done: true }))),
    release: Effect.fn("RequestKeys.release")((key) => change(key, () => undefined))
  })
})

/**
 * Keys in memory. They are lost with the process.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<RequestKeys> = Layer.effect(RequestKeys, makeMemory)
