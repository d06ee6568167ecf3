/**
 * Real pipes between the server and a command.
 *
 * Node.js connects a child with socket pairs, and a socket cannot be opened again: `echo x > /dev/stderr`,
 * `tee /dev/stdout` and `cat /dev/stdin` would fail. A FIFO can be. Each is removed as soon as both ends are open.
 *
 * @since 0.1.0
 */
import { Effect, Schedule, Semaphore } from "effect"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import * as HostProcess from "./HostProcess.ts"

/** A pipe whose one end is for a child; close that end here once the child has it. */
export interface Pipe {
  readonly childFd: number
  readonly own: Net.Socket
}

/** A pipe that the child reads. */
interface Input extends Pipe {
  /**
   * Lets the child open its input again after it was closed: to open a FIFO that has no writer would wait for one
   * for ever. To be run as long as the child lives.
   */
  readonly reopenable: Effect.Effect<void>
}

/** The pipes of one command. */
export interface Stdio {
  readonly stdin: Input | undefined
  readonly stdout: Pipe
  readonly stderr: Pipe
}

/** Makes pipes in a folder of the server. */
export interface Pipes {
  readonly stdio: (stdin: boolean) => Effect.Effect<Stdio, HostProcess.HostProcessError>
}

const BATCH = 24
const { O_NONBLOCK, O_RDONLY, O_WRONLY } = Fs.constants

const failed = (cause: unknown) =>
  new HostProcess.HostProcessError({ command: "mkfifo", detail: String(cause) })

/** The parent keeps the reading end. */
const openOutput = (path: string): Pipe => {
  const fd = Fs.openSync(path, O_RDONLY | O_NONBLOCK)
  const childFd = Fs.openSync(path, O_WRONLY)
  Fs.unlinkSync(path)
  return { childFd, own: new Net.Socket({ fd, readable: true, writable: false }) }
}

// Refers to a file without opening it; Node.js has no name for it.
const O_PATH = 0o10000000

/** For an instant there is a writer, which is what an opening reader waits for. */
const pulse = (reference: number) =>
  Effect.sync(() => {
    try {
      Fs.closeSync(Fs.openSync(`/proc/self/fd/${reference}`, O_WRONLY | O_NONBLOCK))
    } catch {
      // Nobody reads, so nobody waits.
    }
  })

const reopenable = (reference: number, own: Net.Socket) =>
  Effect.callback<void>((resume) => {
    if (own.destroyed) return resume(Effect.void)
    own.once("close", () => resume(Effect.void))
  }).pipe(
    Effect.andThen(
      Effect.repeat(
        pulse(reference),
        Schedule.min([Schedule.exponential("5 millis"), Schedule.spaced("1 second")])
      )
    ),
    Effect.ensuring(Effect.sync(() => Fs.closeSync(reference))),
    Effect.asVoid
  )

/** The parent keeps the writing end. */
const openInput = (path: string): Input => {
  const reference = process.platform === "linux" ? Fs.openSync(path, O_PATH) : undefined
  // Without a reader the other two would fail or wait.
  const helper = Fs.openSync(path, O_RDONLY | O_NONBLOCK)
  const fd = Fs.openSync(path, O_WRONLY | O_NONBLOCK)
  const childFd = Fs.openSync(path, O_RDONLY)
  Fs.closeSync(helper)
  Fs.unlinkSync(path)
  const own = new Net.Socket({ fd, readable: false, writable: true })
  // Elsewhere to open it again is to duplicate it.
  return { childFd, own, reopenable: reference === undefined ? Effect.never : reopenable(reference, own) }
}

/** Pipes made in `folder`, a batch at a time because each batch is one process. */
export const make = Effect.fnUntraced(function* (folder: string) {
  const lock = yield* Semaphore.make(1)
  const ready: Array<string> = []
  let made = 0

  const refill = Effect.fnUntraced(function* () {
    const paths = Array.from({ length: BATCH }, () => Path.join(folder, `${made++}`))
    yield* Effect.try({ try: () => Fs.mkdirSync(folder, { recursive: true, mode: 0o700 }), catch: failed })
    // Opening again is a question of permissions, and the command has another uid.
    const output = yield* HostProcess.run({
      command: "mkfifo",
      args: ["-m", "666", ...paths],
      env: { PATH: "/usr/bin:/bin" }
    })
    if (output.code !== 0) return yield* failed(output.stderr.trim())
    ready.push(...paths)
  })

  const take = lock.withPermit(
    Effect.gen(function* () {
      if (ready.length === 0) yield* refill()
      return ready.shift() ?? (yield* failed("none was made"))
    })
  )

  const open = <P extends Pipe>(of: (path: string) => P) =>
    Effect.flatMap(take, (path) => Effect.try({ try: () => of(path), catch: failed }))

  return {
    stdio: Effect.fnUntraced(function* (stdin: boolean) {
      return {
        stdin: stdin ? yield* open(openInput) : undefined,
        stdout: yield* open(openOutput),
        stderr: yield* open(openOutput)
      }
    })
  } satisfies Pipes
})
