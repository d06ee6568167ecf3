/** The handle on a sandbox in memory. */
import { type Id, SandboxError } from "@remote-agent/domain"
import { Deferred, Effect, Stream } from "effect"
import { collect } from "../../internal/output.ts"
import type { Command, ProcessEvent, Sandbox, SandboxJobs } from "../../Sandbox.ts"
import { type Box, cuttable } from "./box.ts"
import { type FindRunning, folderOf } from "./commands.ts"
import * as Files from "./files.ts"

type Spawn = (
  find: Effect.Effect<Box, SandboxError.SandboxError>,
  command: Command
) => Stream.Stream<ProcessEvent, SandboxError.SandboxError>

/** A stream of a running sandbox, which fails when the sandbox stops. */
const untilCut = <A>(
  find: Effect.Effect<Box, SandboxError.SandboxError>,
  use: (box: Box) => Stream.Stream<A, SandboxError.SandboxError>
): Stream.Stream<A, SandboxError.SandboxError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const box = yield* find
      const cut = yield* Deferred.make<never, SandboxError.SandboxError>()
      yield* cuttable(box, (error) => Deferred.doneUnsafe(cut, Effect.fail(error)))
      return Stream.interruptWhen(use(box), Deferred.await(cut))
    })
  )

const jobsOf = (find: FindRunning, id: Id.SandboxId): SandboxJobs => ({
  start: Effect.fnUntraced(function* (job, command, clear) {
    const box = yield* find("spawn", id)
    yield* folderOf(box, command)
    return yield* box.jobs.start(job, command, clear)
  }),
  read: (job, from) => untilCut(find("read", id), (box) => box.jobs.read(job, from)),
  status: (job) => Effect.flatMap(find("stat", id), (box) => box.jobs.status(job)),
  kill: (job) => Effect.flatMap(find("kill", id), (box) => box.jobs.kill(job)),
  remove: (job) => Effect.flatMap(find("remove", id), (box) => box.jobs.remove(job)),
  reserve: (job) => Effect.flatMap(find("stat", id), (box) => box.jobs.reserve(job))
})

/** Makes the handle on a sandbox. */
export const make = (find: FindRunning, spawnIn: Spawn, id: Id.SandboxId): Sandbox => {
  const spawn = (command: Command) => spawnIn(find("spawn", id), command)
  return {
    id,
    exec: Effect.fn("Sandbox.exec")((command: Command) => collect(spawn(command), id)),
    // A program in memory receives its whole input when it starts.
    spawn: (command, input) =>
      input === undefined
        ? spawn(command)
        : Stream.unwrap(Effect.map(Stream.mkUint8Array(input), (stdin) => spawn({ ...command, stdin }))),
    files: {
      ...Files.guarded((operation) => Effect.map(find(operation, id), ({ files }) => files)),
      watch: (path, how) => untilCut(find("watch", id), ({ files }) => files.watch(path, how))
    },
    jobs: jobsOf(find, id),
    terminal: () =>
      SandboxError.fail("terminal", new SandboxError.Unsupported({ feature: "a terminal" }), id),
    host: () =>
      SandboxError.fail("host", new SandboxError.Unsupported({ feature: "a port of a sandbox" }), id)
  }
}
