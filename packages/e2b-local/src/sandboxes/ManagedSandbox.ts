/**
 * One sandbox with all the resources that belong to it.
 *
 * @since 0.1.0
 */
import { Clock, Deferred, Effect, Exit, Latch, Option, Redacted, Schema, Scope, Semaphore } from "effect"
import * as Crypto from "node:crypto"
import * as Path from "node:path"
import * as Cgroups from "../host/Cgroups.ts"
import * as DiskQuota from "../host/DiskQuota.ts"
import * as Pipes from "../host/pipes.ts"
import type { BootFiles, RuntimeProvider, SandboxRuntime } from "../isolation/SandboxRuntime.ts"
import type { Limits } from "../isolation/shell.ts"
import * as DataDirectory from "./DataDirectory.ts"
import * as ProcessTable from "./ProcessTable.ts"
import { HostFailed, type RegistryError, registryError } from "./RegistryError.ts"
import * as SandboxLog from "./SandboxLog.ts"
import * as SandboxMetrics from "./SandboxMetrics.ts"
import * as WatcherTable from "./WatcherTable.ts"

/** A request was interrupted because its sandbox was paused or killed. */
export class SandboxStopped extends Schema.TaggedError<SandboxStopped>()("SandboxStopped", {
  id: Schema.String
}) {
  override get message() {
    return `sandbox ${this.id} was paused or killed`
  }
}

/** What a sandbox is created with. */
export interface Spec {
  readonly templateId: string
  readonly metadata: Readonly<Record<string, string>>
  readonly envVars: Readonly<Record<string, string>>
  readonly timeoutSeconds: number
  /** Whether it is paused instead of killed at the end of its ttl. */
  readonly autoPause: boolean
  /** Whether that pause keeps its processes, or only its files. */
  readonly autoPauseMemory: boolean
  /** Whether a request to it resumes it. */
  readonly autoResume: boolean
  readonly internet: boolean
  /** Whether its ports can be reached without a token. */
  readonly publicTraffic: boolean
}

/** The parts of a sandbox that a reboot replaces. */
interface Booted {
  readonly runtime: SandboxRuntime
  readonly processes: ProcessTable.ProcessTable
  readonly watchers: WatcherTable.WatcherTable
  readonly metrics: SandboxMetrics.SandboxMetrics
}

/** A sandbox, running or paused. Only the registry changes it. */
export interface Sandbox extends Readonly<Booted> {
  readonly id: string
  readonly spec: Spec
  /** The folder of its files on the host. */
  readonly directory: string
  readonly token: Redacted.Redacted
  /** The token that requests to its ports must carry. None when every port is public. */
  readonly trafficToken: Option.Option<Redacted.Redacted>
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly log: SandboxLog.SandboxLog
  /** Milliseconds since the epoch. */
  readonly endAt: number
  readonly state: "running" | "paused"
  /** Fails when the sandbox is paused or killed. Each resume makes a new one. */
  readonly stopped: Deferred.Deferred<never, SandboxStopped>
}

/** A sandbox with the parts that only its registry uses. */
export interface ManagedSandbox extends Sandbox {
  /** Closing it ends the sandbox and leaves nothing behind. */
  readonly scope: Scope.Closeable
  readonly cgroup: Cgroups.CgroupScope
  /** Held while its state changes. */
  readonly lock: Semaphore.Semaphore
  /** One permit per request. Holding all of them means that there are no requests. */
  readonly requests: Semaphore.Semaphore
  /** Closed while no request may start. */
  readonly gate: Latch.Latch
  /** Fails as soon as the sandbox is to be removed, before its lock is taken. */
  readonly doomed: Deferred.Deferred<never, RegistryError>
  booted: Booted
  /** Closing it ends its processes. None while it is paused without memory. */
  bootScope: Option.Option<Scope.Closeable>
  endAt: number
  state: "running" | "paused"
  stopped: Deferred.Deferred<never, SandboxStopped>
}

/** Requests to one sandbox at the same time. More of them wait. */
export const MAX_REQUESTS = 512

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"

/** Random digits and lower case letters. */
export const alphanumeric = (length: number): string =>
  Array.from({ length }, () => ALPHABET[Crypto.randomInt(ALPHABET.length)]).join("")

/** A random id in the form of E2B's. */
const randomId = Effect.sync(() => `i${alphanumeric(19)}`)

/** A random secret. */
export const randomToken = (prefix: string) =>
  Effect.sync(() => Redacted.make(prefix + Crypto.randomBytes(24).toString("hex")))

/** Options that all sandboxes of a server share. */
export interface Options {
  readonly provider: RuntimeProvider
  /** Limits of each process. */
  readonly limits: Limits
  /** Limits of each sandbox, where the host allows them. */
  readonly shared: Cgroups.Limits & { readonly diskBytes: number | undefined }
  readonly readOnlyPaths: ReadonlyArray<string>
  readonly userNamespaces: boolean
}

