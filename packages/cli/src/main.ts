import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Layer, Stream } from "effect"
import { homedir } from "node:os"
import type { WriteStream } from "node:tty"
import * as Cli from "./Cli.ts"
import * as DataFolder from "./app/dataFolder.ts"
import { CommandHost, type RawTerminal } from "./process/CommandHost.ts"
import * as Logging from "./process/Logging.ts"
import { type Output, Screen } from "./ui/Screen.ts"
import * as Redaction from "./process/redaction.ts"

const { env, stderr, stdin, stdout } = process

const wantsColors = (stream: WriteStream): boolean =>
  stream.isTTY && env["TERM"] !== "dumb" && !env["NO_COLOR"]

const outputOf = (stream: WriteStream, mask: (text: string) => string): Output => ({
  live: stream.isTTY && env["TERM"] !== "dumb",
  colors: wantsColors(stream),
  columns: () => stream.columns || 80,
  write: (text) =>
    Effect.callback<void>((resume) => {
      // The reader may have left; what has to be cleaned up is cleaned up all the same.
      stream.write(mask(text), () => resume(Effect.void))
    })
})

const terminal: RawTerminal = {
  size: () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 }),
  resized: Stream.fromEventListener<void>(
    {
      addEventListener: (event, listener) => void stdout.on(event, listener),
      removeEventListener: (event, listener) => void stdout.off(event, listener)
    },
    "resize"
  ),
  raw: Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => stdin.setRawMode(true)),
      () => Effect.sync(() => stdin.setRawMode(false).pause())
    )
  ),
  write: (bytes) =>
    Effect.callback<void>((resume) => {
      stdout.write(bytes, () => resume(Effect.void))
    })
}

/** Runs the command that the process was started with, and ends the process with its exit code. */
export const main = (): void => {
  const cleanup = { stopping: false, unread: false, leftovers: "Nothing is left." }

  /** The first signal stops the work and cleans up; the second ends the process at once. */
  const onSignal = () => {
    if (cleanup.stopping) {
      stderr.write(`\nStopped without cleaning up. ${cleanup.leftovers}\n`)
      process.exit(130)
    }
    cleanup.stopping = true
    if (cleanup.unread) return
    stderr.write("\nStopping, and cleaning up; once more to stop at once.\n")
  }

  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)

  // A reader that leaves (`| head`) is a wish to stop, not a crash that would skip the cleaning up.
  for (const stream of [stdout, stderr]) {
    stream.on("error", () => {
      // Every write fails from now on, and a second signal would end the process at once.
      if (cleanup.unread) return
      cleanup.unread = true
      if (!cleanup.stopping) process.kill(process.pid, "SIGTERM")
    })
  }

  const cwd = process.cwd()
  const secrets = Redaction.make()
  const err = outputOf(stderr, secrets.mask)
  const log = (line: string) => void stderr.write(`${secrets.mask(line)}\n`)
  const layer = Layer.mergeAll(
    NodeServices.layer,
    Layer.succeed(Redaction.Redaction, secrets),
    Layer.succeed(Screen, { out: outputOf(stdout, secrets.mask), err, note: err }),
    Layer.succeed(CommandHost, {
      env,
      cwd,
      dataFolder: DataFolder.of({ env, cwd, home: homedir() }),
      interactive: stdin.isTTY && stdout.isTTY && env["TERM"] !== "dumb",
      terminal: stdin.isTTY && stdout.isTTY ? terminal : undefined,
      log,
      command: [process.execPath, ...process.argv.slice(1, 2)],
      leftovers: (text) => {
        cleanup.leftovers = text
      }
    }),
    Logging.layer("auto", stderr.isTTY, log)
  )

  const program = Cli.run(process.argv.slice(2)).pipe(
    Effect.tapCause((cause) =>
      Cause.hasDies(cause) ? Effect.logFatal("This is a bug", cause) : Effect.void
    ),
    Effect.provide(layer),
    // What nobody reads any more must not keep the process: whoever writes to it may never stop.
    Effect.ensuring(Effect.sync(() => stdin.destroy()))
  )

  // Whatever is thrown outside of the program, by a library's timer or stream, must not skip the cleaning up either.
  process.on("uncaughtException", (error) => {
    stderr.write(`\nUnexpected failure: ${error.message}\n`)
    if (!cleanup.stopping) process.kill(process.pid, "SIGTERM")
  })

  NodeRuntime.runMain(program, { disableErrorReporting: true })
}
