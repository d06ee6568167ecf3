import { Id, SandboxError, SandboxLabels } from "@remote-agent/domain"
import {
  Cause,
  Clock,
  Context,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  FiberHandle,
  Latch,
  Layer,
  Queue,
  Redacted,
  Ref,
  Scope,
  Stream
} from "effect"
import * as Heartbeat from "../internal/keepAlive.ts"
import * as MemoryFiles from "./internal/files.ts"
import * as MemoryJobs from "./internal/jobs.ts"
import { collect, timed } from "../e2b/internal/output.ts"
import type {
  Command,
  ProcessEvent,
  Sandbox,
  SandboxFiles,
  SandboxInfo,
  SandboxJobs,
  SandboxSpec
} from "../Sandbox.ts"
import { type Filter, Sandboxes } from "../Sandboxes.ts"

/** What a program sees of the sandbox it runs in. */
export interface Machine {
  readonly id: Id.SandboxId
  /** The sandbox's environment with that of the command over it. */
  readonly env: Readonly<Record<string, string>>
  /** The folder the command was started in; absolute. */
  readonly cwd: string
  /** While the sandbox is paused, every use of them waits. */
  readonly files: SandboxFiles
  /** Starts something that outlives the command and ends with the sandbox. */
  readonly daemon: (effect: Effect.Effect<unknown, SandboxError.SandboxError>) => Effect.Effect<void>
}

/** What a scripted program does: output, and at the end an `Exit`. One that ends without has exit code 0. */
export type Program = Stream.Stream<ProcessEvent, SandboxError.SandboxError>

/** A request that was made of the provider, for assertions on what was done and in which order. */
export interface Call {
  readonly operation: SandboxError.Operation
  readonly sandboxId?: Id.SandboxId | undefined
}

/** How the provider behaves. */
export interface Options {
  /** The program that a command is; a command without one ends with exit code 127. */
  readonly run?: ((command: Command, machine: Machine) => Program | undefined) | undefined
  /** A reason makes the call fail before anything is done. Called for every call, in order. */
  readonly fault?: ((call: Call, index: number) => SandboxError.Reason | undefined) | undefined
  /** How long a call takes. */
  readonly latency?: ((call: Call) => Duration.Input) | undefined
}

/** What the provider holds now and what it was asked: what tests assert on. */
export class Ledger extends Context.Service<
  Ledger,
  {
    /** The sandboxes that exist, running or paused. */
    readonly alive: Effect.Effect<ReadonlyArray<SandboxInfo>>
    /** Commands that run now. */
    readonly commands: Effect.Effect<number>
    /** The most sandboxes that ever existed at the same time. */
    readonly peak: Effect.Effect<number>
    readonly calls: Effect.Effect<ReadonlyArray<Call>>
    /** The templates of the snapshots that exist. */
    readonly snapshots: Effect.Effect<ReadonlyArray<string>>
  }
>()("@remote-agent/sandbox/MemorySandboxes/Ledger") {}

/** A program that writes `stdout` and ends. */
export const answer = (stdout: string, exitCode = 0): Program =>
  Stream.make<ReadonlyArray<ProcessEvent>>({ _tag: "Stdout", text: stdout }, { _tag: "Exit", exitCode })

/** The home folder of every sandbox in memory. */
export const home = "/home/user"

const SNAPSHOT = "mem-snapshot-"

const unknownProgram = (command: Command): Program =>
  Stream.make<ReadonlyArray<ProcessEvent>>(
    { _tag: "Stderr", text: `${"argv" in command ? command.argv[0] : "bash"}: command not found\n` },
    { _tag: "Exit", exitCode: 127 }
  )

const matches = (filter: Filter) => (info: SandboxInfo) =>
  (filter.state === undefined || filter.state === info.state) &&
  Object.entries(filter.metadata ?? {}).every(([key, value]) => info.metadata[key] === value)

/** Ends a stream with a failure. */
type Cut = (error: SandboxError.SandboxError) => void

interface Box {
  readonly id: Id.SandboxId
  readonly spec: SandboxSpec
  readonly metadata: Readonly<Record<string, string>>
  readonly startedAt: DateTime.Utc
  readonly contents: MemoryFiles.Contents
  readonly files: SandboxFiles
  readonly scope: Scope.Closeable
  /** Open while it is awake. */
  readonly awake: Latch.Latch
  /** Ends every stream that is open, with the reason. */
  readonly streams: Set<Cut>
  readonly jobs: SandboxJobs
  /** How long it slept before it was woken the last time, in milliseconds. */
  slept: number
  /** When it fell asleep, where it sleeps. */
  asleepSince: number | undefined
  readonly expiry: FiberHandle.FiberHandle
  state: "running" | "paused"
  endsAt: DateTime.Utc
}

