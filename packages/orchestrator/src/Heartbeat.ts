import type { Id } from "@remote-agent/domain"
import type { Sandboxes } from "@remote-agent/sandbox"
import { Duration, Effect, Schedule } from "effect"

/** How long a sandbox of an agent that belongs to a scope lives on when nobody is left to extend its life. */
export const shortLife = Duration.minutes(3)

/**
 * Extends the life of a sandbox to `ttl` again and again, three times before it would end, for as long as it is
 * run. An extension that fails is logged; the next may succeed, and the sandbox is used in any case. Ends when the
 * sandbox is gone.
 */
export const keep = (
  sandboxes: Sandboxes.Sandboxes["Service"],
  id: Id.SandboxId,
  ttl: Duration.Duration
): Effect.Effect<void> =>
  sandboxes.extend(id, ttl).pipe(
    Effect.catchIf(
      (error) => error.reason._tag !== "Gone",
      (error) => Effect.logWarning("A sandbox's life could not be extended", error)
    ),
    Effect.schedule(Schedule.spaced(Duration.divideUnsafe(ttl, 3))),
    Effect.catch(() => Effect.void),
    Effect.asVoid
  )
