import type { Id, SandboxError } from "@remote-agent/domain"
import type { DateTime, Duration, Effect, Redacted, Scope, Stream } from "effect"
import type { Cursor, JobEvent, Status } from "./JobEvent.ts"

/**
 * The specification of a new sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface SandboxSpec {
  /** The template it is made from; the provider's default when absent. */
  readonly template?: string | undefined
  /** Labels that `Sandboxes.list` can select by. They are not secret. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** The id of the attempt to create it, for callers that must know it in advance; generated when absent. */
  readonly attemptId?: Id.AttemptId | undefined
  /** The environment of every command. Secrets belong here, and never in the arguments of a command. */
  readonly env?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /** How long it exists from now on unless its ttl is extended, in whole seconds. */
  readonly ttl: Duration.Input
  /** What the provider does when the ttl ends: `kill` for work that can be repeated, otherwise `pause`. */
  readonly onExpiry?: "kill" | "pause" | undefined
  /** False cuts it off from the network. */
  readonly allowInternetAccess?: boolean | undefined
}

/**
 * The provider's description of a sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface SandboxInfo {
  readonly id: Id.SandboxId
  readonly state: "running" | "paused"
  readonly metadata: Readonly<Record<string, string>>
  readonly startedAt: DateTime.Utc
  /** When its ttl ends. */
  readonly endsAt: DateTime.Utc
}

/**
 * The timeouts of a command. They are separate, because a long command may be fine while a silent one is not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Timeouts {
  /** How long it may be silent; unlimited when absent. */
  readonly idle?: Duration.Input | undefined
  /** How long it may take in all; unlimited when absent. */
  readonly wall?: Duration.Input | undefined
}

interface CommandOptions {
  /** The working folder; the home folder when absent. */
  readonly cwd?: string | undefined
  /** Variables added to the environment of the sandbox. Providers may log these values, so they must not be secret. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** The standard input, followed by its end; empty when absent. */
  readonly stdin?: string | Uint8Array | undefined
  /** The user that runs it; the provider's ordinary user when absent. */
  readonly user?: string | undefined
  readonly timeouts?: Timeouts | undefined
}

/**
 * A command: a program with its arguments, each passed unchanged, or a script for bash.
 *
 * **Gotchas**
 *
 * Never put text that a person typed into a script; pass it as an argument.
 *
 * @category models
 * @since 0.1.0
 */
export type Command =
  | (CommandOptions & { readonly argv: readonly [string, ...ReadonlyArray<string>] })
  | (CommandOptions & { readonly script: string })

/**
 * The result of a command. The exit code of a command that a signal killed is -1.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * An event of a running command.
 *
 * **Gotchas**
 *
 * Text is UTF-8. Bytes that are not UTF-8 arrive as U+FFFD, so a program that writes binary data should write a file.
 *
 * @category models
 * @since 0.1.0
 */
export type ProcessEvent =
  | { readonly _tag: "Started"; readonly pid: number }
  | { readonly _tag: "Stdout"; readonly text: string }
  | { readonly _tag: "Stderr"; readonly text: string }
  | { readonly _tag: "Exit"; readonly exitCode: number }

/**
 * A file, folder or link in a sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileInfo {
  /** The absolute path, as the sandbox sees it. */
  readonly path: string
  readonly name: string
  readonly type: "file" | "directory" | "symlink" | "other"
  /** The size in bytes. */
  readonly size: number
}

/**
 * A change in a watched folder.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileEvent {
  /** A file that is moved within the folder is `Renamed` under its old name and then `Created` under its new name. */
  readonly _tag: "Created" | "Written" | "Removed" | "Renamed" | "ModeChanged"
  /** The path of the file, relative to the watched folder. */
  readonly name: string
}

/**
 * How a folder is watched.
 *
 * @category models
 * @since 0.1.0
 */
