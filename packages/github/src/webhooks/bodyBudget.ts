/** Limits the memory of bodies that have not been verified, over all connections. */
import { Effect, type Scope } from "effect"

/** The bytes and the number of bodies that may be held. */
export interface Limits {
  readonly bytes: number
  readonly bodies: number
}

/** A body that is being received. */
export interface Held {
  /** Takes more bytes, and tells whether there was room. */
  readonly take: (bytes: number) => boolean
}

/** Shares the limits among all bodies. */
export const make = ({ bodies, bytes }: Limits) => {
  let [free, open] = [bytes, 0]
  /** Admits a body until the scope closes. None when too many are open, or when there is no room for what it announces. */
  const admit = (announced: number): Effect.Effect<Held | undefined, never, Scope.Scope> =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          if (open >= bodies || announced > free) return undefined
          open++
          let taken = announced
          free -= announced
          let size = 0
          return {
            take: (more: number) => {
              size += more
              const needed = size - taken
              if (needed <= 0) return true
              if (needed > free) return false
              free -= needed
              taken = size
              return true
            },
            release: () => {
              open--
              free += taken
            }
          }
        }),
        (held) => Effect.sync(() => held?.release())
      ),
      (held) => held
    )
  return { admit, free: () => free, open: () => open }
}
