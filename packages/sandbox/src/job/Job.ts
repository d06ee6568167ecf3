/**
 * A command of a sandbox that does not depend on our connection: its output and its end are in files inside the
 * sandbox, and can be read from any place on, by any client, as often as needed.
 *
 * It needs bash, coreutils, grep and util-linux in the sandbox, and Linux.
 */
import { Id, SandboxError } from "@remote-agent/domain"
import { Duration, Effect, Option, Schedule, Stream } from "effect"
import type { Cursor } from "./JobFrames.ts"
import { follow, type JobEvent, reattach, type Source, turnWords, whileTransient } from "./JobReader.ts"
import * as JobScripts from "./JobScripts.ts"
import { readStatus, type Status } from "./JobStatus.ts"
import type { Command, Sandbox } from "../Sandbox.ts"
import { marker, quote } from "./shell.ts"

export type { Cursor } from "./JobFrames.ts"
export type { JobEvent, Output } from "./JobReader.ts"
export type { End, Status } from "./JobStatus.ts"
export { text, type TextEvent, type TextOutput } from "./JobOutput.ts"

/** Where a job is. It is plain data: keep it, or make it again with {@link attach}. */
export interface JobRef {
  readonly id: string
  /** The folder of the job, absolute, as the sandbox sees it. */
  readonly directory: string
  /** Who runs it; the provider's ordinary user when absent. */
  readonly user?: string | undefined
}

/** A job that was asked for. */
export interface Started extends JobRef {
  /** False when there was a job of that id: then it is the one that is meant, and nothing was run. */
  readonly fresh: boolean
}

/** The start of everything that a job wrote. */
export const beginning: Cursor = { stdout: 0, stderr: 0 }

const wellFormed = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/

const refuse = (operation: SandboxError.Operation, sandbox: Sandbox, detail: string) =>
  SandboxError.fail(operation, new SandboxError.InvalidRequest({ detail }), sandbox.id)

const checkedId = (operation: SandboxError.Operation, sandbox: Sandbox, id: string) =>
  wellFormed.test(id)
    ? Effect.succeed(id)
    : Effect.fail(
        refuse(
          operation,
          sandbox,
          "the id of a job is 1 to 100 letters, digits, '_', '-' and '.', not '.' first"
        )
      )

const millis = (input: Duration.Input | undefined): number =>
  input === undefined ? 0 : Math.max(1, Math.ceil(Duration.toMillis(input)))

const asUser = (user: string | undefined) => (user === undefined ? {} : { user })

/** Where a job is, from the home folder. */
const folderOf = (id: string): string => `.remote-agent/jobs/${id}`

/** The lines of the sandbox's answer, without what its profile may have said before. */
const lines = (stdout: string): ReadonlyArray<string> => stdout.trimEnd().split("\n")

const failed = (operation: SandboxError.Operation, sandbox: Sandbox) =>
  SandboxError.fail(operation, new SandboxError.ProviderFailed({}), sandbox.id)

/** Asks a script that may be run twice, and keeps on asking while the sandbox is out of sight. */
const ask = (
  sandbox: Sandbox,
  user: string | undefined,
  words: ReadonlyArray<string | number>,
  script: string
) =>
  Effect.retry(
    sandbox.exec({ script: JobScripts.withWords(script, words), ...asUser(user) }),
    whileTransient(reattach)
  )

/** The text that becomes the command in the supervisor, in whose shell it is read. */
const commandText = (command: Command): string => {
  const variables = Object.entries(command.env ?? {}).map(([name, value]) => quote(`${name}=${value}`))
  const program = "argv" in command ? command.argv.map(quote).join(" ") : 'bash -c "$script"'
  // setsid before env: it is to be found whatever PATH the command is given.
  const env = variables.length === 0 ? "" : `env ${variables.join(" ")} `
  return `export ${marker}="$mark"; exec setsid ${env}${program}`
}

/** How a job is started. */
export interface StartOptions {
  /** The id of the job; a new one when absent. */
  readonly id?: string | undefined
  /** Jobs that have ended and whose ids begin like this are removed, unless it is the same job. None when absent. */
  readonly clear?: string | undefined
}

/** The longest input that travels with the command that starts a job, in characters; more takes requests of its own. */
const longestInput = 16 * 1024

