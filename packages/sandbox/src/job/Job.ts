/**
 * A command of a sandbox that does not depend on the connection of its client.
 *
 * Its output and its exit are stored in files inside the sandbox, and any client can read them from any position, as
 * often as needed. The sandbox needs Linux, bash, coreutils, grep and util-linux.
 */
import { Id, SandboxError } from "@remote-agent/domain"
import { Duration, Effect, Option, type Schedule, Stream } from "effect"
import type { Cursor, JobEvent, Status } from "../JobEvent.ts"
import type { Command, Sandbox } from "../Sandbox.ts"
import { asUser, checkId, launcherArguments, launching, refusalOf } from "./launch.ts"
import { follow, reattach, type Source, turnArguments, whileTransient } from "./JobReader.ts"
import { decodeStatus } from "./JobStatus.ts"
import * as Scripts from "./scripts.ts"

export type { Cursor, End, JobEvent, Output, Status } from "../JobEvent.ts"
export { forceKill, type ForceKillOptions } from "./forceKill.ts"
export { text, type TextEvent, type TextOutput } from "./JobOutput.ts"

/**
 * A reference to a job. It is plain data: store it, or make it again with {@link attach}.
 *
 * @category models
 * @since 0.1.0
 */
export interface JobRef {
  readonly id: string
  /** The folder of the job, absolute, as the sandbox sees it. */
  readonly directory: string
  /** The user that runs the job; the provider's ordinary user when absent. */
  readonly user?: string | undefined
}

/**
 * A job that was requested.
 *
 * @category models
 * @since 0.1.0
 */
export interface Started extends JobRef {
  /** False when a job of that id existed already: then this refers to it, and nothing was run. */
  readonly fresh: boolean
}

/**
 * How a job is started.
 *
 * @category models
 * @since 0.1.0
 */
export interface StartOptions {
  /** The id of the job; a new one when absent. */
  readonly id?: string | undefined
  /** The prefix of the ids of ended jobs to remove, other than the same job; none when absent. */
  readonly clear?: string | undefined
}

/**
 * How the output of a job is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadOptions {
  /** The cursor of the last event that was handled; the start of the output when absent. */
  readonly from?: Cursor | undefined
  /** When to retry while the sandbox cannot be reached. The schedule starts over with every piece of output. */
  readonly reattach?: Schedule.Schedule<unknown> | undefined
}

/**
 * The position before all output.
 *
 * @category constants
 * @since 0.1.0
 */
export const beginning: Cursor = { stdout: 0, stderr: 0 }

/** The folder of a job, from the home folder. */
const folderOf = (id: string): string => `.remote-agent/jobs/${id}`

const idOf = ({ directory }: Source): string => directory.slice(directory.lastIndexOf("/") + 1)

const failed = (operation: SandboxError.Operation, sandbox: Sandbox) =>
  SandboxError.fail(operation, new SandboxError.ProviderFailed({}), sandbox.id)

/** Runs a script that is safe to repeat, and retries while the sandbox cannot be reached. */
const runScript = (
  sandbox: Sandbox,
  user: string | undefined,
  name: Scripts.ScriptName,
  words: ReadonlyArray<string | number>
) =>
  Effect.retry(
    sandbox.exec({ script: Scripts.withArguments(name, words), ...asUser(user) }),
    whileTransient(reattach)
  )

/** The lines of an answer. The shell profile of the sandbox may have printed other lines before. */
const lines = (stdout: string): ReadonlyArray<string> => stdout.trimEnd().split("\n")

/**
 * Starts a command that keeps running when this process dies or its connection breaks.
 *
 * **Details**
 *
 * Its timeouts are enforced inside the sandbox and do not count the time for which the sandbox is paused. Processes that
 * it leaves in the background keep running after its exit, unheard, unless the job was killed.
 *
 * With an `id` of the caller's, the start can be repeated: however often and by however many clients it is tried, one
 * job of that id runs, once, until it is removed.
 *
 * Fails with `InvalidRequest` for an id, a folder or a variable that is not valid, and with `Unsupported` when the
 * sandbox lacks the programs that jobs need.
 *
 * @category running
 * @since 0.1.0
 */
