import type { SandboxError } from "@remote-agent/domain"
import type { Id } from "@remote-agent/domain"
import type { DateTime, Duration, Effect, Redacted, Scope, Stream } from "effect"
import type { Cursor } from "./job/JobFrames.ts"
import type { JobEvent } from "./job/JobReader.ts"
import type { Status } from "./job/JobStatus.ts"

/** What a sandbox is to be. */
export interface SandboxSpec {
  /** What it is made from; the provider's default when absent. */
  readonly template?: string | undefined
  /** Labels that `Sandboxes.list` can select by. They are not secret. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** The id of the attempt to create it, for those who must know it before; the provider makes one when absent. */
  readonly attemptId?: Id.AttemptId | undefined
  /** The environment of every command. This is the place for secrets: the arguments of commands are not. */
  readonly env?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /** How long it lives from now on unless its life is extended; whole seconds. */
  readonly ttl: Duration.Input
  /** What the provider does at the end of its life: `kill` for work that can be done again, else `pause`. */
  readonly onExpiry?: "kill" | "pause" | undefined
  /** False cuts it off from the network. */
  readonly allowInternetAccess?: boolean | undefined
}

/** What the provider knows of a sandbox. */
export interface SandboxInfo {
  readonly id: Id.SandboxId
  readonly state: "running" | "paused"
  readonly metadata: Readonly<Record<string, string>>
  readonly startedAt: DateTime.Utc
  /** When the provider will end it. */
  readonly endsAt: DateTime.Utc
}

/** When a command is given up. The two are apart: a long command may be fine while a silent one is not. */
export interface Timeouts {
  /** How long it may write nothing. No limit when absent. */
  readonly idle?: Duration.Input | undefined
  /** How long it may take in all. No limit when absent. */
  readonly wall?: Duration.Input | undefined
}

interface CommandOptions {
  /** The home folder when absent. */
  readonly cwd?: string | undefined
  /** Added to the sandbox's environment. Providers may log these values: no secrets here. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** What the command reads, and then the end of input. Nothing when absent. */
  readonly stdin?: string | Uint8Array | undefined
  /** Who runs it; the provider's ordinary user when absent. */
  readonly user?: string | undefined
  readonly timeouts?: Timeouts | undefined
}

/**
 * Something to run: a program with its arguments, each passed on exactly as it is, or a script for bash. Nothing
 * that a person typed belongs into a script.
 */
export type Command =
  | (CommandOptions & { readonly argv: readonly [string, ...ReadonlyArray<string>] })
  | (CommandOptions & { readonly script: string })

/** How a command ended. A command that a signal killed has the exit code -1. */
export interface ExecResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * What a running command does, in order. Text is UTF-8; bytes that are none arrive as U+FFFD, so a program that
 * writes binary data should write it to a file.
 */
export type ProcessEvent =
  | { readonly _tag: "Started"; readonly pid: number }
  | { readonly _tag: "Stdout"; readonly text: string }
  | { readonly _tag: "Stderr"; readonly text: string }
  | { readonly _tag: "Exit"; readonly exitCode: number }

/** A file, folder or link in a sandbox. */
export interface FileInfo {
  /** Absolute, as the sandbox sees it. */
  readonly path: string
  readonly name: string
  readonly type: "file" | "directory" | "symlink" | "other"
  /** In bytes. */
  readonly size: number
}

/** Something that happened in a folder that is watched. */
export interface FileEvent {
  /** What is moved within the folder is `Renamed` under its old name, and then `Created` under its new one. */
  readonly _tag: "Created" | "Written" | "Removed" | "Renamed" | "ModeChanged"
  /** The path of what it happened to, from the folder that is watched. */
  readonly name: string
}

/** How a folder is watched. */
export interface WatchOptions {
  /** Whether what is below its folders is watched too, also below those made later. False when absent. */
  readonly recursive?: boolean | undefined
}

/** The files of a sandbox. Relative paths start at the home folder. */
export interface SandboxFiles {
  /** Fails with `FileNotFound` when there is none. */
  readonly read: (path: string) => Effect.Effect<Uint8Array, SandboxError.SandboxError>
  /** Like `read`, decoded as UTF-8. */
  readonly readString: (path: string) => Effect.Effect<string, SandboxError.SandboxError>
  /** Creates the folders on the way; a file that exists is replaced in one step, so no reader sees half of it. */
  readonly write: (
    path: string,
    content: string | Uint8Array
  ) => Effect.Effect<void, SandboxError.SandboxError>
  /** What is in a folder, not below it. */
  readonly list: (path: string) => Effect.Effect<ReadonlyArray<FileInfo>, SandboxError.SandboxError>
  /** Fails with `FileNotFound` when there is none. */
  readonly stat: (path: string) => Effect.Effect<FileInfo, SandboxError.SandboxError>
  /** Removes a file, or a folder with all that is in it. Succeeds when there is none. */
  readonly remove: (path: string) => Effect.Effect<void, SandboxError.SandboxError>
  readonly rename: (from: string, to: string) => Effect.Effect<void, SandboxError.SandboxError>
  /** Creates the folders on the way. Succeeds when it is there already. */
  readonly makeDir: (path: string) => Effect.Effect<void, SandboxError.SandboxError>
  /**
   * Tells what happens in a folder from now on, until the stream is left. How finely depends on the provider: a file
   * that is replaced by `write` may be told as `Created`. Fails with `FileNotFound` when there is no such folder, and
   * with `Gone`, `Expired` or `Paused` when the sandbox stops; what happens before somebody watches anew is not told.
   */
  readonly watch: (
    path: string,
    options?: WatchOptions
  ) => Stream.Stream<FileEvent, SandboxError.SandboxError>
}

