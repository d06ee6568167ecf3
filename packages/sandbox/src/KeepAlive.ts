import { type Id, SandboxError } from "@remote-agent/domain"
import { Duration, Effect, Schedule, type Scope } from "effect"
import type { Sandbox, SandboxSpec } from "./Sandbox.ts"
import type { Sandboxes } from "./Sandboxes.ts"

/**
 * Keeps a sandbox alive for as long as this effect runs.
 *
 * **Details**
 *
 * Extends the ttl when a third of it has passed. A failed extension is logged and retried eight times before the ttl
 * ends. A paused sandbox is extended again once it is resumed. Succeeds when the sandbox is gone.
 *
 * @category combinators
 * @since 0.1.0
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
        : Effect.logWarning("The ttl of a sandbox could not be extended", error)
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
 * Creates a sandbox, keeps it alive, and terminates it when the scope closes.
 *
 * **Details**
 *
 * When this process dies, the sandbox expires within its ttl.
 *
 * @category constructors
 * @since 0.1.0
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
