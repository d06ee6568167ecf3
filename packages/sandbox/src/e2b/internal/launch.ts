import { Id, SandboxError, SandboxLabels } from "@remote-agent/domain"
import type { Sandbox as SdkSandbox } from "e2b"
import { Clock, type Duration, Effect, Option, Stream } from "effect"
import { revealed } from "../../internal/environment.ts"
import type { SandboxInfo, SandboxSpec } from "../../Sandbox.ts"
import type { Sandboxes } from "../../Sandboxes.ts"
import type { E2bCalls } from "./calls.ts"
import { milliseconds } from "./lifecycle.ts"
import { findLate, isAmbiguous } from "./reconcile.ts"

/** How sandboxes are created. */
export interface Launching {
  readonly calls: E2bCalls
  readonly list: Sandboxes["Service"]["list"]
  /** The template of sandboxes whose spec names none. */
  readonly template: string
  /** How long the server may work on a create. */
  readonly createDeadline: Duration.Input
}

interface Attempt {
  readonly attemptId: Id.AttemptId
  readonly spec: SandboxSpec
  readonly startedAt: number
}

/** Finds the sandbox of a create whose reply was lost, by the attempt in its metadata. */
const recover = Effect.fnUntraced(function* (
  { calls, createDeadline, list }: Launching,
  { attemptId, spec, startedAt }: Attempt,
  error: SandboxError.SandboxError
): Effect.fn.Return<SdkSandbox, SandboxError.SandboxError> {
  const ambiguous = SandboxError.fail("create", new SandboxError.Ambiguous({ attemptId }))
  const labelled = list({ metadata: { [SandboxLabels.attemptKey]: attemptId } })
  const find: Effect.Effect<Option.Option<SandboxInfo>, SandboxError.SandboxError> = Effect.map(
    Stream.runCollect(Stream.take(labelled, 1)),
    ([hit]) => Option.fromUndefinedOr(hit)
  )
  const found = yield* Effect.mapError(
    findLate(find, { startedAt, deadline: createDeadline }),
    () => ambiguous
  )
  if (Option.isNone(found)) return yield* error
  const { id } = found.value
  yield* Effect.annotateLogs(Effect.logInfo("A sandbox whose reply was lost has been found"), {
    sandboxId: id
  })
  return yield* calls
    .call({ operation: "create", sandboxId: id }, (signal) =>
      calls.client.Sandbox.connect(id, { timeoutMs: milliseconds(spec.ttl), signal })
    )
    .pipe(Effect.mapError(() => ambiguous))
})

const createOnce = Effect.fnUntraced(function* (launching: Launching, spec: SandboxSpec) {
  const { calls, template } = launching
  const attemptId = spec.attemptId ?? (yield* Id.nextAttemptId)
  const startedAt = yield* Clock.currentTimeMillis
  return yield* calls
    .attempt({ operation: "create" }, (signal) =>
      calls.client.Sandbox.create(spec.template ?? template, {
        signal,
        timeoutMs: milliseconds(spec.ttl),
        metadata: { ...spec.metadata, [SandboxLabels.attemptKey]: attemptId },
        envs: revealed(spec.env),
        lifecycle: { onTimeout: spec.onExpiry ?? "kill" },
        ...(spec.allowInternetAccess === undefined ? {} : { allowInternetAccess: spec.allowInternetAccess })
      })
    )
    .pipe(Effect.catchIf(isAmbiguous, (error) => recover(launching, { attemptId, spec, startedAt }, error)))
})

/** Creates a sandbox, and retries where that cannot create two. */
export const launch = (
  launching: Launching,
  spec: SandboxSpec
): Effect.Effect<SdkSandbox, SandboxError.SandboxError> =>
  launching.calls.retrying(createOnce(launching, spec))