export interface WatchOptions {
  /** Whether subfolders are watched too, including those created later. False when absent. */
  readonly recursive?: boolean | undefined
}

/**
 * How a file is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadOptions {
  /** The most bytes that are read; 256 MiB when absent. A link to `/dev/zero` has no end. */
  readonly limitBytes?: number | undefined
}

/**
 * The most bytes that `files.read` holds in memory unless the caller says otherwise.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultReadLimit: number = 256 * 1024 * 1024

/**
 * A file that is written to a new sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewFile {
  readonly path: string
  readonly content: string | Uint8Array
  /** The mode, as `chmod` takes it; the provider's own when absent. */
  readonly mode?: string | undefined
}

/**
 * The folders and files of a new sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewFiles {
  readonly folders: ReadonlyArray<string>
  readonly files: ReadonlyArray<NewFile>
}

/**
 * The files of a sandbox. Relative paths start at the home folder.
 *
 * @category models
 * @since 0.1.0
 */
export interface SandboxFiles {
  /**
   * Reads a file. Fails with `FileNotFound` when there is none, and with `FileTooLarge` beyond the limit. It may take any
   * time as long as bytes arrive; it fails with `RequestTimedOut` when none do.
   */
  readonly read: (path: string, options?: ReadOptions) => Effect.Effect<Uint8Array, SandboxError.SandboxError>
  /** Reads a file as UTF-8. Fails like `read`. */
  readonly readString: (
    path: string,
    options?: ReadOptions
  ) => Effect.Effect<string, SandboxError.SandboxError>
  /** Reads a file in pieces, of which a few are held in memory. There is no limit unless the options give one. */
  readonly stream: (
    path: string,
    options?: ReadOptions
  ) => Stream.Stream<Uint8Array, SandboxError.SandboxError>
  /** Writes a file and creates missing folders. An existing file is replaced atomically. */
  readonly write: (
    path: string,
    content: string | Uint8Array
  ) => Effect.Effect<void, SandboxError.SandboxError>
  /** Lists the direct entries of a folder. */
  readonly list: (path: string) => Effect.Effect<ReadonlyArray<FileInfo>, SandboxError.SandboxError>
  /** Describes a file or folder. Fails with `FileNotFound` when there is none. */
  readonly stat: (path: string) => Effect.Effect<FileInfo, SandboxError.SandboxError>
  /** Removes a file, or a folder with its contents. Succeeds when there is none. */
  readonly remove: (path: string) => Effect.Effect<void, SandboxError.SandboxError>
  /** Moves a file or folder. Fails with `FileNotFound` when there is none. */
  readonly rename: (from: string, to: string) => Effect.Effect<void, SandboxError.SandboxError>
  /** Creates a folder and its missing parents. Succeeds when it exists. */
  readonly makeDir: (path: string) => Effect.Effect<void, SandboxError.SandboxError>
  /**
   * Creates folders and writes files, in as few requests as the provider allows, and returns the home folder. For a new
   * sandbox that nothing else uses yet: a file is not replaced atomically, and after a failure some are written.
   */
  readonly prepare: (files: NewFiles) => Effect.Effect<string, SandboxError.SandboxError>
  /**
   * Emits the changes in a folder from now on, until the stream is left. The granularity depends on the provider: a file
   * that `write` replaces may be `Created`. Fails with `FileNotFound` when there is no such folder, and with `Gone`,
   * `Expired` or `Paused` when the sandbox stops. Changes between two watches are not emitted.
   */
  readonly watch: (
    path: string,
    options?: WatchOptions
  ) => Stream.Stream<FileEvent, SandboxError.SandboxError>
}

/**
 * Jobs of a provider that implements them itself; the module `Job` describes them.
 *
 * **Details**
 *
 * All ids are valid. Operations on a job fail with `FileNotFound` when it does not exist.
 *
 * @category models
 * @since 0.1.0
 */