/** The options and what the host allows. */
export interface Parts extends Options {
  readonly folder: DataDirectory.DataDirectory["Service"]
  readonly pipes: Pipes.Pipes
  readonly cgroups: Cgroups.Cgroups
  readonly disks: DiskQuota.DiskQuota
}

/** Probes what the host allows. */
export const prepare = Effect.fnUntraced(function* (
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

const hostFailed = (error: { readonly message: string }) =>
  registryError("create", new HostFailed({ detail: error.message }))

/** Boots the runtime of a sandbox in a scope of its own, inside of the scope of the sandbox. */
const bootIn = Effect.fnUntraced(function* (
  { limits, provider, shared, ...common }: Parts,
  sandbox: Pick<ManagedSandbox, "directory" | "cgroup" | "spec" | "log" | "scope">,
  files: BootFiles
) {
  const scope = yield* Scope.fork(sandbox.scope)
  const booted = yield* Effect.gen(function* () {
    const runtime = yield* provider.boot({
      pipes: common.pipes,
      readOnlyPaths: common.readOnlyPaths,
      userNamespaces: common.userNamespaces,
      limits: { ...limits, processes: shared.processes },
      cgroup: sandbox.cgroup,
      directory: sandbox.directory,
      files,
      internet: sandbox.spec.internet
    })
    return {
      runtime,
      processes: yield* ProcessTable.make(runtime, sandbox.log),
      watchers: yield* WatcherTable.make(runtime),
      metrics: yield* SandboxMetrics.make(runtime.usage, sandbox.directory)
    } satisfies Booted
  }).pipe(
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  return { booted, scope }
})

/** Creates and boots a sandbox in a scope that it keeps. Fails with `HostFailed`. */
export const make = Effect.fnUntraced(function* (
  parts: Parts,
  spec: Spec,
  files: BootFiles,
  scope: Scope.Closeable
) {
  const id = yield* randomId
  const directory = yield* parts.folder.sandbox(id)
  yield* parts.disks.attach(id, directory)
  const cgroup = yield* parts.cgroups.scope(id, parts.shared)
  const log = SandboxLog.make()
  yield* log.write("sandbox created", { templateID: spec.templateId })
  const { booted, scope: bootScope } = yield* bootIn(parts, { directory, cgroup, spec, log, scope }, files)
  const sandbox: ManagedSandbox = {
    id,
    spec,
    directory,
    log,
    scope,
    cgroup,
    booted,
    bootScope: Option.some(bootScope),
    token: yield* randomToken(""),
    trafficToken: spec.publicTraffic ? Option.none() : Option.some(yield* randomToken("")),
    startedAt: yield* Clock.currentTimeMillis,
    endAt: 0,
    state: "running",
    stopped: Deferred.makeUnsafe(),
    doomed: Deferred.makeUnsafe(),
    lock: yield* Semaphore.make(1),
    requests: yield* Semaphore.make(MAX_REQUESTS),
    gate: yield* Latch.make(true),
    get runtime() {
      return this.booted.runtime
    },
    get processes() {
      return this.booted.processes
    },
    get watchers() {
      return this.booted.watchers
    },
    get metrics() {
      return this.booted.metrics
    }
  }
  return sandbox
}, Effect.mapError(hostFailed))

/** Ends all processes of a sandbox and keeps its files. */
export const halt = Effect.fnUntraced(function* (sandbox: ManagedSandbox) {
  if (Option.isNone(sandbox.bootScope)) return
  const scope = sandbox.bootScope.value
  sandbox.bootScope = Option.none()
  yield* Scope.close(scope, Exit.void)
})

/** Boots a halted sandbox from its files. Fails with `HostFailed`. */
export const boot = Effect.fnUntraced(function* (parts: Parts, sandbox: ManagedSandbox) {
  const { booted, scope } = yield* Effect.mapError(bootIn(parts, sandbox, { _tag: "Kept" }), hostFailed)
  sandbox.booted = booted
  sandbox.bootScope = Option.some(scope)
})

// How long a sandbox that is to be frozen waits for its requests.
const DRAIN_TIMEOUT = "5 seconds"

/** Blocks new requests, waits for those that have started, and stops every process. Returns what undoes all of it. */
export const freeze = Effect.fnUntraced(function* (sandbox: ManagedSandbox) {
  yield* sandbox.gate.close
  const drained = yield* Effect.timeoutOption(sandbox.requests.take(MAX_REQUESTS), DRAIN_TIMEOUT)
  const thaw = Effect.gen(function* () {
    yield* Effect.catch(sandbox.runtime.thaw, (error) =>
      Effect.logError("A sandbox could not be thawed", sandbox.id, error)
    )
    yield* sandbox.processes.resume
    if (Option.isSome(drained)) yield* sandbox.requests.release(MAX_REQUESTS)
    yield* sandbox.gate.open
  })
  const stop = Effect.andThen(sandbox.processes.suspend, sandbox.runtime.freeze)
  return yield* Effect.as(
    Effect.onError(stop, () => thaw),
    thaw
  )
})
