/**
 * The sandboxes of one server. Only this module creates, pauses, resumes, expires and kills them.
 *
 * @since 0.1.0
 */
import { Clock, Context, Deferred, Effect, Exit, FiberMap, Layer, Option, Scope, Semaphore } from "effect"
import * as Cgroups from "../host/Cgroups.ts"
import type { BootFiles, CommandError } from "../isolation/SandboxRuntime.ts"
import * as ManagedSandbox from "./ManagedSandbox.ts"
import { MAX_REQUESTS, type Sandbox, SandboxStopped, type Spec } from "./ManagedSandbox.ts"
import {
  HostFailed,
  type RegistryError,
  registryError,
  SandboxNotFound,
  SandboxPaused,
  SandboxRunning,
  ServerStopping
} from "./RegistryError.ts"

// The shortest ttl of a sandbox that a request has resumed, as at E2B.
const AUTO_RESUME_SECONDS = 300
// More creations at the same time only slow each other down.
const MAX_CREATES = 8

/** A timer may fire slightly early by the wall clock. */
const sleepUntil = (time: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    now >= time ? Effect.void : Effect.andThen(Effect.sleep(time - now), sleepUntil(time))
  )

type Operation = RegistryError["operation"]

const hostFailed = (operation: Operation) => (error: CommandError) =>
  registryError(operation, new HostFailed({ detail: error.message }))

const notFound = (operation: Operation, id: string) => registryError(operation, new SandboxNotFound({ id }))

const markStopped = (sandbox: ManagedSandbox.ManagedSandbox) =>
  Deferred.fail(sandbox.stopped, new SandboxStopped({ id: sandbox.id }))

/** How a paused sandbox continues: with its processes if it has them, or always with a fresh boot from its files. */
export type Resume = "restore" | "reboot"

