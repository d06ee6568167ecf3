import { type Id, SandboxError } from "@remote-agent/domain"
import { Deferred, Duration, Effect, Fiber, Option, type Scope, Stream } from "effect"
import type { Output } from "../../job/JobReader.ts"
import type { End, Status } from "../../job/JobStatus.ts"
import type { Command, ProcessEvent, SandboxJobs } from "../../Sandbox.ts"

/** What jobs need of their sandbox in memory. */
export interface Host {
  readonly id: Id.SandboxId
  /** Where jobs run; they end when it closes. */
  readonly scope: Scope.Scope
  /** Waits until it is awake. */
  readonly awake: Effect.Effect<void>
  /** How long it has been awake, in milliseconds. */
  readonly awakeMillis: Effect.Effect<number>
  /** The program that a command is, counted as one that runs while it does. */
  readonly program: (command: Command) => Stream.Stream<ProcessEvent, SandboxError.SandboxError>
}

interface MemoryJob {
  readonly output: Array<Output>
  end: End | undefined
  /** Done at the next change. */
  changed: Deferred.Deferred<void>
  fiber: Fiber.Fiber<unknown> | undefined
}

const encoder = new TextEncoder()

/** The jobs of one sandbox in memory. They do not look whether it is awake: who asks has done that. */
export const make = (host: Host) => {
  const jobs = new Map<string, MemoryJob>()

  const jobOf = (operation: SandboxError.Operation, id: string) =>
    Effect.suspend(() => {
      const job = jobs.get(id)
      return job === undefined
        ? Effect.fail(SandboxError.fail(operation, new SandboxError.FileNotFound({ path: id }), host.id))
        : Effect.succeed(job)
    })

  const tell = (job: MemoryJob, change: () => void) =>
    Effect.suspend(() => {
      change()
      const told = job.changed
      job.changed = Deferred.makeUnsafe()
      return Deferred.succeed(told, undefined)
    })

  const endWith = (job: MemoryJob, end: End) => tell(job, () => (job.end ??= end))

  const write = (job: MemoryJob, event: Extract<ProcessEvent, { readonly text: string }>) =>
    tell(job, () => {
      const bytes = encoder.encode(event.text)
      const { stderr, stdout } = job.output.at(-1)?.cursor ?? { stdout: 0, stderr: 0 }
      const cursor =
        event._tag === "Stdout"
          ? { stdout: stdout + bytes.length, stderr }
          : { stdout, stderr: stderr + bytes.length }
      if (bytes.length > 0) job.output.push({ _tag: event._tag, bytes, cursor })
    })

  /** Ends when so much waking time has gone by since `since`, which may move on meanwhile. */
  const elapsed = Effect.fnUntraced(function* (limit: Duration.Input, since: () => number) {
    const millis = Duration.toMillis(limit)
    for (;;) {
      const left = since() + millis - (yield* host.awakeMillis)
      if (left <= 0) return
      yield* Effect.sleep(left)
      yield* host.awake
    }
  })

  const run = Effect.fnUntraced(function* (job: MemoryJob, command: Command) {
    const { idle, wall } = command.timeouts ?? {}
    const started = yield* host.awakeMillis
    let heard = started
    const program = host.program(command).pipe(
      Stream.runForEachWhile((event) =>
        Effect.gen(function* () {
          yield* host.awake
          heard = yield* host.awakeMillis
          if (event._tag === "Exit") yield* endWith(job, { _tag: "Exited", exitCode: event.exitCode })
          else if (event._tag !== "Started") yield* write(job, event)
          return event._tag !== "Exit"
        })
      ),
      Effect.andThen(endWith(job, { _tag: "Exited", exitCode: 0 })),
      Effect.catch(() => endWith(job, { _tag: "Lost" })),
      Effect.catchDefect(() => endWith(job, { _tag: "Lost" }))
    )
    const limits = [
      ...(idle === undefined
        ? []
        : [
            Effect.as(
              elapsed(idle, () => heard),
              "idle" as const
            )
          ]),
      ...(wall === undefined
        ? []
        : [
            Effect.as(
              elapsed(wall, () => started),
              "wall" as const
            )
          ])
    ]
    const by = yield* Effect.raceFirst(
      Effect.as(program, undefined),
      Effect.raceAllFirst([...limits, Effect.never])
    )
    if (by !== undefined) yield* endWith(job, { _tag: "Killed", by, exitCode: 137 })
  })

  const start: SandboxJobs["start"] = Effect.fnUntraced(function* (id, command, clear) {
    if (jobs.has(id)) return false
    const job: MemoryJob = { output: [], end: undefined, changed: Deferred.makeUnsafe(), fiber: undefined }
    for (const [old, { end }] of jobs)
      if (clear !== "" && old.startsWith(clear) && end !== undefined) jobs.delete(old)
    jobs.set(id, job)
    job.fiber = yield* Effect.forkIn(run(job, command), host.scope)
    return true
  }, Effect.uninterruptible)

  const read: SandboxJobs["read"] = (id, from) =>
    Stream.unwrap(
      Effect.map(jobOf("read", id), (job) =>
        Stream.paginate(0, (at) =>
          Effect.gen(function* () {
            while (job.output.length === at && job.end === undefined) yield* Deferred.await(job.changed)
            const told = job.output.slice(at).flatMap((output) => {
              const key = output._tag === "Stdout" ? "stdout" : "stderr"
              const left = output.cursor[key] - from[key]
              return left <= 0 ? [] : [{ ...output, bytes: output.bytes.slice(-left) }]
            })
            return job.end === undefined
              ? ([told, Option.some(job.output.length)] as const)
              : ([[...told, job.end], Option.none<number>()] as const)
          })
        )
      )
    )

  const statusOf = ({ end }: MemoryJob): Status => end ?? { _tag: "Running" }

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
    read,
    status: (id) => Effect.map(jobOf("stat", id), statusOf),
    kill,
    remove: (id) => Effect.sync(() => void jobs.delete(id))
  } satisfies SandboxJobs
}
