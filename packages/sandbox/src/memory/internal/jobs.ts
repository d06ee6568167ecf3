/** The jobs of a sandbox in memory. They do not check whether it is running; their callers do. */
import { type Id, SandboxError } from "@remote-agent/domain"
import { Deferred, Duration, Effect, Fiber, Option, type Scope, Stream } from "effect"
import type { End, Output, Status } from "../../JobEvent.ts"
import type { Command, ProcessEvent, SandboxJobs } from "../../Sandbox.ts"

/** What jobs need of their sandbox. */
export interface Host {
  readonly id: Id.SandboxId
  /** The scope in which jobs run. */
  readonly scope: Scope.Scope
  /** Waits until the sandbox is running. */
  readonly awake: Effect.Effect<void>
  /** How long the sandbox has been running, in milliseconds, without the time it was paused. */
  readonly awakeMillis: Effect.Effect<number>
  /** The program of a command, counted as running while it does. */
  readonly program: (command: Command) => Stream.Stream<ProcessEvent, SandboxError.SandboxError>
}

interface MemoryJob {
  readonly output: Array<Output>
  end: End | undefined
  /** Completes at the next change. */
  changed: Deferred.Deferred<void>
  fiber: Fiber.Fiber<unknown> | undefined
}

const encoder = new TextEncoder()

/** Changes a job and notifies its readers. */
const change = (job: MemoryJob, apply: () => void) =>
  Effect.suspend(() => {
    apply()
    const { changed } = job
    job.changed = Deferred.makeUnsafe()
    return Deferred.succeed(changed, undefined)
  })

const endWith = (job: MemoryJob, end: End) => change(job, () => (job.end ??= end))

const write = (job: MemoryJob, event: Extract<ProcessEvent, { readonly text: string }>) =>
  change(job, () => {
    const bytes = encoder.encode(event.text)
    const { stderr, stdout } = job.output.at(-1)?.cursor ?? { stdout: 0, stderr: 0 }
    const cursor =
      event._tag === "Stdout"
        ? { stdout: stdout + bytes.length, stderr }
        : { stdout, stderr: stderr + bytes.length }
    if (bytes.length > 0) job.output.push({ _tag: event._tag, bytes, cursor })
  })

/** Waits until the sandbox has been running for `limit` since `since`, which may move on meanwhile. */
const elapsed = Effect.fnUntraced(function* (host: Host, limit: Duration.Input, since: () => number) {
  const millis = Duration.toMillis(limit)
  for (;;) {
    const left = since() + millis - (yield* host.awakeMillis)
    if (left <= 0) return
    yield* Effect.sleep(left)
    yield* host.awake
  }
})

const run = Effect.fnUntraced(function* (host: Host, job: MemoryJob, command: Command) {
  const { idle, wall } = command.timeouts ?? {}
  const started = yield* host.awakeMillis
  let lastOutput = started
  const program = host.program(command).pipe(
    Stream.runForEachWhile((event) =>
      Effect.gen(function* () {
        yield* host.awake
        lastOutput = yield* host.awakeMillis
        if (event._tag === "Exit") yield* endWith(job, { _tag: "Exited", exitCode: event.exitCode })
        else if (event._tag !== "Started") yield* write(job, event)
        return event._tag !== "Exit"
      })
    ),
    Effect.andThen(endWith(job, { _tag: "Exited", exitCode: 0 })),
    Effect.catch(() => endWith(job, { _tag: "Lost" })),
    Effect.catchDefect(() => endWith(job, { _tag: "Lost" }))
  )
  const timeout = (limit: Duration.Input | undefined, by: "idle" | "wall", since: () => number) =>
    limit === undefined ? Effect.never : Effect.as(elapsed(host, limit, since), by)
  const by = yield* Effect.raceFirst(
    Effect.as(program, undefined),
    Effect.raceFirst(
      timeout(idle, "idle", () => lastOutput),
      timeout(wall, "wall", () => started)
    )
  )
  if (by !== undefined) yield* endWith(job, { _tag: "Killed", by, exitCode: 137 })
})

const readFrom = (job: MemoryJob, from: Output["cursor"]) =>
  Stream.paginate(0, (at) =>
    Effect.gen(function* () {
      while (job.output.length === at && job.end === undefined) yield* Deferred.await(job.changed)
      const output = job.output.slice(at).flatMap((piece) => {
        const key = piece._tag === "Stdout" ? "stdout" : "stderr"
        const left = piece.cursor[key] - from[key]
        return left <= 0 ? [] : [{ ...piece, bytes: piece.bytes.slice(-left) }]
      })
      return job.end === undefined
        ? ([output, Option.some(job.output.length)] as const)
        : ([[...output, job.end], Option.none<number>()] as const)
    })
  )

const statusOf = ({ end }: MemoryJob): Status => end ?? { _tag: "Running" }

/** Makes the jobs of one sandbox. */
export const make = (host: Host) => {
  const jobs = new Map<string, MemoryJob>()
  const reserved = new Set<string>()

  const jobOf = (operation: SandboxError.Operation, id: string) =>
    Effect.suspend(() => {
      const job = jobs.get(id)
      return job === undefined
        ? Effect.fail(SandboxError.fail(operation, new SandboxError.FileNotFound({ path: id }), host.id))
        : Effect.succeed(job)
    })

  const start: SandboxJobs["start"] = Effect.fnUntraced(function* (id, command, clear) {
    if (jobs.has(id) || reserved.has(id)) return false
    const job: MemoryJob = { output: [], end: undefined, changed: Deferred.makeUnsafe(), fiber: undefined }
    for (const [old, { end }] of jobs)
      if (clear !== "" && old.startsWith(clear) && end !== undefined) jobs.delete(old)
    jobs.set(id, job)
    job.fiber = yield* Effect.forkIn(run(host, job, command), host.scope)
    return true
  }, Effect.uninterruptible)

  const kill: SandboxJobs["kill"] = Effect.fnUntraced(function* (id) {
    const job = yield* jobOf("kill", id)
    if (job.end === undefined && job.fiber !== undefined) {
      yield* Fiber.interrupt(job.fiber)
      yield* endWith(job, { _tag: "Killed", by: "request", exitCode: 137 })
    }
    return statusOf(job)
  })

  return {
    start,
    read: (id, from) => Stream.unwrap(Effect.map(jobOf("read", id), (job) => readFrom(job, from))),
    status: (id) => Effect.map(jobOf("stat", id), statusOf),
    kill,
    remove: (id) => Effect.sync(() => void (jobs.delete(id) || reserved.delete(id))),
    reserve: (id) => Effect.sync(() => !jobs.has(id) && reserved.add(id).has(id))
  } satisfies SandboxJobs
}
