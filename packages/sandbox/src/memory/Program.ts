import type { Id, SandboxError } from "@remote-agent/domain"
import { type Effect, Stream } from "effect"
import type { Command, ProcessEvent, SandboxFiles } from "../Sandbox.ts"

/**
 * The view of a sandbox that a program in it has.
 *
 * @category models
 * @since 0.1.0
 */
export interface Machine {
  readonly id: Id.SandboxId
  /** The environment of the sandbox, overridden by that of the command. */
  readonly env: Readonly<Record<string, string>>
  /** The working folder of the command; absolute. */
  readonly cwd: string
  /** The files. While the sandbox is paused, every use of them waits. */
  readonly files: SandboxFiles
  /** Starts an effect that outlives the command and ends with the sandbox. */
  readonly daemon: (effect: Effect.Effect<unknown, SandboxError.SandboxError>) => Effect.Effect<void>
}

/**
 * The output of a scripted program, ended by an `Exit`. A program without an `Exit` has the exit code 0.
 *
 * @category models
 * @since 0.1.0
 */
export type Program = Stream.Stream<ProcessEvent, SandboxError.SandboxError>

/**
 * A program that writes `stdout` and exits.
 *
 * @category constructors
 * @since 0.1.0
 */
export const answer = (stdout: string, exitCode = 0): Program =>
  Stream.make<ReadonlyArray<ProcessEvent>>({ _tag: "Stdout", text: stdout }, { _tag: "Exit", exitCode })

/** The program of a command that is not scripted. */
export const commandNotFound = (command: Command): Program =>
  Stream.make<ReadonlyArray<ProcessEvent>>(
    { _tag: "Stderr", text: `${"argv" in command ? command.argv[0] : "bash"}: command not found\n` },
    { _tag: "Exit", exitCode: 127 }
  )

/**
 * The home folder of every sandbox in memory.
 *
 * @category constants
 * @since 0.1.0
 */
export const home = "/home/user"
