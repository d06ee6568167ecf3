import type { Sandbox } from "@remote-agent/sandbox"
import { Duration, Effect, Stdio, Stream } from "effect"
import * as AgentSandbox from "../../app/AgentSandbox.ts"
import type * as App from "../../app/App.ts"
import { Ended, type Run, Usage } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"

/** The flags of `exec`. */
export interface ExecFlags extends App.AppFlags {
  readonly agent: string
  readonly command: ReadonlyArray<string>
  readonly cwd?: string | undefined
  readonly user?: string | undefined
  readonly timeout?: number | undefined
  readonly idleTimeout?: number | undefined
  readonly json: boolean
}

/** The exit code of ours for one of a sandbox, where -1 says that a signal ended the command. */
export const codeOf = (exitCode: number): number => (exitCode < 0 ? 255 : exitCode)

/** What is piped in; nothing where somebody sits at a terminal. */
const input = Effect.gen(function* () {
  const { stdin, stdinIsTerminal } = yield* Stdio.Stdio
  return (yield* stdinIsTerminal) ? undefined : Stream.orDie(stdin)
})

const duration = (seconds: number | undefined) =>
  seconds === undefined ? undefined : Duration.seconds(seconds)

/**
 * Runs a command in the sandbox of an agent, passes on what is piped in and what it writes, as UTF-8, and ends with
 * its exit code; with 255 when a signal ended it.
 */
export const run = Effect.fn("exec")(function* ({
  agent,
  command: [program, ...args],
  cwd,
  idleTimeout,
  json,
  timeout,
  user,
  ...flags
}: ExecFlags): Run<Stdio.Stdio> {
  if (program === undefined) return yield* new Usage({ message: "There is no command. Name one after --." })
  const [{ err, out }, piped] = [yield* Screen, yield* input]
  const written = { stdout: "", stderr: "" }
  let exitCode = -1
  const onEvent = (event: Sandbox.ProcessEvent): Effect.Effect<void> => {
    switch (event._tag) {
      case "Started":
        return Effect.void
      case "Stdout":
        return json ? Effect.sync(() => void (written.stdout += event.text)) : out.write(event.text)
      case "Stderr":
        return json ? Effect.sync(() => void (written.stderr += event.text)) : err.write(event.text)
      case "Exit":
        return Effect.sync(() => void ({ exitCode } = event))
    }
  }
  const timeouts = { wall: duration(timeout), idle: duration(idleTimeout) }
  yield* AgentSandbox.use(flags, agent, ({ sandbox }) =>
    Stream.runForEach(sandbox.spawn({ argv: [program, ...args], cwd, user, timeouts }, piped), onEvent)
  )
  if (json) yield* line(out, JSON.stringify({ exitCode, ...written }))
  if (exitCode !== 0) return yield* new Ended({ code: codeOf(exitCode) })
})
