import { Id, SandboxError } from "@remote-agent/domain"
import type * as Sdk from "e2b"
import { Clock, DateTime, Duration, Effect } from "effect"
import type { SandboxInfo } from "../../Sandbox.ts"
import type { E2bCalls } from "./calls.ts"

/** A ttl in the unit of the SDK. */
export const milliseconds = (ttl: Duration.Input): number => Math.max(1000, Duration.toMillis(ttl))

/** Converts the SDK's description of a sandbox. Throws when the answer describes none: then the provider did not send it. */
export const sandboxInfo = (info: Sdk.SandboxInfo): SandboxInfo => ({
  id: Id.SandboxId.make(info.sandboxId),
  state: info.state === "paused" ? "paused" : "running",
  metadata: info.metadata,
  startedAt: DateTime.fromDateUnsafe(info.startedAt),
  endsAt: DateTime.fromDateUnsafe(info.endAt)
})

/** The operations on one sandbox through the control plane. */
export const make = (calls: E2bCalls) => {
  const api = calls.client.Sandbox

  /** Records the ttl of a sandbox. */
  const recordTtl = Effect.fnUntraced(function* (id: Id.SandboxId, ttl: Duration.Input) {
    calls.expiries.set(id, (yield* Clock.currentTimeMillis) + milliseconds(ttl))
  })

  const terminate = Effect.fn("Sandboxes.terminate")(function* (sandboxId: Id.SandboxId) {
    yield* calls.call({ operation: "terminate", sandboxId }, (signal) => api.kill(sandboxId, { signal }))
    calls.expiries.delete(sandboxId)
  })

  const info = Effect.fn("Sandboxes.info")((sandboxId: Id.SandboxId) =>
    calls.call({ operation: "info", sandboxId }, async (signal) =>
      sandboxInfo(await api.getInfo(sandboxId, { signal }))
    )
  )

  // An interrupted pause can cost an E2B sandbox: no signal, no interruption, and only a very long timeout.
  const pause = Effect.fn("Sandboxes.pause")(
    function* (sandboxId: Id.SandboxId) {
      const paused = yield* calls.attempt({ operation: "pause", sandboxId }, () =>
        api.pause(sandboxId, { requestTimeoutMs: 600_000 })
      )
      if (paused || (yield* info(sandboxId)).state === "paused") return
      return yield* SandboxError.fail("pause", new SandboxError.Busy({}), sandboxId)
    },
    (effect) => Effect.uninterruptible(effect)
  )

  const resume = Effect.fn("Sandboxes.resume")((sandboxId: Id.SandboxId, ttl: Duration.Input) =>
    Effect.asVoid(
      calls.call({ operation: "resume", sandboxId }, (signal) =>
        api.connect(sandboxId, { timeoutMs: milliseconds(ttl), signal })
      )
    ).pipe(Effect.andThen(recordTtl(sandboxId, ttl)))
  )

  const extend = Effect.fn("Sandboxes.extend")(function* (sandboxId: Id.SandboxId, ttl: Duration.Input) {
    const request = calls
      .attempt({ operation: "extend", sandboxId }, (signal) =>
        api.setTimeout(sandboxId, milliseconds(ttl), { signal })
      )
      .pipe(
        // A paused sandbox has no ttl; the API answers with a conflict or with not found.
        Effect.catchIf(
          ({ reason }) => reason._tag === "Gone" || reason._tag === "Busy",
          (error) =>
            Effect.flatMap(info(sandboxId), ({ state }) =>
              state === "paused" ? SandboxError.fail("extend", new SandboxError.Paused({}), sandboxId) : error
            )
        )
      )
    yield* calls.retrying(request)
    yield* recordTtl(sandboxId, ttl)
  })

  return { recordTtl, terminate, info, pause, resume, extend }
}
