/**
 * The sandboxes of one server: created, paused, resumed, expired and killed here and nowhere else.
 *
 * @since 0.1.0
 */
import { Clock, Context, Deferred, Effect, Exit, FiberHandle, Layer, Option, Scope, Semaphore } from "effect"
import { ApiError } from "../api/ApiError.ts"
import * as Cgroups from "../host/Cgroups.ts"
import type { RpcError } from "../envd/ConnectProtocol.ts"
import * as ManagedSandbox from "./ManagedSandbox.ts"
import { MAX_REQUESTS } from "./ManagedSandbox.ts"
import { type Sandbox, SandboxStopped, type Spec } from "./Sandbox.ts"

const WOKEN_SECONDS = 300
// More at once only makes each of them slower.
const MAX_CREATES = 8
/** A timer may ring a little early by the clock on the wall. */
const sleepUntil = (time: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    now >= time ? Effect.void : Effect.andThen(Effect.sleep(time - now), sleepUntil(time))
  )

const failed = (error: RpcError) => new ApiError({ status: 500, message: error.message })

const notFound = (id: string) => new ApiError({ status: 404, message: `sandbox "${id}" was not found` })

const sever = (sandbox: ManagedSandbox.ManagedSandbox) =>
  Deferred.fail(sandbox.severed, new SandboxStopped({ id: sandbox.id }))