export interface SandboxJobs {
  /**
   * Starts a job. Returns false when a job of that id exists already. Ended jobs whose ids start with `clear` are removed,
   * unless it is empty.
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
  /** Takes an id that no job has, so that it is never started. Returns false when there is a job of that id. */
  readonly reserve: (id: string) => Effect.Effect<boolean, SandboxError.SandboxError>
}

/**
 * The address of a server in a sandbox, for HTTP and WebSockets.
 *
 * @category models
 * @since 0.1.0
 */
export interface Host {
  /** The URL, without a slash at its end. */
  readonly url: string
  /** The headers that every request must carry; empty when the URL is enough. */
  readonly headers: Readonly<Record<string, Redacted.Redacted>>
}

/**
 * The size of a terminal, in characters.
 *
 * @category models
 * @since 0.1.0
 */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/**
 * How a terminal is opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface TerminalOptions extends TerminalSize {
  /** The working folder; the home folder when absent. */
  readonly cwd?: string | undefined
  /** Variables added to the environment, such as `TERM`. Providers may log these values, so they must not be secret. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** The user that runs it; the provider's ordinary user when absent. */
  readonly user?: string | undefined
}

/**
 * A shell on a pseudo-terminal in a sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface Terminal {
  /** The bytes it prints, until it ends. Read it once. A slow reader slows the shell down. */
  readonly output: Stream.Stream<Uint8Array, SandboxError.SandboxError>
  /** Its exit code, once all its output has been read; -1 when a signal killed it. */
  readonly exitCode: Effect.Effect<number, SandboxError.SandboxError>
  /** Sends input. Succeeds when the shell has ended. */
  readonly write: (keys: Uint8Array) => Effect.Effect<void, SandboxError.SandboxError>
  /** Changes its size. Succeeds when the shell has ended. */
  readonly resize: (size: TerminalSize) => Effect.Effect<void, SandboxError.SandboxError>
}

/**
 * A handle to one sandbox. Holding it does not keep the sandbox alive.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sandbox {
  readonly id: Id.SandboxId
  /**
   * Runs a command to its end and returns its output. An exit code other than 0 is a result, not a failure. Fails with
   * `IdleTimedOut` or `WallTimedOut` at a timeout and with `OutputTooLarge` beyond 64 MiB of output. In each case, and
   * when interrupted, the command and every process it started have been killed.
   */
  readonly exec: (command: Command) => Effect.Effect<ExecResult, SandboxError.SandboxError>
  /**
   * Runs a command and streams its events: `Started`, then output, then `Exit`. A slow reader slows the command down.
   * Fails like `exec`. Leaving the stream before `Exit` kills the command and every process it started. With an `input`,
   * the command reads from that stream, and `stdin` is ignored.
   */
  readonly spawn: (
    command: Command,
    input?: Stream.Stream<Uint8Array>
  ) => Stream.Stream<ProcessEvent, SandboxError.SandboxError>
  /**
   * Opens a shell on a terminal. When the scope closes, the shell and every process it started have been killed. Fails
   * with `Unsupported` where the provider has no terminals.
   */
  readonly terminal: (
    options: TerminalOptions
  ) => Effect.Effect<Terminal, SandboxError.SandboxError, Scope.Scope>
  readonly files: SandboxFiles
  /** Jobs of a provider without a shell. Absent where the module `Job` runs them with the shell of the sandbox. */
  readonly jobs?: SandboxJobs | undefined
  /**
   * Returns the address of a server that listens at a port in the sandbox, without checking that one listens. For a
   * local sandbox the address needs no name resolution: the headers select the sandbox and the port. A client with
   * the URL and the headers can reach it. A local sandbox with a network shares that of this machine: its ports are ports
   * of this machine, and two sandboxes cannot listen at the same one. Fails with `InvalidRequest` for a number that is
   * not a port, and with `Unsupported` where no server can listen.
   */
  readonly host: (port: number) => Effect.Effect<Host, SandboxError.SandboxError>
}
