import { type Id, SandboxError } from "@remote-agent/domain"
import { Duration, Effect, Schedule, type Scope } from "effect"
import type { Sandbox, SandboxSpec } from "../Sandbox.ts"
import type { Sandboxes } from "../Sandboxes.ts"

/**
 * Extends the life of a sandbox to `ttl` again and again, when a third of it is over, for as long as it is run. An
 * extension that fails is logged and tried again eight times before the life would end; the sandbox is used in any
 * case. One that sleeps has no end that could be put off, until it wakes. Ends when the sandbox is gone.
 */
export const keep = (
  sandboxes: Pick<Sandboxes["Service"], "extend">,
  id: Id.SandboxId,
  ttl: Duration.Duration
): Effect.Effect<void> =>
  sandboxes.extend(id, ttl).pipe(
    Effect.catchReason("SandboxError", "Paused", () => Effect.void),
    Effect.tapError((error) =>
      error.reason._tag === "Gone"
        ? Effect.void
        : Effect.logWarning("A sandbox's life could not be extended", error)
    ),
    Effect.retry({
      schedule: Schedule.spaced(Duration.divideUnsafe(ttl, 12)),
      while: ({ reason }) => reason._tag !== "Gone"
    }),
    Effect.schedule(Schedule.spaced(Duration.divideUnsafe(ttl, 3))),
    Effect.catch(() => Effect.void),
    Effect.asVoid
  )

/**
 * A sandbox that is terminated when the scope closes and kept alive until then. The provider ends it within its `ttl`
 * when this process does not come to close the scope.
 */
export const create = Effect.fn("Sandboxes.create")(function* (
  sandboxes: Pick<Sandboxes["Service"], "launch" | "terminate" | "extend">,
  spec: SandboxSpec
): Effect.fn.Return<Sandbox, SandboxError.SandboxError, Scope.Scope> {
  const sandbox = yield* Effect.acquireRelease(sandboxes.launch(spec), ({ id }) =>
    Effect.catch(sandboxes.terminate(id), (error) => Effect.logError("A sandbox may still be running", error))
  )
  yield* Effect.forkScoped(keep(sandboxes, sandbox.id, Duration.fromInputUnsafe(spec.ttl)))
  return sandbox
})