export class SandboxRegistry extends Context.Service<
  SandboxRegistry,
  {
    /** Creates a sandbox. Fails with `HostFailed` or `ServerStopping` and then leaves nothing behind. */
    readonly create: (spec: Spec, files: BootFiles) => Effect.Effect<Sandbox, RegistryError>
    /** Fails with `SandboxNotFound`. */
    readonly get: (id: string) => Effect.Effect<Sandbox, RegistryError>
    readonly list: Effect.Effect<ReadonlyArray<Sandbox>>
    /** Resumes a paused sandbox. Extends the ttl of a running one and never shortens it. */
    readonly connect: (
      id: string,
      timeoutSeconds: number,
      resume?: Resume
    ) => Effect.Effect<{ readonly sandbox: Sandbox; readonly resumed: boolean }, RegistryError>
    /** Resumes a paused sandbox. Fails with `SandboxRunning`. */
    readonly resume: (id: string, timeoutSeconds: number) => Effect.Effect<Sandbox, RegistryError>
    /**
     * Resumes a paused sandbox that was created with `autoResume`, for its first ttl and at least for five minutes.
     * Does nothing for any other sandbox.
     */
    readonly wake: (id: string) => Effect.Effect<void, RegistryError>
    /** Without memory its processes end and only its files stay. Fails with `SandboxPaused`. */
    readonly pause: (id: string, keepMemory: boolean) => Effect.Effect<void, RegistryError>
    /** Sets the ttl from now on, longer or shorter. Fails with `SandboxPaused`. */
    readonly setTimeout: (id: string, seconds: number) => Effect.Effect<void, RegistryError>
    /** Extends the ttl from now on and never shortens it. Fails with `SandboxPaused`. */
    readonly extend: (id: string, seconds: number) => Effect.Effect<void, RegistryError>
    /** Fails with `SandboxNotFound`. */
    readonly kill: (id: string) => Effect.Effect<void, RegistryError>
    /** Handles a request to a running sandbox. Fails with `SandboxStopped` when it is not running or stops meanwhile. */
    readonly whileRunning: <A, E, R>(
      id: string,
      handle: (sandbox: Sandbox) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | SandboxStopped, R>
    /**
     * Uses a sandbox whose processes are frozen and whose state does not change meanwhile.
     *
     * **Details**
     *
     * Works for running and paused sandboxes. New requests wait until the end. A request that has not ended after five
     * seconds is frozen with the processes. Interrupted when the sandbox is killed. Fails with `SandboxNotFound`.
     */
    readonly whileFrozen: <A, E, R>(
      id: string,
      use: (sandbox: Sandbox) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | RegistryError, R>
    /** Which limits of a sandbox hold on this host. */
    readonly enforced: Cgroups.Enforced & { readonly disk: boolean }
    readonly live: Effect.Effect<number>
    /** Kills all sandboxes. */
    readonly killAll: Effect.Effect<void>
  }
>()("@remote-agent/e2b-local/SandboxRegistry") {}

const make = Effect.fnUntraced(function* (options: ManagedSandbox.Options) {
  const serverScope = yield* Effect.scope
  const parts = yield* ManagedSandbox.prepare(options)
  const creates = yield* Semaphore.make(MAX_CREATES)
  let stopping = false
  const held = new Map<string, ManagedSandbox.ManagedSandbox>()
  const closing = new Set<string>()
  const timers = yield* FiberMap.make<string>()
  const deaths = yield* FiberMap.make<string>()

  const find = (operation: Operation, id: string) =>
    Effect.suspend(() => {
      const sandbox = held.get(id)
      return sandbox === undefined ? Effect.fail(notFound(operation, id)) : Effect.succeed(sandbox)
    })

  /** Holds the lock of a sandbox that still exists. */
  const withLock = <A, E>(
    operation: Operation,
    id: string,
    use: (sandbox: ManagedSandbox.ManagedSandbox) => Effect.Effect<A, E>
  ) =>
    Effect.flatMap(find(operation, id), (sandbox) =>
      sandbox.lock.withPermit(
        Effect.suspend((): Effect.Effect<A, E | RegistryError> =>
          held.get(id) === sandbox ? use(sandbox) : Effect.fail(notFound(operation, id))
        )
      )
    )

  const arm = Effect.fnUntraced(function* (sandbox: ManagedSandbox.ManagedSandbox, seconds: number) {
    sandbox.endAt = (yield* Clock.currentTimeMillis) + seconds * 1000
    yield* FiberMap.run(
      timers,
      sandbox.id,
      // The expiry interrupts this timer, so it runs in another fiber.
      Effect.andThen(sleepUntil(sandbox.endAt), Effect.forkIn(expire(sandbox), serverScope))
    )
  })

  /** Removes the sandbox when its process tree dies by itself. */
  const watchDeath = (sandbox: ManagedSandbox.ManagedSandbox) =>
    FiberMap.run(
      deaths,
      sandbox.id,
      // The removal interrupts this fiber, so it runs in another one.
      Effect.andThen(sandbox.runtime.died, Effect.forkIn(Effect.ignore(remove(sandbox)), serverScope))
    )

  const removeUnlocked = Effect.fnUntraced(function* (sandbox: ManagedSandbox.ManagedSandbox) {
    held.delete(sandbox.id)
    closing.add(sandbox.id)
    yield* markStopped(sandbox)
    yield* FiberMap.remove(timers, sandbox.id)
    yield* FiberMap.remove(deaths, sandbox.id)
    // A process that is being started must be known to the scope before the scope closes. This may not take long.
    yield* Effect.timeoutOption(sandbox.requests.take(MAX_REQUESTS), "5 seconds")
    yield* Effect.ensuring(
      Scope.close(sandbox.scope, Exit.void),
      Effect.sync(() => closing.delete(sandbox.id))
    )
  }, Effect.uninterruptible)

  const remove = (sandbox: ManagedSandbox.ManagedSandbox): Effect.Effect<void, RegistryError> =>
    Effect.andThen(
      Deferred.fail(sandbox.doomed, notFound("kill", sandbox.id)),
      withLock("kill", sandbox.id, removeUnlocked)
    )

  const pauseUnlocked = Effect.fnUntraced(function* (
    sandbox: ManagedSandbox.ManagedSandbox,
    keepMemory: boolean
  ) {
    yield* FiberMap.remove(timers, sandbox.id)
    sandbox.state = "paused"
    yield* sandbox.log.write(keepMemory ? "sandbox paused" : "sandbox paused without memory")
    yield* markStopped(sandbox)
    yield* sandbox.requests.withPermits(MAX_REQUESTS)(
      keepMemory
        ? Effect.andThen(sandbox.processes.suspend, sandbox.runtime.freeze)
        : Effect.andThen(FiberMap.remove(deaths, sandbox.id), ManagedSandbox.halt(sandbox))
    )
  }, Effect.uninterruptible)

  const resumeUnlocked = Effect.fnUntraced(function* (
    sandbox: ManagedSandbox.ManagedSandbox,
    seconds: number,
    resume: Resume
  ) {
    if (resume === "restore" && Option.isSome(sandbox.bootScope)) {
      yield* Effect.mapError(sandbox.runtime.thaw, hostFailed("resume"))
      yield* sandbox.processes.resume
    } else {
      yield* FiberMap.remove(deaths, sandbox.id)
      yield* ManagedSandbox.halt(sandbox)
      yield* ManagedSandbox.boot(parts, sandbox)
      yield* watchDeath(sandbox)
      yield* sandbox.log.write("sandbox rebooted")
    }
    sandbox.stopped = Deferred.makeUnsafe()
    sandbox.state = "running"
    yield* sandbox.log.write("sandbox resumed")
    yield* arm(sandbox, seconds)
  }, Effect.uninterruptible)

  const expire = (sandbox: ManagedSandbox.ManagedSandbox): Effect.Effect<void> =>
    sandbox.lock
      .withPermit(
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          if (held.get(sandbox.id) !== sandbox || sandbox.state !== "running" || sandbox.endAt > now) return
          const { autoPause, autoPauseMemory } = sandbox.spec
          yield* autoPause ? pauseUnlocked(sandbox, autoPauseMemory) : removeUnlocked(sandbox)
        })
      )
      .pipe(
        Effect.catch((error) =>
          Effect.logError("A sandbox could not be paused at the end of its ttl", sandbox.id, error)
        )
      )

  const create = Effect.fn("SandboxRegistry.create")(function* (spec: Spec, files: BootFiles) {
    const scope = yield* Scope.make()
    const build = Effect.gen(function* () {
      const sandbox = yield* ManagedSandbox.make(parts, spec, files, scope)
      yield* arm(sandbox, spec.timeoutSeconds)
      held.set(sandbox.id, sandbox)
      yield* watchDeath(sandbox)
      return sandbox
    }).pipe(
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    return yield* (
      creates
        .withPermit(
          Effect.suspend(() =>
            stopping ? Effect.fail(registryError("create", new ServerStopping())) : build
          )
        )
        // A client that disconnects during a create finds the new sandbox in the list, as at E2B.
        .pipe(Effect.uninterruptible)
    )
  })

  const extendUnlocked = Effect.fnUntraced(function* (
    sandbox: ManagedSandbox.ManagedSandbox,
    seconds: number
  ) {
    const now = yield* Clock.currentTimeMillis
    if (now + seconds * 1000 > sandbox.endAt) yield* arm(sandbox, seconds)
  })

  const connect = Effect.fn("SandboxRegistry.connect")(function* (
    id: string,
    seconds: number,
    resume: Resume = "restore"
  ) {
    return yield* withLock("connect", id, (sandbox) =>
      sandbox.state === "paused"
        ? Effect.as(resumeUnlocked(sandbox, seconds, resume), { sandbox, resumed: true })
        : Effect.as(extendUnlocked(sandbox, seconds), { sandbox, resumed: false })
    )
  })

  const resume = Effect.fn("SandboxRegistry.resume")(function* (id: string, seconds: number) {
    return yield* withLock("resume", id, (sandbox) =>
      sandbox.state === "paused"
        ? Effect.as(resumeUnlocked(sandbox, seconds, "restore"), sandbox)
        : Effect.fail(registryError("resume", new SandboxRunning({ id })))
    )
  })

  const wake = Effect.fn("SandboxRegistry.wake")(function* (id: string) {
    const found = held.get(id)
    if (found === undefined || found.state === "running" || !found.spec.autoResume) return
    yield* withLock("resume", id, (sandbox) =>
      sandbox.state === "paused"
        ? resumeUnlocked(sandbox, Math.max(sandbox.spec.timeoutSeconds, AUTO_RESUME_SECONDS), "restore")
        : Effect.void
    )
  })

  const whenRunning = (
    operation: "pause" | "setTimeout",
    id: string,
    use: (sandbox: ManagedSandbox.ManagedSandbox) => Effect.Effect<void, CommandError>
  ) =>
    withLock(operation, id, (sandbox) =>
      sandbox.state === "paused"
        ? Effect.fail(registryError(operation, new SandboxPaused({ id })))
        : Effect.mapError(use(sandbox), hostFailed(operation))
    )

  const pause = Effect.fn("SandboxRegistry.pause")((id: string, keepMemory: boolean) =>
    whenRunning("pause", id, (sandbox) => pauseUnlocked(sandbox, keepMemory))
  )

  const setTimeout = Effect.fn("SandboxRegistry.setTimeout")((id: string, seconds: number) =>
    whenRunning("setTimeout", id, (sandbox) => arm(sandbox, seconds))
  )

  const extend = Effect.fn("SandboxRegistry.extend")((id: string, seconds: number) =>
    whenRunning("setTimeout", id, (sandbox) => extendUnlocked(sandbox, seconds))
  )

  const kill = Effect.fn("SandboxRegistry.kill")((id: string) => Effect.flatMap(find("kill", id), remove))

  const whileRunning = <A, E, R>(id: string, handle: (sandbox: Sandbox) => Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | SandboxStopped, R> => {
      const sandbox = held.get(id)
      if (sandbox === undefined || sandbox.state !== "running") return Effect.fail(new SandboxStopped({ id }))
      const stopped = Deferred.await(sandbox.stopped)
      const handled = Effect.andThen(sandbox.gate.await, sandbox.requests.withPermit(handle(sandbox)))
      return Effect.raceFirst(handled, stopped)
    })

  const whileFrozen = <A, E, R>(id: string, use: (sandbox: Sandbox) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(find("snapshot", id), (sandbox) =>
      sandbox.lock.withPermit(
        Effect.suspend((): Effect.Effect<A, E | RegistryError, R> => {
          if (held.get(id) !== sandbox) return Effect.fail(notFound("snapshot", id))
          const used = Effect.raceFirst(use(sandbox), Deferred.await(sandbox.doomed))
          if (sandbox.state === "paused") return used
          const freeze = Effect.mapError(ManagedSandbox.freeze(sandbox), hostFailed("snapshot"))
          return Effect.acquireUseRelease(
            freeze,
            () => used,
            (thaw) => thaw
          )
        })
      )
    )

  const killAll = Effect.suspend(() =>
    Effect.forEach(held.values(), (sandbox) => Effect.ignore(remove(sandbox)), {
      concurrency: 8,
      discard: true
    })
  )

  yield* Effect.addFinalizer(
    Effect.fnUntraced(function* () {
      stopping = true
      // A sandbox that is being created now is known afterwards and killed with the rest.
      yield* Effect.timeoutOption(creates.take(MAX_CREATES), "30 seconds")
      yield* killAll
    })
  )

  return SandboxRegistry.of({
    create,
    get: (id) => find("get", id),
    list: Effect.sync(() => [...held.values()]),
    connect,
    resume,
    wake,
    pause,
    setTimeout,
    extend,
    kill,
    whileRunning,
    whileFrozen,
    enforced: { ...parts.cgroups.enforced, disk: parts.disks.enforced },
    live: Effect.sync(() => held.size + closing.size),
    killAll
  })
})

/** The registry of one server. All of its sandboxes are killed when the scope closes. */
export const layer = (options: ManagedSandbox.Options) => Layer.effect(SandboxRegistry, make(options))