export const start = Effect.fn("Job.start")(function* (
  sandbox: Sandbox,
  command: Command,
  options: StartOptions = {}
): Effect.fn.Return<Started, SandboxError.SandboxError> {
  const id = yield* checkId("exec", sandbox, options.id ?? (yield* Id.nextToken))
  const clear = options.clear ?? ""
  const words = yield* launcherArguments(sandbox, id, command, clear)
  if (sandbox.jobs !== undefined) {
    const own = sandbox.jobs.start(id, command, clear)
    const fresh = yield* Effect.retry(own, whileTransient(reattach))
    return { id, directory: folderOf(id), fresh, ...asUser(command.user) }
  }
  const result = yield* Effect.retry(
    sandbox.exec(launching(command, Scripts.withArguments("launcher", words))),
    whileTransient(reattach)
  )
  const refused = refusalOf(result.exitCode)
  if (refused !== undefined) return yield* SandboxError.fail("exec", refused, sandbox.id)
  if (result.exitCode !== 0) return yield* failed("exec", sandbox)
  const [, answer, directory] = /^(started|attached) (\/.*)$/.exec(lines(result.stdout).at(-1) ?? "") ?? []
  if (directory === undefined) return yield* failed("exec", sandbox)
  return { id, directory, fresh: answer === "started", ...asUser(command.user) }
})

/**
 * Starts a job and reads its output, in one command of the sandbox.
 *
 * **Details**
 *
 * The job is started unless one of that id exists, and its output is read from the start. Leaving the stream leaves the
 * job running. Fails like {@link start} and {@link read}.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (
  sandbox: Sandbox,
  command: Command,
  options: StartOptions & { readonly id: string; readonly reattach?: ReadOptions["reattach"] }
): Stream.Stream<JobEvent, SandboxError.SandboxError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const id = yield* checkId("exec", sandbox, options.id)
      const clear = options.clear ?? ""
      const words = yield* launcherArguments(sandbox, id, command, clear)
      const schedule = options.reattach ?? reattach
      const own = sandbox.jobs
      if (own !== undefined) {
        yield* Effect.retry(own.start(id, command, clear), whileTransient(schedule))
        return Stream.retry(own.read(id, beginning), whileTransient(schedule))
      }
      const first = launching(command, Scripts.withArguments("runner", [...words, ...turnArguments]))
      const source = { directory: folderOf(id), ...asUser(command.user) }
      return follow(sandbox, source, beginning, schedule, { first, explain: refusalOf })
    })
  ).pipe(Stream.withSpan("Job.run"))

const decodeAnswer = Effect.fnUntraced(function* (
  operation: SandboxError.Operation,
  sandbox: Sandbox,
  stdout: string
) {
  const [directory, words] = lines(stdout).slice(-2)
  const decoded = decodeStatus(words?.split(" ") ?? [])
  if (directory === undefined || Option.isNone(decoded)) return yield* failed(operation, sandbox)
  return { directory, status: decoded.value }
})

/**
 * Makes a reference to an existing job. Fails with `FileNotFound` when there is no job of that id.
 *
 * @category running
 * @since 0.1.0
 */
export const attach = Effect.fn("Job.attach")(function* (
  sandbox: Sandbox,
  id: string,
  options: { readonly user?: string | undefined } = {}
): Effect.fn.Return<JobRef, SandboxError.SandboxError> {
  const path = folderOf(yield* checkId("stat", sandbox, id))
  if (sandbox.jobs !== undefined) {
    yield* sandbox.jobs.status(id)
    return { id, directory: path, ...asUser(options.user) }
  }
  const { stdout } = yield* runScript(sandbox, options.user, "status", [path])
  const answer = yield* decodeAnswer("stat", sandbox, stdout)
  if (answer.status._tag === "NeverStarted") {
    return yield* SandboxError.fail("stat", new SandboxError.FileNotFound({ path }), sandbox.id)
  }
  return { id, directory: answer.directory, ...asUser(options.user) }
})

/**
 * Reads the status of a job.
 *
 * @category inspection
 * @since 0.1.0
 */
