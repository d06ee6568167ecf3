import { Id, SandboxError } from "@remote-agent/domain"
import { Clock, Duration, Effect, Option, Schedule } from "effect"
import type { E2bCalls } from "./calls.ts"
import type { Sandboxes, Snapshot } from "../../Sandboxes.ts"

/** Snapshots at E2B; `deadline` is how long the server may still be working on one after it began. */
export const make = (
  calls: E2bCalls,
  deadline: Duration.Input
): Pick<Sandboxes["Service"], "snapshot" | "removeSnapshot"> => {
  const api = calls.client.Sandbox

  const found = (name: string) =>
    calls
      .call({ operation: "snapshot" }, (signal) => api.listSnapshots({ name }).nextItems({ signal }))
      .pipe(Effect.map(([hit]) => Option.fromUndefinedOr(hit)))

  // Like a create, a snapshot whose reply was lost can only be told by its name, which is ours alone.
  const reconcile = Effect.fnUntraced(function* (
    name: string,
    startedAt: number,
    error: SandboxError.SandboxError
  ) {
    const look = Effect.gen(function* () {
      // Before asking: the answer may be older than the moment it arrives.
      const over = (yield* Clock.currentTimeMillis) >= startedAt + Duration.toMillis(deadline)
      return { hit: yield* found(name), over }
    })
    const { hit } = yield* look.pipe(
      Effect.repeat({
        until: (seen) => Option.isSome(seen.hit) || seen.over,
        schedule: Schedule.spaced("2 seconds")
      }),
      Effect.mapError(() => error)
    )
    return Option.isSome(hit) ? hit.value : yield* error
  })

  return {
    // What pauses a sandbox, and be it for a moment, must not be cut short at E2B.
    snapshot: Effect.fn("Sandboxes.snapshot")(
      function* (sandboxId: Id.SandboxId) {
        const name = `remote-agent-${yield* Id.nextToken}`
        const startedAt = yield* Clock.currentTimeMillis
        const taken = calls
          .attempt({ operation: "snapshot", sandboxId }, () =>
            api.createSnapshot(sandboxId, { name, requestTimeoutMs: 600_000 })
          )
          .pipe(
            Effect.catchIf(
              (error) => SandboxError.retryClass(error) === "ambiguous",
              (error) => reconcile(name, startedAt, error)
            )
          )
        const { snapshotId } = yield* calls.patiently(taken)
        return { template: snapshotId } satisfies Snapshot
      },
      (effect) => Effect.uninterruptible(effect)
    ),
    removeSnapshot: Effect.fn("Sandboxes.removeSnapshot")((template: string) =>
      Effect.asVoid(
        calls.call({ operation: "removeSnapshot" }, (signal) => api.deleteSnapshot(template, { signal }))
      )
    )
  }
}