/** How a job gets its input, and the input itself where it can be a word. */
const inputOf = ({ stdin }: Command): readonly [how: "none" | "here" | "stdin", text: string] => {
  if (stdin === undefined || stdin.length === 0) return ["none", ""]
  return typeof stdin === "string" && stdin.length <= longestInput && !stdin.includes("\0")
    ? ["here", stdin]
    : ["stdin", ""]
}

/** The words of `JobScripts.launcher`. */
const launchWords = Effect.fnUntraced(function* (
  sandbox: Sandbox,
  id: string,
  command: Command,
  clear: string
) {
  if (Object.keys(command.env ?? {}).some((name) => name === "" || name.includes("="))) {
    return yield* refuse("exec", sandbox, "the name of a variable is empty or contains '='")
  }
  if (clear !== "") yield* checkedId("exec", sandbox, clear)
  const { cwd = ".", timeouts } = command
  const [input, text] = inputOf(command)
  return [
    JobScripts.supervisor,
    id,
    yield* Id.nextToken,
    cwd,
    commandText(command),
    "script" in command ? command.script : "",
    input,
    text,
    millis(timeouts?.idle),
    millis(timeouts?.wall),
    clear
  ]
})

const asCommand = (command: Command, script: string): Command => ({
  script,
  ...asUser(command.user),
  ...(command.stdin !== undefined && inputOf(command)[0] === "stdin" ? { stdin: command.stdin } : {})
})

/** What the exit code of a launch means; nothing when it says nothing. */
const refusalOf = (exitCode: number): SandboxError.Reason | undefined => {
  switch (exitCode) {
    case JobScripts.refusals.folder:
      return new SandboxError.InvalidRequest({ detail: "there is no such folder to run in" })
    case JobScripts.refusals.tools:
      return new SandboxError.Unsupported({
        feature: "a job (it needs Linux, bash 5, coreutils and setsid)"
      })
    case JobScripts.refusals.disk:
      return new SandboxError.NotEnoughSpace({})
    default:
      return undefined
  }
}

/**
 * Starts a command that runs on whatever becomes of us. Its timeouts are kept inside the sandbox, not counting the
 * time that the sandbox sleeps. Once it has ended, what it left running in the background runs on and is not heard
 * any more, unless it was killed.
 *
 * With an `id` of the caller's the start can be repeated: whatever failed, and however many try at once, one job of
 * that id is run, once, until it is removed. Fails with `InvalidRequest` for an id, a folder or a variable that
 * cannot be, and with `Unsupported` where the sandbox lacks what jobs need.
 */
export const start = Effect.fn("Job.start")(function* (
  sandbox: Sandbox,
  command: Command,
  options: StartOptions = {}
): Effect.fn.Return<Started, SandboxError.SandboxError> {
  const id = yield* checkedId("exec", sandbox, options.id ?? (yield* Id.nextToken))
  const clear = options.clear ?? ""
  const words = yield* launchWords(sandbox, id, command, clear)
  if (sandbox.jobs !== undefined) {
    const own = sandbox.jobs.start(id, command, clear)
    const fresh = yield* Effect.retry(own, whileTransient(reattach))
    return { id, directory: folderOf(id), fresh, ...asUser(command.user) }
  }
  const result = yield* Effect.retry(
    sandbox.exec(asCommand(command, JobScripts.withWords(JobScripts.launcher, words))),
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
 * What {@link start} and {@link read} do, in one command of the sandbox: the job is started unless there is one of
 * that id, and its output is told from the beginning. Leaving the stream leaves the job running. Fails like both.
 */
export const run = (
  sandbox: Sandbox,
  command: Command,
  options: StartOptions & { readonly id: string; readonly reattach?: ReadOptions["reattach"] }
): Stream.Stream<JobEvent, SandboxError.SandboxError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const id = yield* checkedId("exec", sandbox, options.id)
      const clear = options.clear ?? ""
      const words = yield* launchWords(sandbox, id, command, clear)
      const schedule = options.reattach ?? reattach
      const own = sandbox.jobs
      if (own !== undefined) {
        yield* Effect.retry(own.start(id, command, clear), whileTransient(schedule))
        return Stream.retry(own.read(id, beginning), whileTransient(schedule))
      }
      const first = asCommand(command, JobScripts.withWords(JobScripts.runner, [...words, ...turnWords]))
      const source = { directory: folderOf(id), ...asUser(command.user) }
      return follow(sandbox, source, beginning, schedule, { first, explain: refusalOf })
    })
  ).pipe(Stream.withSpan("Job.run"))

