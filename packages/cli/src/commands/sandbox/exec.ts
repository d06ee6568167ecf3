import { Orchestrator } from "@remote-agent/orchestrator"
import type { Sandbox } from "@remote-agent/sandbox"
import { SandboxError } from "@remote-agent/domain"
import { Duration, Effect, FiberHandle, Stdio, Stream } from "effect"
import { Argument } from "effect/cli"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { Redaction } from "../../process/redaction.ts"
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

/** The most output that `--json` collects, in characters. */
const mostCaptured = 64 * 1024 * 1024

/** After this silence the start of a secret that was held back is written, such as a prompt. */
const silence = "1 second"

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
      const redaction = yield* Redaction
      const [outPieces, errPieces, bytePieces] = [
        redaction.pieces(),
        redaction.pieces(),
        redaction.bytePieces()
      ]
      // A terminal and JSON show text. Files and other programs get every byte.
      const isBinary = !json && !out.live
      const decode = makeDecoder()
      const writeBytes = (bytes: Uint8Array) =>
        Effect.ignore(Stream.run(Stream.succeed(bytes), stdio.stdout({ endOnDone: false })))
      /** Writes what is held back: at the end, and when the command is silent. */
      const release = Effect.suspend(() =>
        json
          ? Effect.void
          : Effect.all(
              [
                isBinary ? writeBytes(bytePieces.flush()) : out.write(outPieces.flush()),
                err.write(errPieces.flush())
              ],
              { discard: true }
            )
      )
      let exitCode = -1
      let length = 0
      const onEvent = (event: Sandbox.ProcessEvent): Effect.Effect<void> => {
        switch (event._tag) {
          case "Started":
            return Effect.void
          case "Stdout":
            if (json) return Effect.sync(() => void (captured.stdout += event.text))
            return isBinary
              ? writeBytes(bytePieces.push(decode(event.text)))
              : out.write(outPieces.push(event.text))
          case "Stderr":
            return json
              ? Effect.sync(() => void (captured.stderr += event.text))
              : err.write(errPieces.push(event.text))
          case "Exit":
            return Effect.sync(() => void ({ exitCode } = event))
        }
      }
      yield* Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        const timeouts = { wall: duration(flags.timeout), idle: duration(flags.idleTimeout) }
        const words = isBinary ? encoded([program, ...args]) : ([program, ...args] as const)
        const process = { argv: words, cwd: folder, user: account, timeouts }
        const silent = yield* FiberHandle.make()
        yield* Stream.runForEach(
          agents.of(found).spawn(process, { input }),
          Effect.fnUntraced(function* (event) {
            length += json && "text" in event ? event.text.length : 0
            if (length > mostCaptured) {
              const reason = new SandboxError.OutputTooLarge({ limitBytes: mostCaptured })
              return yield* SandboxError.fail("exec", reason, found.binding?.sandboxId)
            }
            yield* onEvent(event)
            yield* FiberHandle.run(silent, Effect.delay(release, silence))
          })
        ).pipe(Effect.ensuring(release))
      }).pipe(Effect.scoped, asSandboxError, Effect.provide(AgentLookup.services(flags, [found])))
      if (json) yield* line(out, jsonText({ exitCode, ...captured }))
      if (exitCode !== 0) return yield* new Ended({ code: ExitCode.ofProcess(exitCode) })
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
