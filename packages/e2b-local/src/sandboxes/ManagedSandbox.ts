/**
 * A sandbox as its registry holds it, with all that belongs to it.
 *
 * @since 0.1.0
 */
import { Clock, Deferred, Effect, FiberHandle, Latch, Option, Scope, Semaphore } from "effect"
import * as Path from "node:path"
import { ApiError } from "../api/ApiError.ts"
import * as Cgroups from "../host/Cgroups.ts"
import * as DiskQuota from "../host/DiskQuota.ts"
import type { RuntimeProvider } from "../isolation/SandboxRuntime.ts"
import * as SandboxMetrics from "./SandboxMetrics.ts"
import * as Pipes from "../host/pipes.ts"
import * as ProcessTable from "./ProcessTable.ts"
import { randomId, randomToken, type Sandbox, type SandboxStopped, type Spec } from "./Sandbox.ts"
import * as SandboxLog from "./SandboxLog.ts"
import * as DataDirectory from "./DataDirectory.ts"
import type { Limits } from "../isolation/shell.ts"

/** More of one sandbox at once wait. */
export const MAX_REQUESTS = 512

/** A sandbox, and what only its registry may touch. */
export interface ManagedSandbox extends Sandbox {
  /** Closing it ends the sandbox without a trace. */
  readonly scope: Scope.Closeable
  /** Held by whoever changes its state. */
  readonly lock: Semaphore.Semaphore
  /** Requests that are being handled; whoever takes all permits knows that there are none. */
  readonly requests: Semaphore.Semaphore
  /** Closed while no request may begin. */
  readonly gate: Latch.Latch
  readonly timer: FiberHandle.FiberHandle
  /** Fails as soon as the sandbox is to be removed, before its lock is taken. */
  readonly doomed: Deferred.Deferred<never, ApiError>
}

/** What every sandbox of a server has in common. */
export interface Options {
  readonly provider: RuntimeProvider
  /** Of each process. */
  readonly limits: Limits
  /** Of each sandbox, where the host allows it. */
  readonly shared: Cgroups.Limits & { readonly diskBytes: number | undefined }
  readonly readOnlyPaths: ReadonlyArray<string>
}

/** What sandboxes are made with: the options, and what the host allows. */
export interface Parts extends Options {
  readonly folder: DataDirectory.DataDirectory["Service"]
  readonly pipes: Pipes.Pipes
  readonly cgroups: Cgroups.Cgroups
  readonly disks: DiskQuota.DiskQuota
}

/** Finds out what the host allows. */
export const parts = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Parts, never, DataDirectory.DataDirectory> {
  const folder = yield* DataDirectory.DataDirectory
  return {
    ...options,
    folder,
    pipes: yield* Pipes.make(Path.join(folder.path, "pipes")),
    cgroups: yield* Cgroups.make(folder.path),
    disks: yield* DiskQuota.make(folder.path, options.shared.diskBytes)
  }
})

/** Boots a sandbox in the scope that it keeps, with the files of `seed`. Fails with 500. */
export const make = Effect.fnUntraced(
  function* (
    { cgroups, disks, folder, limits, provider, shared, ...common }: Parts,
    spec: Spec,
    seed: Option.Option<string>,
    scope: Scope.Closeable
  ) {
    const id = yield* randomId
    const directory = yield* folder.sandbox(id)
    yield* disks.attach(id, directory)
    const cage = yield* cgroups.cage(id, shared)
    const machine = yield* provider.boot({
      ...common,
      limits: { ...limits, processes: shared.processes },
      cage,
      directory,
      seed,
      internet: spec.internet
    })
    const log = SandboxLog.make()
    yield* log.write("sandbox created", { templateID: spec.templateId })
    const sandbox: ManagedSandbox = {
      id,
      spec,
      directory,
      machine,
      log,
      processes: yield* ProcessTable.make(machine, log),
      metrics: yield* SandboxMetrics.make(machine.usage, directory),
      token: yield* randomToken(""),
      trafficToken: spec.publicTraffic ? Option.none() : Option.some(yield* randomToken("")),
      startedAt: yield* Clock.currentTimeMillis,
      endAt: 0,
      state: "running",
      severed: Deferred.makeUnsafe<never, SandboxStopped>(),
      scope,
      lock: yield* Semaphore.make(1),
      requests: yield* Semaphore.make(MAX_REQUESTS),
      gate: yield* Latch.make(true),
      timer: yield* FiberHandle.make(),
      doomed: Deferred.makeUnsafe<never, ApiError>()
    }
    return sandbox
  },
  Effect.mapError((error) => new ApiError({ status: 500, message: error.message }))
)

// How long a sandbox that is to stand still waits for the requests to it.
const QUIET = "5 seconds"

/** Lets no request begin, waits for those that have, stops every process, and gives what undoes all of it. */
export const freeze = Effect.fnUntraced(function* (sandbox: ManagedSandbox) {
  yield* sandbox.gate.close
  const quiet = yield* Effect.timeoutOption(sandbox.requests.take(MAX_REQUESTS), QUIET)
  const thaw = Effect.gen(function* () {
    yield* Effect.catch(sandbox.machine.thaw, (error) =>
      Effect.logError("A sandbox could not be thawed", sandbox.id, error)
    )
    yield* sandbox.processes.resume
    if (Option.isSome(quiet)) yield* sandbox.requests.release(MAX_REQUESTS)
    yield* sandbox.gate.open
  })
  const stop = Effect.andThen(sandbox.processes.suspend, sandbox.machine.freeze)
  return yield* Effect.as(
    Effect.onError(stop, () => thaw),
    thaw
  )
})
