import type { MemorySandboxes, Sandbox } from "@remote-agent/sandbox"
import { Conformance } from "@remote-agent/sandbox/testing"
import { Clock, Effect, Schedule, Stream } from "effect"

type Event = Sandbox.ProcessEvent

const out = (text: string): Event => ({ _tag: "Stdout", text })
const exit = (exitCode: number): Event => ({ _tag: "Exit", exitCode })
const events = (...all: ReadonlyArray<Event>): MemorySandboxes.Program => Stream.fromIterable(all)

const decode = (stdin: string | Uint8Array | undefined) =>
  typeof stdin === "string" ? stdin : new TextDecoder().decode(stdin)

const beats = (machine: MemorySandboxes.Machine) =>
  Effect.flatMap(Clock.currentTimeNanos, (now) => machine.files.write("beat", String(now))).pipe(
    Effect.repeat(Schedule.spaced("20 millis"))
  )

const { scripts } = Conformance

const byScript: Record<
  string,
  (machine: MemorySandboxes.Machine, command: Sandbox.Command) => MemorySandboxes.Program
> = {
  [scripts.both]: () => events(out("out\n"), { _tag: "Stderr", text: "err\n" }, exit(3)),
  [scripts.input]: (_, { stdin }) => events(out(decode(stdin))),
  [scripts.secret]: ({ env }) => events(out(`${env["SUITE_SECRET"]}-${env["SUITE_EXTRA"]}`)),
  [scripts.where]: ({ cwd, files }) =>
    Stream.unwrap(
      Effect.map(files.stat(cwd), () => events(out(`${cwd}\n`))).pipe(
        Effect.catchReason("SandboxError", "FileNotFound", () => Effect.succeed(events(exit(1))))
      )
    ),
  [scripts.steps]: () => events(out("step 1\n"), out("step 2\n"), out("step 3\n")),
  [scripts.splitUtf8]: () => events(out("é"), out("\n")),
  [scripts.quiet]: () => Stream.fromEffect(Effect.delay(Effect.succeed(exit(0)), "3 seconds")),
  [scripts.heart]: (machine) => Stream.fromEffectDrain(beats(machine)),
  [scripts.chatty]: (machine) =>
    Stream.merge(
      Stream.fromEffectDrain(beats(machine)),
      Stream.repeat(Stream.make(out("tick\n")), Schedule.spaced("20 millis"))
    ),
  [scripts.daemon]: (machine) => Stream.fromEffectDrain(machine.daemon(beats(machine))),
  [scripts.append]: ({ files }) =>
    Stream.fromEffectDrain(
      Effect.flatMap(files.readString("watched/new.txt"), (text) =>
        files.write("watched/new.txt", `${text}more\n`)
      )
    ),
  [scripts.stranger]: ({ files }) =>
    Stream.fromEffect(Effect.map(files.list("."), (all) => out(all.map(({ name }) => name).join("\n"))))
}

/** The programs of the conformance suite, for a provider without a shell. */
export const run: NonNullable<MemorySandboxes.Options["run"]> = (command, machine) => {
  if ("script" in command) return byScript[command.script]?.(machine, command)
  const [program, , ...rest] = command.argv
  if (program === "printf") return events(out(rest.map((argument) => `${argument}\0`).join("")))
  if (program === "true") return events(exit(0))
  return undefined
}