const told = Effect.fnUntraced(function* (
  operation: SandboxError.Operation,
  sandbox: Sandbox,
  stdout: string
) {
  const [directory, words] = lines(stdout).slice(-2)
  const status = readStatus(words?.split(" ") ?? [])
  if (directory === undefined || Option.isNone(status)) return yield* failed(operation, sandbox)
  return { directory, status: status.value }
})

/** The job of that id. Fails with `FileNotFound` when there is none. */
export const attach = Effect.fn("Job.attach")(function* (
  sandbox: Sandbox,
  id: string,
  options: { readonly user?: string | undefined } = {}
): Effect.fn.Return<JobRef, SandboxError.SandboxError> {
  const path = folderOf(yield* checkedId("stat", sandbox, id))
  if (sandbox.jobs !== undefined) {
    yield* sandbox.jobs.status(id)
    return { id, directory: path, ...asUser(options.user) }
  }
  const { stdout } = yield* ask(sandbox, options.user, [path], JobScripts.status)
  const { directory, status: now } = yield* told("stat", sandbox, stdout)
  if (now._tag === "NeverStarted") {
    return yield* SandboxError.fail("stat", new SandboxError.FileNotFound({ path }), sandbox.id)
  }
  return { id, directory, ...asUser(options.user) }
})

/** How a job is now. */
export const status = Effect.fn("Job.status")(function* (
  sandbox: Sandbox,
  ref: JobRef
): Effect.fn.Return<Status, SandboxError.SandboxError> {
  if (sandbox.jobs !== undefined) return yield* sandbox.jobs.status(ref.id)
  const { stdout } = yield* ask(sandbox, ref.user, [ref.directory], JobScripts.status)
  return (yield* told("stat", sandbox, stdout)).status
})

const idOf = ({ directory }: Source): string => directory.slice(directory.lastIndexOf("/") + 1)

/** How to read. */
export interface ReadOptions {
  /** Where to begin: the cursor of the last event that was dealt with. The beginning when absent. */
  readonly from?: Cursor | undefined
  /** When to try again while the sandbox cannot be reached; begins anew with every piece of output. */
  readonly reattach?: Schedule.Schedule<unknown> | undefined
}

/**
 * The output of a job from a cursor on, as it comes, and then how it ended. Each stream is told in order, without a
 * gap and without a repetition; between the two there is no order. A connection that is lost is made again; nothing
 * that was told is told again. The reader holds a few MiB at the most, and a slow one does not slow the job down.
 *
 * Fails with `Paused` when the sandbox was put to sleep (resume it and read on from the last cursor), with `Gone` or
 * `Expired` when it is no more, with `Unreachable` when it stays out of reach, and with `FileNotFound` when there is
 * no such job.
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
 * Ends a job and gives back how it ended: its command and its group are asked to (SIGTERM), and after `grace` (five
 * seconds when absent) they and all that they started are killed. The grace is kept inside the sandbox, whatever
 * becomes of us. A job that has ended stays as it ended.
 */
export const kill = Effect.fn("Job.kill")(function* (
  sandbox: Sandbox,
  ref: JobRef,
  options: { readonly grace?: Duration.Input | undefined } = {}
): Effect.fn.Return<Status, SandboxError.SandboxError> {
  if (sandbox.jobs !== undefined) return yield* sandbox.jobs.kill(ref.id)
  const grace = Math.ceil(Duration.toMillis(options.grace ?? "5 seconds"))
  const { stdout } = yield* ask(sandbox, ref.user, [ref.directory, grace], JobScripts.kill)
  return (yield* told("kill", sandbox, stdout)).status
})

/** Removes the files of a job, which frees its id. One that runs is killed first, without grace. */
export const remove = Effect.fn("Job.remove")(function* (
  sandbox: Sandbox,
  ref: JobRef
): Effect.fn.Return<void, SandboxError.SandboxError> {
  yield* kill(sandbox, ref, { grace: 0 })
  if (sandbox.jobs !== undefined) return yield* sandbox.jobs.remove(ref.id)
  const token = yield* Id.nextToken
  const { exitCode } = yield* ask(sandbox, ref.user, [ref.directory, token], JobScripts.remove)
  if (exitCode !== 0) return yield* failed("remove", sandbox)
})
