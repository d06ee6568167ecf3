/**
 * Named pipes between the server and a command.
 *
 * Node.js connects a child with socket pairs, and a socket cannot be opened by name: `echo x > /dev/stderr`,
 * `tee /dev/stdout` and `cat /dev/stdin` would fail. A FIFO can be opened again. Each FIFO is removed as soon as both of
 * its ends are open. `node:fs` is used because `FileSystem` cannot open a FIFO without blocking.
 *
 * @since 0.1.0
 */
import { Effect, Schedule, Semaphore } from "effect"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import * as HostProcess from "./HostProcess.ts"
import type { InputPipe, Pipe, Stdio } from "./HostProcess.ts"

/** A source of pipes in a folder of the server. */
export interface Pipes {
  readonly stdio: (stdin: boolean) => Effect.Effect<Stdio, HostProcess.HostProcessError>
}

const BATCH = 24
const { O_NONBLOCK, O_RDONLY, O_WRONLY } = Fs.constants

const failed = (cause: unknown) =>
  new HostProcess.HostProcessError({ command: "mkfifo", detail: String(cause) })

/** Opens a pipe whose reading end stays in this process. */
const openOutput = (path: string): Pipe => {
  const fd = Fs.openSync(path, O_RDONLY | O_NONBLOCK)
  const childFd = Fs.openSync(path, O_WRONLY)
  Fs.unlinkSync(path)
  return { childFd, own: new Net.Socket({ fd, readable: true, writable: false }) }
}

// Refers to a file without opening it. Node.js has no constant for it.
const O_PATH = 0o10000000

/** Opens the pipe for writing for an instant, which unblocks a reader that is opening it. */
const pulse = (reference: number) =>
  Effect.sync(() => {
    try {
      Fs.closeSync(Fs.openSync(`/proc/self/fd/${reference}`, O_WRONLY | O_NONBLOCK))
    } catch {
      // There is no reader, so no reader is blocked.
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

/** Opens a pipe whose writing end stays in this process. */
const openInput = (path: string): InputPipe => {
  const reference = process.platform === "linux" ? Fs.openSync(path, O_PATH) : undefined
  // Without this reader the next open would fail and the one after it would block.
  const helper = Fs.openSync(path, O_RDONLY | O_NONBLOCK)
  const fd = Fs.openSync(path, O_WRONLY | O_NONBLOCK)
  const childFd = Fs.openSync(path, O_RDONLY)
  Fs.closeSync(helper)
  Fs.unlinkSync(path)
  const own = new Net.Socket({ fd, readable: false, writable: true })
  // On other systems, opening the pipe again duplicates the descriptor and does not block.
  return { childFd, own, reopenable: reference === undefined ? Effect.never : reopenable(reference, own) }
}

/** Makes pipes in `folder`. They are made in batches, because each batch costs one process. */
export const make = Effect.fnUntraced(function* (folder: string) {
  const lock = yield* Semaphore.make(1)
  const ready: Array<string> = []
  let made = 0

  const refill = Effect.fnUntraced(function* () {
    const paths = Array.from({ length: BATCH }, () => Path.join(folder, `${made++}`))
    yield* Effect.try({ try: () => Fs.mkdirSync(folder, { recursive: true, mode: 0o700 }), catch: failed })
    // The command runs as another uid and needs permission to open the pipe again.
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
