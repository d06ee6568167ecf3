import { Orchestrator } from "@remote-agent/orchestrator"
import type { Sandbox } from "@remote-agent/sandbox"
import { Duration, Effect, Stdio, Stream } from "effect"
import { Argument } from "effect/cli"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import * as ExitCode from "../../ui/ExitCode.ts"
import { Ended, Usage } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { agent, cwd, durable, user } from "../shared/flags.ts"
import { seconds } from "../shared/time.ts"
import { encoded, makeDecoder } from "./binaryOutput.ts"
import { asSandboxError } from "./sandboxFailure.ts"

/** Standard input, unless it is a terminal. */
const pipedInput = Effect.gen(function* () {
  const { stdin, stdinIsTerminal } = yield* Stdio.Stdio
  return (yield* stdinIsTerminal) ? undefined : Stream.orDie(stdin)
})

const duration = (value: number | undefined) => (value === undefined ? undefined : Duration.seconds(value))

/** `exec`. */
export const exec = command({
  name: "exec",
  runsProcess: true,
  description:
    "Run a command in the sandbox of an agent. The exit code is that of the command, or 125 when Remote Agent fails",
  flags: {
    agent,
    command: Argument.String("command").pipe(
      Argument.variadic({ min: 1 }),
      Argument.withDescription("A program and its arguments, after --. No shell interprets them")
    ),
    cwd,
    user,
    timeout: seconds("timeout", "Kill it after this time: 90, 5m, 1h30m (default: never)"),
    idleTimeout: seconds("idle-timeout", "Kill it after this time without output (default: never)"),
    ...durable
  },
  examples: [
    { command: "remote-agent exec my-agent -- ls -la", description: "List files" },
    { command: "remote-agent exec my-agent -- sh -c 'wc -l | tee n' < file", description: "Pass on stdin" }
  ],
  run: Effect.fn("exec")(
    function* (flags): Run<State.Records | Stdio.Stdio> {
      const { command: argv, cwd: folder, json, user: account } = flags
      const [program, ...args] = argv
      if (program === undefined)
        return yield* new Usage({ message: "No command is given. Name one after --." })
      const [{ err, out }, input, stdio] = [yield* Screen, yield* pipedInput, yield* Stdio.Stdio]
      const found = yield* AgentLookup.one(flags.agent)
      const captured = { stdout: "", stderr: "" }
      // A terminal and JSON show text. Files and other programs get every byte.
      const isBinary = !json && !out.live
      const decode = makeDecoder()
      const writeBytes = (bytes: Uint8Array) =>
        Effect.ignore(Stream.run(Stream.succeed(bytes), stdio.stdout({ endOnDone: false })))
      let exitCode = -1
      const onEvent = (event: Sandbox.ProcessEvent): Effect.Effect<void> => {
        switch (event._tag) {
          case "Started":
            return Effect.void
          case "Stdout":
            if (isBinary) return writeBytes(decode(event.text))
            return json ? Effect.sync(() => void (captured.stdout += event.text)) : out.write(event.text)
          case "Stderr":
            return json ? Effect.sync(() => void (captured.stderr += event.text)) : err.write(event.text)
          case "Exit":
            return Effect.sync(() => void ({ exitCode } = event))
        }
      }
      yield* Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        const timeouts = { wall: duration(flags.timeout), idle: duration(flags.idleTimeout) }
        const words = isBinary ? encoded([program, ...args]) : ([program, ...args] as const)
        const process = { argv: words, cwd: folder, user: account, timeouts }
        yield* Stream.runForEach(agents.of(found).spawn(process, { input }), onEvent)
      }).pipe(asSandboxError, Effect.provide(AgentLookup.services(flags, [found])))
      if (json) yield* line(out, jsonText({ exitCode, ...captured }))
      if (exitCode !== 0) return yield* new Ended({ code: ExitCode.ofProcess(exitCode) })
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
