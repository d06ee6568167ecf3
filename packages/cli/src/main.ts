import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Layer, Stream } from "effect"
import { fstatSync } from "node:fs"
import type { WriteStream } from "node:tty"
import * as Paths from "./app/paths.ts"
import * as Cli from "./Cli.ts"
import { CommandHost, type RawTerminal } from "./process/CommandHost.ts"
import * as Colors from "./process/colors.ts"
import * as Logging from "./process/Logging.ts"
import * as Redaction from "./process/redaction.ts"
import { type Output, Screen } from "./ui/Screen.ts"

const { env, stderr, stdin, stdout } = process

const wantsColors = (stream: WriteStream): boolean => Colors.wanted(env, stream.isTTY)

const written = (stream: WriteStream, chunk: string | Uint8Array) =>
  Effect.callback<void>((resume) => {
    // A reader that has left must not stop the command from cleaning up.
    stream.write(chunk, () => resume(Effect.void))
  })

const outputOf = (stream: WriteStream, mask: (text: string) => string): Output => ({
  live: stream.isTTY && env["TERM"] !== "dumb",
  colors: wantsColors(stream),
  columns: () => stream.columns || 80,
  write: (text) => written(stream, mask(text))
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
  write: (bytes) => written(stdout, bytes)
}

/**
 * Whether standard input is a pipe or a file. A socket is not: it is the input of a program that was started by another,
 * or by ssh, and may never end.
 */
const hasPipedInput = (): boolean => {
  try {
    const input = fstatSync(0)
    return input.isFIFO() || input.isFile()
  } catch {
    return false
  }
}

/** What signals print, and whether the command is stopping. */
interface Stopping {
  stopping: boolean
  /** Whether a reader has left. Every write fails from then on. */
  unread: boolean
  announcement: string
  leftovers: string
}

const watchSignals = (state: Stopping): void => {
  const onSignal = () => {
    if (state.stopping) {
      stderr.write(`\nStopped without cleaning up. ${state.leftovers}\n`)
      process.exit(130)
    }
    state.stopping = true
    if (!state.unread) stderr.write(`\n${state.announcement}\n`)
  }
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)

  // A reader that leaves (`| head`) stops the command, which then cleans up.
  for (const stream of [stdout, stderr]) {
    stream.on("error", () => {
      if (state.unread) return
      state.unread = true
      if (!state.stopping) process.kill(process.pid, "SIGTERM")
    })
  }

  // A library can throw in a timer or a stream. That must not skip the clean-up either.
  process.on("uncaughtException", (error) => {
    stderr.write(`\nUnexpected failure: ${error.message}\n`)
    if (!state.stopping) process.kill(process.pid, "SIGTERM")
  })
}

/** Runs the command of the process, in a working directory, and exits with its exit code. */
export const main = (cwd: string): void => {
  const state: Stopping = {
    stopping: false,
    unread: false,
    announcement: "Stopping and cleaning up. Press Ctrl-C again to stop at once.",
    leftovers: "Nothing is left."
  }
  watchSignals(state)

  const secrets = Redaction.make()
  const err = outputOf(stderr, secrets.mask)
  const log = (line: string) => void stderr.write(`${secrets.mask(line)}\n`)
  const isInteractive = stdin.isTTY && stdout.isTTY
  const layer = Layer.mergeAll(
    NodeServices.layer,
    Layer.succeed(Redaction.Redaction, secrets),
    Layer.succeed(Screen, { out: outputOf(stdout, secrets.mask), err, note: err }),
    Layer.succeed(CommandHost, {
      env,
      cwd,
      dataFolder: Paths.dataFolder({ env, cwd }),
      userConfig: Paths.userConfig({ env, cwd }),
      interactive: isInteractive && env["TERM"] !== "dumb",
      platform: process.platform,
      piped: hasPipedInput,
      terminal: isInteractive ? terminal : undefined,
      log,
      command: [process.execPath, ...process.argv.slice(1, 2)],
      leftovers: (text, announcement = state.announcement) => {
        state.leftovers = text
        state.announcement = announcement
      }
    }),
    Logging.layer("auto", stderr.isTTY, log)
  )

  const program = Cli.run(process.argv.slice(2)).pipe(
    Effect.tapCause((cause) =>
      Cause.hasDies(cause) ? Effect.logFatal("This is a bug", cause) : Effect.void
    ),
    Effect.provide(layer),
    // An open stdin would keep the process alive.
    Effect.ensuring(Effect.sync(() => stdin.destroy()))
  )
  NodeRuntime.runMain(program, { disableErrorReporting: true })
}