const plain = (env: SandboxSpec["env"]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env ?? {}).map(([name, value]) => [
      name,
      Redacted.isRedacted(value) ? Redacted.value(value) : value
    ])
  )

/** The provider in memory, with its ledger. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const boxes = new Map<Id.SandboxId, Box>()
  const snapshots = new Map<string, MemoryFiles.Contents>()
  const calls = yield* Ref.make<ReadonlyArray<Call>>([])
  const [commands, peak] = [yield* Ref.make(0), yield* Ref.make(0)]

  const failure = (call: Call, reason: SandboxError.Reason) =>
    SandboxError.fail(call.operation, reason, call.sandboxId)

  const called = Effect.fnUntraced(function* (operation: Call["operation"], sandboxId?: Id.SandboxId) {
    const call: Call = { operation, sandboxId }
    const index = (yield* Ref.getAndUpdate(calls, (all) => [...all, call])).length
    const latency = options.latency?.(call)
    if (latency !== undefined) yield* Effect.sleep(latency)
    const reason = options.fault?.(call, index)
    if (reason !== undefined) return yield* failure(call, reason)
    return call
  })

  const boxOf = Effect.fnUntraced(function* (operation: Call["operation"], sandboxId: Id.SandboxId) {
    const call = yield* called(operation, sandboxId)
    const box = boxes.get(sandboxId)
    return box ?? (yield* failure(call, new SandboxError.Gone({})))
  })

  const awakeBox = Effect.fnUntraced(function* (operation: Call["operation"], sandboxId: Id.SandboxId) {
    const box = yield* boxOf(operation, sandboxId)
    return box.state === "running"
      ? box
      : yield* failure({ operation, sandboxId }, new SandboxError.Paused({}))
  })

  const cutStreams = (box: Box, reason: SandboxError.Reason) => {
    for (const cut of box.streams) cut(SandboxError.fail("spawn", reason, box.id))
    box.streams.clear()
  }

  const end = Effect.fnUntraced(function* (box: Box, reason: SandboxError.Reason) {
    if (!boxes.delete(box.id)) return
    cutStreams(box, reason)
    yield* Scope.close(box.scope, Exit.void)
  })

  const sleep = Effect.fnUntraced(function* (box: Box) {
    box.asleepSince ??= yield* Clock.currentTimeMillis
    box.state = "paused"
    yield* box.awake.close
    cutStreams(box, new SandboxError.Paused({}))
    yield* FiberHandle.clear(box.expiry)
  })

  const arm = Effect.fnUntraced(function* (box: Box, ttl: Duration.Input) {
    box.endsAt = DateTime.addDuration(yield* DateTime.now, ttl)
    const expire = box.spec.onExpiry === "pause" ? sleep(box) : end(box, new SandboxError.Expired({}))
    // Forked from here, the expiry would wait for itself to end when it closes the scope it lives in.
    yield* FiberHandle.run(box.expiry, Effect.andThen(Effect.sleep(ttl), Effect.forkDetach(expire)))
  })

  const wake = Effect.fnUntraced(function* (box: Box, ttl: Duration.Input) {
    const resumed = box.state === "paused"
    if (box.asleepSince !== undefined) box.slept += (yield* Clock.currentTimeMillis) - box.asleepSince
    box.asleepSince = undefined
    box.state = "running"
    yield* box.awake.open
    yield* arm(box, ttl)
    return resumed
  })

  const folderOf = Effect.fnUntraced(function* (box: Box, command: Command) {
    const cwd = MemoryFiles.resolve(home, command.cwd ?? home)
    yield* Effect.catchReason(box.files.stat(cwd), "SandboxError", "FileNotFound", () =>
      Effect.fail(
        failure(
          { operation: "spawn", sandboxId: box.id },
          new SandboxError.InvalidRequest({ detail: "there is no such folder to start in" })
        )
      )
    )
    return cwd
  })

  const programOf = (box: Box, command: Command, cwd: string): Program => {
    const machine: Machine = {
      id: box.id,
      env: { HOME: home, ...plain(box.spec.env), ...command.env },
      cwd,
      files: MemoryFiles.guarded(() => Effect.as(box.awake.await, box.files)),
      daemon: (effect) => Effect.asVoid(Effect.forkIn(effect, box.scope))
    }
    return options.run?.(command, machine) ?? unknownProgram(command)
  }

  /** One command more, while the scope is open. */
  const counted = Effect.acquireRelease(
    Ref.update(commands, (count) => count + 1),
    () => Ref.update(commands, (count) => count - 1)
  )

  /** Ends with the sandbox, or when it is put to sleep, while the scope is open. */
  const cuttable = (box: Box, cut: Cut) =>
    Effect.acquireRelease(
      Effect.sync(() => box.streams.add(cut)),
      () => Effect.sync(() => box.streams.delete(cut))
    )

  const spawn = (
    id: Id.SandboxId,
    command: Command
  ): Stream.Stream<ProcessEvent, SandboxError.SandboxError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const box = yield* awakeBox("spawn", id)
        const cwd = yield* folderOf(box, command)
        const queue = yield* Queue.bounded<ProcessEvent, SandboxError.SandboxError | Cause.Done>(16)
        yield* cuttable(box, (error) => Queue.failCauseUnsafe(queue, Cause.fail(error)))
        const program = programOf(box, command, cwd)
        const write = (event: ProcessEvent) => Effect.andThen(box.awake.await, Queue.offer(queue, event))
        yield* counted
        const body = Stream.runForEach(
          Stream.takeUntil(
            Stream.concat(program, Stream.make<ReadonlyArray<ProcessEvent>>({ _tag: "Exit", exitCode: 0 })),
            (event) => event._tag === "Exit"
          ),
          write
        ).pipe(
          Effect.andThen(Queue.end(queue)),
          Effect.catchCause((cause) => Queue.failCause(queue, cause))
        )
        const fiber = yield* Effect.forkIn(body, box.scope)
        // A command that is left dies with its stream, unless its sandbox is asleep: there it sleeps on.
        yield* Effect.addFinalizer(() => (box.state === "paused" ? Effect.void : Fiber.interrupt(fiber)))
        const started: ProcessEvent = { _tag: "Started", pid: ++pids }
        return timed(Stream.concat(Stream.succeed(started), Stream.fromQueue(queue)), command, id)
      })
    )
  let pids = 1

  const exec = Effect.fn("Sandbox.exec")((id: Id.SandboxId, command: Command) =>
    collect(spawn(id, command), id)
  )

  const jobsOf = (box: Omit<Box, "jobs">, self: () => Box) =>
    MemoryJobs.make({
      id: box.id,
      scope: box.scope,
      awake: box.awake.await,
      awakeMillis: Effect.map(Clock.currentTimeMillis, (now) => (self().asleepSince ?? now) - self().slept),
      program: (command) =>
        Stream.unwrap(
          Effect.gen(function* () {
            yield* counted
            return programOf(self(), command, MemoryFiles.resolve(home, command.cwd ?? home))
          })
        )
    })

  /** Jobs as they are seen from outside: only of a sandbox that is awake. */
  /** What a sandbox tells while it is awake. */
  const untilCut = <A>(
    operation: Call["operation"],
    id: Id.SandboxId,
    use: (box: Box) => Stream.Stream<A, SandboxError.SandboxError>
  ): Stream.Stream<A, SandboxError.SandboxError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const box = yield* awakeBox(operation, id)
        const cut = yield* Deferred.make<never, SandboxError.SandboxError>()
        yield* cuttable(box, (error) => Deferred.doneUnsafe(cut, Effect.fail(error)))
        return Stream.interruptWhen(use(box), Deferred.await(cut))
      })
    )

  const jobs = (id: Id.SandboxId): SandboxJobs => ({
    start: Effect.fnUntraced(function* (job, command, clear) {
      const box = yield* awakeBox("spawn", id)
      yield* folderOf(box, command)
      return yield* box.jobs.start(job, command, clear)
    }),
    read: (job, from) => untilCut("read", id, (box) => box.jobs.read(job, from)),
    status: (job) => Effect.flatMap(awakeBox("stat", id), (box) => box.jobs.status(job)),
    kill: (job) => Effect.flatMap(awakeBox("kill", id), (box) => box.jobs.kill(job)),
    remove: (job) => Effect.flatMap(awakeBox("remove", id), (box) => box.jobs.remove(job))
  })

  const handle = (id: Id.SandboxId): Sandbox => ({
    id,
    exec: (command) => exec(id, command),
    // A program in memory is told all that it is to read when it is started.
    spawn: (command, input) =>
      input === undefined
        ? spawn(id, command)
        : Stream.unwrap(Effect.map(Stream.mkUint8Array(input), (stdin) => spawn(id, { ...command, stdin }))),
    files: {
      ...MemoryFiles.guarded((operation) => Effect.map(awakeBox(operation, id), ({ files }) => files)),
      watch: (path, how) => untilCut("watch", id, ({ files }) => files.watch(path, how))
    },
    jobs: jobs(id),
    terminal: () =>
      SandboxError.fail("terminal", new SandboxError.Unsupported({ feature: "a terminal" }), id),
    host: () =>
      SandboxError.fail("host", new SandboxError.Unsupported({ feature: "a port of a sandbox" }), id)
  })

  const launch = Effect.fn("Sandboxes.launch")(function* (spec: SandboxSpec) {
    const call = yield* called("create")
    const seed = snapshots.get(spec.template ?? "")
    if (seed === undefined && spec.template?.startsWith(SNAPSHOT) === true) {
      return yield* failure(call, new SandboxError.InvalidRequest({ detail: "there is no such snapshot" }))
    }
    const contents = MemoryFiles.copy(seed ?? MemoryFiles.empty(home))
    const id = Id.SandboxId.make(`mem-${yield* Id.nextToken}`)
    const scope = yield* Scope.make()
    const now = yield* DateTime.now
    const made = {
      id,
      spec,
      metadata: { ...spec.metadata, [SandboxLabels.attemptKey]: spec.attemptId ?? (yield* Id.nextAttemptId) },
      scope,
      startedAt: now,
      endsAt: now,
      state: "running" as const,
      slept: 0,
      asleepSince: undefined,
      contents,
      files: MemoryFiles.make(home, id, contents),
      awake: yield* Latch.make(true),
      streams: new Set<Cut>(),
      expiry: yield* Scope.provide(FiberHandle.make(), scope)
    }
    const box: Box = { ...made, jobs: jobsOf(made, () => box) }
    boxes.set(id, box)
    yield* Ref.update(peak, (most) => Math.max(most, boxes.size))
    yield* arm(box, spec.ttl)
    return handle(id)
  }, Effect.uninterruptible)

  const terminate = Effect.fn("Sandboxes.terminate")(function* (id: Id.SandboxId) {
    yield* called("terminate", id)
    const box = boxes.get(id)
    if (box !== undefined) yield* end(box, new SandboxError.Gone({}))
  })

  const extend = Effect.fn("Sandboxes.extend")((id: Id.SandboxId, ttl: Duration.Input) =>
    Effect.flatMap(awakeBox("extend", id), (box) => arm(box, ttl))
  )

  const infoOf = (box: Box): SandboxInfo => ({
    id: box.id,
    state: box.state,
    metadata: box.metadata,
    startedAt: box.startedAt,
    endsAt: box.endsAt
  })

  const sandboxes = Sandboxes.of({
    provider: "memory",
    isolation: "isolated",
    create: (spec) => Heartbeat.create({ launch, terminate, extend }, spec),
    launch,
    terminate,
    connect: Effect.fn("Sandboxes.connect")(function* (id: Id.SandboxId, ttl: Duration.Input) {
      const box = yield* boxOf("connect", id)
      return { sandbox: handle(id), resumed: yield* wake(box, ttl) }
    }),
    info: Effect.fn("Sandboxes.info")((id: Id.SandboxId) => Effect.map(boxOf("info", id), infoOf)),
    list: (filter = {}) =>
      Stream.unwrap(
        Effect.map(called("list"), () =>
          Stream.fromIterable([...boxes.values()].map(infoOf).toReversed().filter(matches(filter)))
        )
      ),
    pause: Effect.fn("Sandboxes.pause")((id: Id.SandboxId) => Effect.flatMap(boxOf("pause", id), sleep)),
    resume: Effect.fn("Sandboxes.resume")((id: Id.SandboxId, ttl: Duration.Input) =>
      Effect.asVoid(Effect.flatMap(boxOf("resume", id), (box) => wake(box, ttl)))
    ),
    extend,
    snapshot: Effect.fn("Sandboxes.snapshot")(function* (id: Id.SandboxId) {
      const { contents } = yield* boxOf("snapshot", id)
      const template = `${SNAPSHOT}${yield* Id.nextToken}`
      snapshots.set(template, MemoryFiles.copy(contents))
      return { template }
    }),
    removeSnapshot: Effect.fn("Sandboxes.removeSnapshot")(function* (template: string) {
      yield* called("removeSnapshot")
      snapshots.delete(template)
    })
  })

  const ledger = Ledger.of({
    alive: Effect.sync(() => [...boxes.values()].map(infoOf)),
    commands: Ref.get(commands),
    peak: Ref.get(peak),
    calls: Ref.get(calls),
    snapshots: Effect.sync(() => [...snapshots.keys()])
  })

  return Context.make(Sandboxes, sandboxes).pipe(Context.add(Ledger, ledger))
})

/** Sandboxes in memory, for tests: scripted programs, scripted faults, and time that follows the clock of the test. */
export const layer = (options?: Options): Layer.Layer<Sandboxes | Ledger> =>
  Layer.effectContext(make(options))
