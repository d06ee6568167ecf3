/**
 * Turns a shell that waits on descriptor 3 into a command.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import * as HostProcess from "../host/HostProcess.ts"
import { CommandError } from "./SandboxRuntime.ts"
import * as Shell from "./shell.ts"

/**
 * Sends the launch script to a process that runs `Shell.launcher` and waits until it has become the command.
 *
 * **Details**
 *
 * Succeeds with the pid as the process itself knows it. Fails with `NoDirectory` or `NoProgram` when the working
 * directory or the program does not exist.
 */
export const launch = Effect.fnUntraced(
  function* (process: HostProcess.HostProcess, what: Shell.Launch) {
    const { input, status } = process
    if (input === undefined || status === undefined) {
      return yield* new HostProcess.HostProcessError({
        command: "sh",
        detail: "started without its control pipes"
      })
    }
    // When the shell ends early, its word on the status pipe says more than a broken pipe.
    yield* Effect.ignore(HostProcess.write(input, Shell.launchScript(what)))
    yield* HostProcess.end(input)
    const word = yield* HostProcess.firstLine(status).pipe(
      Effect.timeoutOrElse({
        duration: "20 seconds",
        orElse: () =>
          Effect.fail(new HostProcess.HostProcessError({ command: "sh", detail: "no answer in 20 seconds" }))
      })
    )
    if (word.startsWith("pid ")) return Number(word.slice(4))
    if (word === "cwd") {
      return yield* new CommandError({ reason: "NoDirectory", message: `cwd '${what.cwd}' does not exist` })
    }
    if (word === "command") {
      return yield* new CommandError({
        reason: "NoProgram",
        message: `the program '${what.argv[0]}' does not exist or is not executable`
      })
    }
    const said = yield* HostProcess.collect(process.stderr, 64 * 1024)
    return yield* new HostProcess.HostProcessError({
      command: "sh",
      detail: `the command could not be started: ${said.toString().trim()}`
    })
  },
  Effect.catchTag("HostProcessError", (error) =>
    Effect.fail(new CommandError({ reason: "Failed", message: error.message }))
  )
)
