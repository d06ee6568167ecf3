import type { SandboxError } from "@remote-agent/domain"
import { Job, type Sandbox } from "@remote-agent/sandbox"
import { Effect, Schedule, Stream } from "effect"

const patiently = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 1500 }))

/** Repeats a question until the answer is right, and returns the last answer. */
export const eventually = <A, E, R>(question: Effect.Effect<A, E, R>, right: (answer: A) => boolean) =>
  Effect.repeat(question, { until: right, schedule: patiently })

/** A part of a script that waits for a file of that name. */
export const awaits = (name: string) => `until [ -e ${name} ]; do sleep 0.02; done`

/** The output that was read, and the cursor to read on from. */
export class Log {
  cursor: Job.Cursor = Job.beginning
  end: Job.End | undefined
  readonly #pieces: { readonly [K in Job.Output["_tag"]]: Array<Uint8Array> } = { Stdout: [], Stderr: [] }

  readonly add = (event: Job.JobEvent): void => {
    if (!("bytes" in event)) {
      this.end = event
      return
    }
    this.#pieces[event._tag].push(event.bytes)
    this.cursor = event.cursor
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#pieces.Stdout)
  }

  get stderr(): Buffer {
    return Buffer.concat(this.#pieces.Stderr)
  }
}

/** Reads on to the end of the job. */
export const readOn = (
  sandbox: Sandbox.Sandbox,
  ref: Job.JobRef,
  log = new Log(),
  options: Job.ReadOptions = {}
): Effect.Effect<Log, SandboxError.SandboxError> =>
  Job.read(sandbox, ref, { ...options, from: log.cursor }).pipe(
    Stream.runForEach((event) => Effect.sync(() => log.add(event))),
    Effect.as(log)
  )

/** Reads on until a condition holds, and leaves the stream. */
export const readUntil = (
  sandbox: Sandbox.Sandbox,
  ref: Job.JobRef,
  log: Log,
  enough: (log: Log) => boolean
): Effect.Effect<void, SandboxError.SandboxError> =>
  Job.read(sandbox, ref, { from: log.cursor }).pipe(
    Stream.tap((event) => Effect.sync(() => log.add(event))),
    Stream.takeUntil(() => enough(log)),
    Stream.runDrain
  )

/** The pids in a file that belong to running processes, as the sandbox sees them. */
export const runningOf = (
  sandbox: Sandbox.Sandbox,
  file: string
): Effect.Effect<ReadonlyArray<string>, SandboxError.SandboxError> =>
  Effect.map(
    sandbox.exec({
      script: `for pid in $(cat ${file}); do grep -q '^State:[[:space:]]*[^ZX[:space:]]' /proc/$pid/status 2>/dev/null && echo $pid; done; :`
    }),
    ({ stdout }) => stdout.split("\n").filter((line) => line !== "")
  )

/** Starts processes that write their pids to `pids`: a child, one in a session of its own, and a grandchild. */
export const family = `
echo $$ >>pids
sleep 600 & echo $! >>pids
setsid bash -c 'echo $$ >>pids; sleep 600 & echo $! >>pids; : >born; wait' &
${awaits("born")}
`

/** Pseudo-random numbers that are the same in every run. */
export const chance = (seed: number) => {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
