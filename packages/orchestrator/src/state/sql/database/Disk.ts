import { StateStoreError } from "@remote-agent/domain"
import { Effect, Predicate } from "effect"

const obstacles: Readonly<Record<string, StateStoreError.Obstacle>> = {
  EACCES: "readOnly",
  EPERM: "readOnly",
  EROFS: "readOnly",
  ENOSPC: "full",
  EDQUOT: "full",
  EFBIG: "full",
  EIO: "ioFailed"
}

/** Uses a file of the state, which messages call by its path. Fails with `Unavailable`. */
export const attempt = <A>(
  operation: string,
  path: string,
  run: () => Promise<A>
): Effect.Effect<A, StateStoreError.StateStoreError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => {
      const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : ""
      const obstacle = obstacles[code] ?? "unreachable"
      return new StateStoreError.StateStoreError({
        operation,
        reason: new StateStoreError.Unavailable({ store: path, obstacle })
      })
    }
  })