export class SandboxRegistry extends Context.Service<
  SandboxRegistry,
  {
    /**
     * With the files of the folder `seed`. Fails with 500 when the process tree does not come up; then nothing of it
     * is left.
     */
    readonly create: (spec: Spec, seed: Option.Option<string>) => Effect.Effect<Sandbox, ApiError>
    /** Fails with 404 when there is no such sandbox, running or paused. */
    readonly get: (id: string) => Effect.Effect<Sandbox, ApiError>
    readonly list: Effect.Effect<ReadonlyArray<Sandbox>>
    /** Succeeds with whether it had to be resumed; a running one is only extended, never shortened. */
    readonly connect: (
      id: string,
      timeoutSeconds: number
    ) => Effect.Effect<{ readonly sandbox: Sandbox; readonly resumed: boolean }, ApiError>
    /**
     * Resumes it when it is paused and was created with `autoResume`, for its first timeout again and at least for
     * five minutes, as at E2B; else does nothing.
     */
    readonly wake: (id: string) => Effect.Effect<void, ApiError>
    /** Fails with 409 when it is paused. */
    readonly pause: (id: string) => Effect.Effect<void, ApiError>
    /** From now on, longer or shorter. Fails with 409 when it is paused. */
    readonly setTimeout: (id: string, seconds: number) => Effect.Effect<void, ApiError>
    /** Fails with 404 when there is nothing to kill. */
    readonly kill: (id: string) => Effect.Effect<void, ApiError>
    /**
     * Runs the handling of a request to a running sandbox; fails with `Severed` when the sandbox is not running,
     * or stops to be while the request is handled.
     */
    readonly whileRunning: <A, E, R>(
      id: string,
      handle: (sandbox: Sandbox) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | SandboxStopped, R>
    /**
     * Uses a sandbox whose processes stand still, running or paused, and that stays in its state meanwhile. Requests to
     * it wait until then; one that has not ended after five seconds is stopped with the processes. Given up when the
     * sandbox is killed. Fails with 404 when there is no such sandbox.
     */
    readonly whileFrozen: <A, E, R>(
      id: string,
      use: (sandbox: Sandbox) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | ApiError, R>
    /** Which limits of a sandbox hold here. */
    readonly enforced: Cgroups.Enforced & { readonly disk: boolean }
    readonly live: Effect.Effect<number>
    /** Kills all, as the end of the server does. */
    readonly killAll: Effect.Effect<void>
  }
>()("@remote-agent/e2b-local/SandboxRegistry") {}

const make = Effect.fnUntraced(function* (options: ManagedSandbox.Options) {
  const serverScope = yield* Effect.scope
  const parts = yield* ManagedSandbox.parts(options)
  const creates = yield* Semaphore.make(MAX_CREATES)
  let ended = false
  const held = new Map<string, ManagedSandbox.ManagedSandbox>()
  const closing = new Set<string>()

  const find = (id: string) =>
    Effect.suspend(() => {
      const sandbox = held.get(id)
      return sandbox === undefined ? Effect.fail(notFound(id)) : Effect.succeed(sandbox)
    })

  const arm = Effect.fnUntraced(function* (sandbox: ManagedSandbox.ManagedSandbox, seconds: number) {
    sandbox.endAt = (yield* Clock.currentTimeMillis) + seconds * 1000
    yield* FiberHandle.run(
      sandbox.timer,
      // The expiry stops this very timer, so it runs beside it.
      Effect.andThen(sleepUntil(sandbox.endAt), Effect.forkIn(expire(sandbox), serverScope))
    )
  })

  const removeUnlocked = Effect.fnUntraced(function* (sandbox: ManagedSandbox.ManagedSandbox) {
    held.delete(sandbox.id)
    closing.add(sandbox.id)
    yield* sever(sandbox)
    // What is being started must be known to the scope before it closes; nothing may hold that up for long.
    yield* Effect.timeoutOption(sandbox.requests.take(MAX_REQUESTS), "5 seconds")
    yield* Effect.ensuring(
      Scope.close(sandbox.scope, Exit.void),
      Effect.sync(() => closing.delete(sandbox.id))
    )
  }, Effect.uninterruptible)

  const remove = (sandbox: ManagedSandbox.ManagedSandbox) =>
    Effect.andThen(
      Deferred.fail(sandbox.doomed, notFound(sandbox.id)),
      sandbox.lock.withPermit(
        Effect.suspend(() =>
          held.get(sandbox.id) === sandbox ? removeUnlocked(sandbox) : Effect.fail(notFound(sandbox.id))
        )
      )
    )

  const pauseUnlocked = Effect.fnUntraced(function* (sandbox: ManagedSandbox.ManagedSandbox) {
    yield* FiberHandle.clear(sandbox.timer)
    sandbox.state = "paused"
    yield* sandbox.log.write("sandbox paused")
    yield* sever(sandbox)
    yield* sandbox.requests.withPermits(MAX_REQUESTS)(
      Effect.andThen(sandbox.processes.suspend, sandbox.machine.freeze)
    )
  }, Effect.uninterruptible)

  const resumeUnlocked = Effect.fnUntraced(function* (
    sandbox: ManagedSandbox.ManagedSandbox,
    seconds: number
  ) {
    yield* sandbox.machine.thaw
    yield* sandbox.processes.resume
    sandbox.severed = Deferred.makeUnsafe()
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
          yield* sandbox.spec.autoPause ? pauseUnlocked(sandbox) : removeUnlocked(sandbox)
        })
      )
      .pipe(
        Effect.catch((error) =>
          Effect.logError("A sandbox could not be paused at its end", sandbox.id, error)
        )
      )

  const create = Effect.fn("SandboxRegistry.create")(function* (spec: Spec, seed: Option.Option<string>) {
    const scope = yield* Scope.make()
    const build = Effect.gen(function* () {
      const sandbox = yield* ManagedSandbox.make(parts, spec, seed, scope)
      yield* arm(sandbox, spec.timeoutSeconds)
      held.set(sandbox.id, sandbox)
      // The removal closes the scope that waits for the death, so it runs beside it.
      yield* Effect.forkIn(
        Effect.andThen(sandbox.machine.died, Effect.forkIn(Effect.ignore(remove(sandbox)), serverScope)),
        scope
      )
      return sandbox
    }).pipe(
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    const ending = new ApiError({ status: 503, message: "the server is ending" })
    return yield* (
      creates
        .withPermit(Effect.suspend(() => (ended ? Effect.fail(ending) : build)))
        // A client that goes away during a create finds what it created in the list, as at E2B.
        .pipe(Effect.uninterruptible)
    )
  })

  const connect = Effect.fn("SandboxRegistry.connect")(function* (id: string, seconds: number) {
    const sandbox = yield* find(id)
    const resumed = yield* sandbox.lock
      .withPermit(
        Effect.gen(function* () {
          if (held.get(id) !== sandbox) return yield* notFound(id)
          if (sandbox.state === "paused") {
            yield* resumeUnlocked(sandbox, seconds)
            return true
          }
          const now = yield* Clock.currentTimeMillis
          if (now + seconds * 1000 > sandbox.endAt) yield* arm(sandbox, seconds)
          return false
        })
      )
      .pipe(Effect.catchTag("RpcError", (error) => Effect.fail(failed(error))))
    return { sandbox, resumed }
  })

  const wake = Effect.fn("SandboxRegistry.wake")(function* (id: string) {
    const sandbox = held.get(id)
    if (sandbox === undefined || sandbox.state === "running" || !sandbox.spec.autoResume) return
    yield* sandbox.lock
      .withPermit(
        Effect.suspend(() =>
          held.get(id) === sandbox && sandbox.state === "paused"
            ? resumeUnlocked(sandbox, Math.max(sandbox.spec.timeoutSeconds, WOKEN_SECONDS))
            : Effect.void
        )
      )
      .pipe(Effect.catchTag("RpcError", (error) => Effect.fail(failed(error))))
  })

  const pause = Effect.fn("SandboxRegistry.pause")(function* (id: string) {
    const sandbox = yield* find(id)
    yield* sandbox.lock
      .withPermit(
        Effect.gen(function* () {
          if (held.get(id) !== sandbox) return yield* notFound(id)
          if (sandbox.state === "paused") {
            return yield* new ApiError({ status: 409, message: `sandbox "${id}" is already paused` })
          }
          yield* pauseUnlocked(sandbox)
        })
      )
      .pipe(Effect.catchTag("RpcError", (error) => Effect.fail(failed(error))))
  })

  const setTimeout = Effect.fn("SandboxRegistry.setTimeout")(function* (id: string, seconds: number) {
    const sandbox = yield* find(id)
    yield* sandbox.lock.withPermit(
      Effect.gen(function* () {
        if (held.get(id) !== sandbox) return yield* notFound(id)
        if (sandbox.state === "paused") {
          return yield* new ApiError({ status: 409, message: `sandbox "${id}" is paused and has no timeout` })
        }
        yield* arm(sandbox, seconds)
      })
    )
  })

  const kill = Effect.fn("SandboxRegistry.kill")((id: string) => Effect.flatMap(find(id), remove))

  const whileRunning = <A, E, R>(id: string, handle: (sandbox: Sandbox) => Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | SandboxStopped, R> => {
      const sandbox = held.get(id)
      if (sandbox === undefined || sandbox.state !== "running") return Effect.fail(new SandboxStopped({ id }))
      const severed = Deferred.await(sandbox.severed)
      const handled = Effect.andThen(sandbox.gate.await, sandbox.requests.withPermit(handle(sandbox)))
      return Effect.raceFirst(handled, severed)
    })

  const whileFrozen = <A, E, R>(id: string, use: (sandbox: Sandbox) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(find(id), (sandbox) =>
      sandbox.lock.withPermit(
        Effect.suspend((): Effect.Effect<A, E | ApiError, R> => {
          if (held.get(id) !== sandbox) return Effect.fail(notFound(id))
          const used = Effect.raceFirst(use(sandbox), Deferred.await(sandbox.doomed))
          if (sandbox.state === "paused") return used
          const freeze = Effect.mapError(ManagedSandbox.freeze(sandbox), failed)
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
      ended = true
      // What is being created now is known afterwards, and killed with the rest.
      yield* Effect.timeoutOption(creates.take(MAX_CREATES), "30 seconds")
      yield* killAll
    })
  )

  return SandboxRegistry.of({
    create,
    get: find,
    list: Effect.sync(() => [...held.values()]),
    connect,
    wake,
    pause,
    setTimeout,
    kill,
    whileRunning,
    whileFrozen,
    enforced: { ...parts.cgroups.enforced, disk: parts.disks.enforced },
    live: Effect.sync(() => held.size + closing.size),
    killAll
  })
})

/** The registry of one server; all of its sandboxes are killed when the scope closes. */
export const layer = (options: ManagedSandbox.Options) => Layer.effect(SandboxRegistry, make(options))
