import { Effect, Stdio, Stream } from "effect"
import * as AgentSandbox from "../../app/AgentSandbox.ts"
import type * as App from "../../app/App.ts"
import { Ended, type Run, Usage } from "../../ui/Failure.ts"
import { codeOf } from "./exec.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { dim, line, Screen } from "../../ui/Screen.ts"

/** The flags of `shell`. */
export interface ShellFlags extends App.AppFlags {
  readonly agent: string
  readonly cwd?: string | undefined
  readonly user?: string | undefined
  readonly json: boolean
}

/** What programs go by on a terminal, and which the sandbox cannot know. */
const inherited = ["TERM", "COLORTERM", "LANG"]

/**
 * Opens a shell in the sandbox of an agent on this terminal: every key goes to it until it ends, and its exit code is
 * that of the command. Fails with `Usage` where there is no terminal. The terminal is as it was before, however it ends.
 */
export const run = Effect.fn("shell")(function* ({
  agent,
  cwd,
  user,
  ...flags
}: ShellFlags): Run<Stdio.Stdio> {
  const [{ env, terminal }, { note }, { stdin }] = [yield* CommandHost, yield* Screen, yield* Stdio.Stdio]
  if (terminal === undefined) {
    return yield* new Usage({
      message: "A shell needs a terminal. Use `remote-agent exec` in a pipe."
    })
  }
  const session = Effect.fnUntraced(function* ({ agent: found, sandbox }: AgentSandbox.AgentSandbox) {
    const shell = yield* sandbox.terminal({
      ...terminal.size(),
      cwd,
      user,
      env: Object.fromEntries(
        inherited.flatMap((name) => {
          const value = env[name] ?? ""
          return value === "" ? [] : [[name, value]]
        })
      )
    })
    yield* line(note, dim(note, `In the sandbox of ${found.name}, until exit or Ctrl-D.`))
    yield* terminal.raw
    const keys = Stream.runForEach(Stream.orDie(stdin), shell.write)
    const sizes = Stream.runForEach(terminal.resized, () => shell.resize(terminal.size()))
    const passing = Effect.andThen(Effect.all([keys, sizes], { concurrency: 2 }), Effect.never)
    yield* Effect.raceFirst(Stream.runForEach(shell.output, terminal.write), passing)
    return yield* shell.exitCode
  })
  const exitCode = yield* AgentSandbox.use(flags, agent, session)
  if (exitCode !== 0) return yield* new Ended({ code: codeOf(exitCode) })
})
