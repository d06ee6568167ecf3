import { Id } from "@remote-agent/domain"
import { Clock, type Duration, Effect, Option } from "effect"
import type { Sandboxes, Snapshot } from "../../Sandboxes.ts"
import type { E2bCalls } from "./calls.ts"
import { findLate, isAmbiguous } from "./reconcile.ts"

/** Takes and removes snapshots. `deadline` is how long the server may work on one. */
export const make = (
  calls: E2bCalls,
  deadline: Duration.Input
): Pick<Sandboxes["Service"], "snapshot" | "removeSnapshot"> => {
  const api = calls.client.Sandbox

  const find = (name: string) =>
    calls
      .call({ operation: "snapshot" }, (signal) => api.listSnapshots({ name }).nextItems({ signal }))
      .pipe(Effect.map(([hit]) => Option.fromUndefinedOr(hit)))

  return {
    // A snapshot pauses the sandbox for a moment, and an interrupted pause can cost an E2B sandbox.
    snapshot: Effect.fn("Sandboxes.snapshot")(
      function* (sandboxId: Id.SandboxId) {
        const name = `remote-agent-${yield* Id.nextToken}`
        const startedAt = yield* Clock.currentTimeMillis
        const take = calls
          .attempt({ operation: "snapshot", sandboxId }, () =>
            api.createSnapshot(sandboxId, { name, requestTimeoutMs: 600_000 })
          )
          .pipe(
            Effect.catchIf(isAmbiguous, (error) =>
              findLate(find(name), { startedAt, deadline }).pipe(
                Effect.mapError(() => error),
                Effect.flatMap(
                  Option.match({
                    onNone: () => Effect.fail(error),
                    onSome: (snapshot) => Effect.succeed(snapshot)
                  })
                )
              )
            )
          )
        const { snapshotId } = yield* calls.retrying(take)
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
