import { SandboxError } from "@remote-agent/domain"
import { Clock, Duration, Effect, Option, Schedule } from "effect"

/** Tells whether a failed request may have been carried out all the same. */
export const isAmbiguous = (error: SandboxError.SandboxError): boolean =>
  SandboxError.retryClass(error) === "ambiguous"

/**
 * Looks for the result of a request whose reply was lost.
 *
 * E2B has no idempotency keys, and a lost reply never says which id was created. So a request carries a unique name, and
 * its result is looked up by that name. The result is certainly absent only when the server has stopped working on the
 * request, which is at `startedAt` (in milliseconds) plus `deadline`.
 */
export const findLate = <A>(
  find: Effect.Effect<Option.Option<A>, SandboxError.SandboxError>,
  { deadline, startedAt }: { readonly startedAt: number; readonly deadline: Duration.Input }
): Effect.Effect<Option.Option<A>, SandboxError.SandboxError> =>
  Effect.gen(function* () {
    // Read the clock before asking: the answer may be older than its arrival.
    const isOver = (yield* Clock.currentTimeMillis) >= startedAt + Duration.toMillis(deadline)
    return { found: yield* find, isOver }
  }).pipe(
    Effect.repeat({
      until: ({ found, isOver }) => Option.isSome(found) || isOver,
      schedule: Schedule.spaced("2 seconds")
    }),
    Effect.map(({ found }) => found)
  )