/**
 * Jobs of a provider that keeps them itself; see the module `Job` for what they are. All ids are well formed. Fail
 * with `FileNotFound` when there is no such job, where a job is needed.
 */
export interface SandboxJobs {
  /**
   * Says whether it was started; false when there is a job of that id. Jobs that have ended and whose ids begin with
   * `clear` are removed, unless that is empty.
   */
  readonly start: (
    id: string,
    command: Command,
    clear: string
  ) => Effect.Effect<boolean, SandboxError.SandboxError>
  readonly read: (id: string, from: Cursor) => Stream.Stream<JobEvent, SandboxError.SandboxError>
  readonly status: (id: string) => Effect.Effect<Status, SandboxError.SandboxError>
  readonly kill: (id: string) => Effect.Effect<Status, SandboxError.SandboxError>
  readonly remove: (id: string) => Effect.Effect<void, SandboxError.SandboxError>
}

/** Where a server in a sandbox is reached over HTTP, WebSockets included. */
export interface Host {
  /** Without a slash at its end. */
  readonly url: string
  /** What every request must carry; empty when the URL says it all. */
  readonly headers: Readonly<Record<string, Redacted.Redacted>>
}

/** How large a terminal is, in characters. */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/** A shell on a terminal. */
export interface TerminalOptions extends TerminalSize {
  /** The home folder when absent. */
  readonly cwd?: string | undefined
  /** Added to the sandbox's environment, `TERM` for one. Providers may log these values: no secrets here. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Who runs it; the provider's ordinary user when absent. */
  readonly user?: string | undefined
}

/** A shell that runs on a pseudo-terminal in a sandbox. */
export interface Terminal {
  /** What it shows, as bytes, until it ends. To be read once; a reader that is slow slows the shell down. */
  readonly output: Stream.Stream<Uint8Array, SandboxError.SandboxError>
  /** How it ended, once all its output has been read. A shell that a signal killed has the exit code -1. */
  readonly exitCode: Effect.Effect<number, SandboxError.SandboxError>
  /** Types. Succeeds when nobody reads any more. */
  readonly write: (keys: Uint8Array) => Effect.Effect<void, SandboxError.SandboxError>
  /** Tells how large the terminal is now. Succeeds when nobody is there any more. */
  readonly resize: (size: TerminalSize) => Effect.Effect<void, SandboxError.SandboxError>
}

/** A handle on one sandbox. Having it does not keep the sandbox alive. */
export interface Sandbox {
  readonly id: Id.SandboxId
  /**
   * Runs a command to its end and gives back what it wrote. An exit code other than 0 is a result, not a failure.
   * Fails with `IdleTimedOut` or `WallTimedOut` when a timeout is reached and with `OutputTooLarge` beyond 64 MiB of
   * output; in each case, and when interrupted, the command and all it started have been killed.
   */
  readonly exec: (command: Command) => Effect.Effect<ExecResult, SandboxError.SandboxError>
  /**
   * Runs a command and streams what it does: `Started`, then output, then `Exit`. A reader that is slow slows the
   * command down. Fails like `exec`; a stream that is left before `Exit` has killed the command and all it started.
   * With an `input`, the command reads that as it comes, and `stdin` is not used.
   */
  readonly spawn: (
    command: Command,
    input?: Stream.Stream<Uint8Array>
  ) => Stream.Stream<ProcessEvent, SandboxError.SandboxError>
  /**
   * A shell of the sandbox on a terminal. When the scope closes, it and all it started have been killed. Fails with
   * `Unsupported` where there are no terminals.
   */
  readonly terminal: (
    options: TerminalOptions
  ) => Effect.Effect<Terminal, SandboxError.SandboxError, Scope.Scope>
  readonly files: SandboxFiles
  /** For a provider without a shell. Absent where `Job` does it with the shell of the sandbox. */
  readonly jobs?: SandboxJobs | undefined
  /**
   * How to reach a server that listens at a port in the sandbox; whether one does is not asked. Whoever has the URL and
   * the headers reaches it. Local sandboxes with a network share that of this machine: there their ports are ports of
   * it, and two cannot listen at the same one. Fails with `InvalidRequest` for what is no port, and with `Unsupported`
   * where nothing can listen.
   */
  readonly host: (port: number) => Effect.Effect<Host, SandboxError.SandboxError>
}
