/** One sandbox in memory, and its lifecycle. */
import { type Id, SandboxError, SandboxLabels } from "@remote-agent/domain"
import { Clock, DateTime, type Duration, Effect, Exit, FiberHandle, Latch, Scope } from "effect"
import type { SandboxFiles, SandboxInfo, SandboxJobs, SandboxSpec } from "../../Sandbox.ts"
import { home } from "../Program.ts"
import * as Files from "./files.ts"

/** Fails an open stream. */
export type Cut = (error: SandboxError.SandboxError) => void

/** A sandbox in memory. */
export interface Box {
  readonly id: Id.SandboxId
  readonly spec: SandboxSpec
  readonly metadata: Readonly<Record<string, string>>
  readonly startedAt: DateTime.Utc
  readonly contents: Files.Contents
  readonly files: SandboxFiles
  readonly scope: Scope.Closeable
  /** Open while the sandbox is running. */
  readonly awake: Latch.Latch
  /** The open streams. */
  readonly streams: Set<Cut>
  readonly jobs: SandboxJobs
  /** How long it was paused before it was last resumed, in milliseconds. */
  pausedMillis: number
  /** When it was paused; absent while it is running. */
  pausedSince: number | undefined
  readonly expiry: FiberHandle.FiberHandle
  state: "running" | "paused"
  endsAt: DateTime.Utc
}

/** Makes a running sandbox without a ttl. `jobsOf` makes its jobs, which may use the sandbox when they run. */
export const make = Effect.fnUntraced(function* (options: {
  readonly id: Id.SandboxId
  readonly attemptId: Id.AttemptId
  readonly spec: SandboxSpec
  readonly contents: Files.Contents
  readonly jobsOf: (box: Omit<Box, "jobs">, self: () => Box) => SandboxJobs
}) {
  const { attemptId, contents, id, jobsOf, spec } = options
  const scope = yield* Scope.make()
  const now = yield* DateTime.now
  const made = {
    id,
    spec,
    metadata: { ...spec.metadata, [SandboxLabels.attemptKey]: attemptId },
    scope,
    startedAt: now,
    endsAt: now,
    state: "running" as const,
    pausedMillis: 0,
    pausedSince: undefined,
    contents,
    files: Files.make(home, id, contents),
    awake: yield* Latch.make(true),
    streams: new Set<Cut>(),
    expiry: yield* Scope.provide(FiberHandle.make(), scope)
  }
  const box: Box = { ...made, jobs: jobsOf(made, () => box) }
  return box
})

/** What the provider knows about it. */
export const infoOf = (box: Box): SandboxInfo => ({
  id: box.id,
  state: box.state,
  metadata: box.metadata,
  startedAt: box.startedAt,
  endsAt: box.endsAt
})

const cutStreams = (box: Box, reason: SandboxError.Reason) => {
  for (const cut of box.streams) cut(SandboxError.fail("spawn", reason, box.id))
  box.streams.clear()
}

/** Registers an open stream for as long as the scope: it is cut when the sandbox stops. */
export const cuttable = (box: Box, cut: Cut) =>
  Effect.acquireRelease(
    Effect.sync(() => box.streams.add(cut)),
    () => Effect.sync(() => box.streams.delete(cut))
  )

/** The sandboxes of one provider, by id. */
export type Boxes = Map<Id.SandboxId, Box>

/** Terminates a sandbox and ends its streams. */
export const end = Effect.fnUntraced(function* (boxes: Boxes, box: Box, reason: SandboxError.Reason) {
  if (!boxes.delete(box.id)) return
  cutStreams(box, reason)
  yield* Scope.close(box.scope, Exit.void)
})

/** Pauses a sandbox. */
export const pause = Effect.fnUntraced(function* (box: Box) {
  box.pausedSince ??= yield* Clock.currentTimeMillis
  box.state = "paused"
  yield* box.awake.close
  cutStreams(box, new SandboxError.Paused({}))
  yield* FiberHandle.clear(box.expiry)
})

/** Sets the ttl of a sandbox, from now on. */
export const setTtl = Effect.fnUntraced(function* (boxes: Boxes, box: Box, ttl: Duration.Input) {
  box.endsAt = DateTime.addDuration(yield* DateTime.now, ttl)
  const expire = box.spec.onExpiry === "pause" ? pause(box) : end(boxes, box, new SandboxError.Expired({}))
  // The expiry closes the scope of this fiber, so it runs detached: it would wait for itself otherwise.
  yield* FiberHandle.run(box.expiry, Effect.andThen(Effect.sleep(ttl), Effect.forkDetach(expire)))
})

/** Resumes a sandbox. Returns whether it was paused. */
export const resume = Effect.fnUntraced(function* (boxes: Boxes, box: Box, ttl: Duration.Input) {
  const resumed = box.state === "paused"
  if (box.pausedSince !== undefined) box.pausedMillis += (yield* Clock.currentTimeMillis) - box.pausedSince
  box.pausedSince = undefined
  box.state = "running"
  yield* box.awake.open
  yield* setTtl(boxes, box, ttl)
  return resumed
})
