import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect, FiberHandle, Stdio, Stream } from "effect"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { Redaction } from "../../process/redaction.ts"
import * as ExitCode from "../../ui/ExitCode.ts"
import { Ended, Usage } from "../../ui/Failure.ts"
import { dim, line, Screen } from "../../ui/Screen.ts"
import { command } from "../shared/command.ts"
import { agent, cwd, durable, user } from "../shared/flags.ts"
import { asSandboxError } from "./sandboxFailure.ts"

/** Variables that programs on a terminal need and that the sandbox cannot know. */
const inherited = ["TERM", "COLORTERM", "LANG"]

/** After this silence the start of a secret that was held back is written, such as a prompt. */
const silence = "200 millis"

/** `shell`. */
export const shell = command({
  name: "shell",
  at: { instead: "Use `remote-agent exec`, or run `remote-agent shell` on the machine of the server." },
  runsProcess: true,
  description:
    "Open a shell in the sandbox of an agent. The exit code is that of the shell, or 125 when Remote Agent fails",
  flags: { agent, cwd, user, ...durable },
  examples: [{ command: "remote-agent shell my-agent", description: "Until exit or Ctrl-D" }],
  run: Effect.fn("shell")(
    function* (flags): Run<State.Records | Stdio.Stdio> {
      const [{ env, terminal }, { note }, { stdin }] = [yield* CommandHost, yield* Screen, yield* Stdio.Stdio]
      if (terminal === undefined) {
        return yield* new Usage({ message: "A shell needs a terminal. Use `remote-agent exec` in a pipe." })
      }
      const found = yield* AgentLookup.one(flags.agent)
      const session = Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        const sandbox = yield* agents.of(found).sandbox()
        const opened = yield* sandbox.terminal({
          ...terminal.size(),
          cwd: flags.cwd,
          user: flags.user,
          env: Object.fromEntries(
            inherited.flatMap((name) => {
              const value = env[name] ?? ""
              return value === "" ? [] : [[name, value]]
            })
          )
        })
        yield* line(note, dim(note, `In the sandbox of ${found.name}, until exit or Ctrl-D.`))
        yield* terminal.raw
        const keys = Stream.runForEach(Stream.orDie(stdin), opened.write)
        const sizes = Stream.runForEach(terminal.resized, () => opened.resize(terminal.size()))
        const input = Effect.andThen(Effect.all([keys, sizes], { concurrency: 2 }), Effect.never)
        const { flush, push } = (yield* Redaction).bytePieces()
        const release = Effect.suspend(() => terminal.write(flush()))
        const silent = yield* FiberHandle.make()
        const output = Stream.runForEach(opened.output, (bytes) =>
          Effect.andThen(terminal.write(push(bytes)), FiberHandle.run(silent, Effect.delay(release, silence)))
        )
        yield* Effect.raceFirst(Effect.ensuring(output, release), input)
        return yield* opened.exitCode
      })
      const exitCode = yield* session.pipe(
        Effect.scoped,
        asSandboxError,
        Effect.provide(AgentLookup.services(flags, [found]))
      )
      if (exitCode !== 0) return yield* new Ended({ code: ExitCode.ofProcess(exitCode) })
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