export const status = Effect.fn("Job.status")(function* (
  sandbox: Sandbox,
  ref: JobRef
): Effect.fn.Return<Status, SandboxError.SandboxError> {
  if (sandbox.jobs !== undefined) return yield* sandbox.jobs.status(ref.id)
  const { stdout } = yield* runScript(sandbox, ref.user, "status", [ref.directory])
  return (yield* decodeAnswer("stat", sandbox, stdout)).status
})

/**
 * Reads the output of a job from a cursor on, as it comes, and then its end.
 *
 * **Details**
 *
 * Each of the two streams is read in order, without gaps and without repetitions; between them there is no order. A lost
 * connection is made again. The reader buffers a few MiB at most, and a slow consumer does not slow the job down.
 *
 * Fails with `Paused` when the sandbox is paused (resume it and read on from the last cursor), with `Gone` or `Expired`
 * when it no longer exists, with `Unreachable` when it stays out of reach, and with `FileNotFound` when there is no such
 * job.
 *
 * @category inspection
 * @since 0.1.0
 */
export const read = (
  sandbox: Sandbox,
  ref: Source,
  options: ReadOptions = {}
): Stream.Stream<JobEvent, SandboxError.SandboxError> =>
  Stream.suspend(() => {
    const [from, schedule] = [options.from ?? beginning, options.reattach ?? reattach]
    return sandbox.jobs === undefined
      ? follow(sandbox, ref, from, schedule)
      : Stream.retry(sandbox.jobs.read(idOf(ref), from), whileTransient(schedule))
  }).pipe(Stream.withSpan("Job.read"))

/**
 * Kills a job and returns how it ended.
 *
 * **Details**
 *
 * The process group of its command receives SIGTERM. After `grace`, five seconds when absent, the command and every
 * process it started are killed. The grace period is enforced inside the sandbox, independently of this process. A job
 * that has ended stays as it is.
 *
 * @category running
 * @since 0.1.0
 */
export const kill = Effect.fn("Job.kill")(function* (
  sandbox: Sandbox,
  ref: JobRef,
  options: { readonly grace?: Duration.Input | undefined } = {}
): Effect.fn.Return<Status, SandboxError.SandboxError> {
  if (sandbox.jobs !== undefined) return yield* sandbox.jobs.kill(ref.id)
  const grace = Math.ceil(Duration.toMillis(options.grace ?? "5 seconds"))
  const { stdout } = yield* runScript(sandbox, ref.user, "kill", [ref.directory, grace])
  return (yield* decodeAnswer("kill", sandbox, stdout)).status
})

/**
 * Reserves the id of a job that was never started, so that no client can start it from now on. Returns false when there
 * is a job of that id.
 *
 * **When to use**
 *
 * Use it before work is repeated that another client may be about to start under this id.
 *
 * @category running
 * @since 0.2.0
 */
export const reserve = Effect.fn("Job.reserve")(function* (
  sandbox: Sandbox,
  ref: JobRef
): Effect.fn.Return<boolean, SandboxError.SandboxError> {
  if (sandbox.jobs !== undefined) return yield* sandbox.jobs.reserve(ref.id)
  const { stdout } = yield* runScript(sandbox, ref.user, "reserve", [ref.directory, yield* Id.nextToken])
  return (yield* decodeAnswer("stat", sandbox, stdout)).status._tag === "NeverStarted"
})

/**
 * Removes the files of a job, which frees its id. A running job is killed first, without a grace period.
 *
 * @category running
 * @since 0.1.0
 */
export const remove = Effect.fn("Job.remove")(function* (
  sandbox: Sandbox,
  ref: JobRef
): Effect.fn.Return<void, SandboxError.SandboxError> {
  yield* kill(sandbox, ref, { grace: 0 })
  if (sandbox.jobs !== undefined) return yield* sandbox.jobs.remove(ref.id)
  const token = yield* Id.nextToken
  const { exitCode } = yield* runScript(sandbox, ref.user, "remove", [ref.directory, token])
  if (exitCode !== 0) return yield* failed("remove", sandbox)
})
