/** Runs scripted programs in sandboxes in memory. */
import { type Id, SandboxError } from "@remote-agent/domain"
import { Cause, Clock, Effect, Fiber, Queue, Ref, Stream } from "effect"
import { revealed } from "../../internal/environment.ts"
import { withTimeouts } from "../../internal/output.ts"
import type { Command, ProcessEvent } from "../../Sandbox.ts"
import { failure } from "../faults.ts"
import { commandNotFound, home, type Machine, type Program } from "../Program.ts"
import { type Box, cuttable } from "./box.ts"
import * as Files from "./files.ts"
import * as Jobs from "./jobs.ts"

/** Returns the program of a command, or nothing when the command is not scripted. */
export type Run = (command: Command, machine: Machine) => Program | undefined

/** The folder that a command runs in. Fails when it does not exist. */
export const folderOf = Effect.fnUntraced(function* (box: Box, command: Command) {
  const cwd = Files.resolve(home, command.cwd ?? home)
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

const programOf = (run: Run | undefined, box: Box, command: Command, cwd: string): Program => {
  const machine: Machine = {
    id: box.id,
    env: { HOME: home, ...revealed(box.spec.env), ...command.env },
    cwd,
    files: Files.guarded(() => Effect.as(box.awake.await, box.files)),
    daemon: (effect) => Effect.asVoid(Effect.forkIn(effect, box.scope))
  }
  return run?.(command, machine) ?? commandNotFound(command)
}

/** Makes the commands of a provider. */
export const make = Effect.fnUntraced(function* (run: Run | undefined) {
  const running = yield* Ref.make(0)
  let pids = 1

  /** Counts a command as running for as long as the scope. */
  const counted = Effect.acquireRelease(
    Ref.update(running, (count) => count + 1),
    () => Ref.update(running, (count) => count - 1)
  )

  const spawn = (
    find: Effect.Effect<Box, SandboxError.SandboxError>,
    command: Command
  ): Stream.Stream<ProcessEvent, SandboxError.SandboxError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const box = yield* find
        const cwd = yield* folderOf(box, command)
        const queue = yield* Queue.bounded<ProcessEvent, SandboxError.SandboxError | Cause.Done>(16)
        yield* cuttable(box, (error) => Queue.failCauseUnsafe(queue, Cause.fail(error)))
        const program = programOf(run, box, command, cwd)
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
        // Leaving the stream kills the command, unless its sandbox is paused: there it stays paused.
        yield* Effect.addFinalizer(() => (box.state === "paused" ? Effect.void : Fiber.interrupt(fiber)))
        const started: ProcessEvent = { _tag: "Started", pid: ++pids }
        return withTimeouts(Stream.concat(Stream.succeed(started), Stream.fromQueue(queue)), command, box.id)
      })
    )

  const jobsOf = (box: Omit<Box, "jobs">, self: () => Box) =>
    Jobs.make({
      id: box.id,
      scope: box.scope,
      awake: box.awake.await,
      awakeMillis: Effect.map(
        Clock.currentTimeMillis,
        (now) => (self().pausedSince ?? now) - self().pausedMillis
      ),
      program: (command) =>
        Stream.unwrap(
          Effect.gen(function* () {
            yield* counted
            return programOf(run, self(), command, Files.resolve(home, command.cwd ?? home))
          })
        )
    })

  return { spawn, jobsOf, running: Ref.get(running) }
})

/** Finds a running sandbox, as an operation on it. */
export type FindRunning = (
  operation: SandboxError.Operation,
  id: Id.SandboxId
) => Effect.Effect<Box, SandboxError.SandboxError>
