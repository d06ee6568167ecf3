/**
 * The interface of one sandbox's runtime: processes, files, and freezing of both.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import type { Effect, Option, Scope, Stream } from "effect"
import type { Duplex, Readable, Writable } from "node:stream"
import type { E2bServerError } from "../E2bServerError.ts"
import type { CgroupScope } from "../host/Cgroups.ts"
import type { ExitStatus } from "../host/HostProcess.ts"
import type { Pipes } from "../host/pipes.ts"
import type { ResourceUsage } from "../host/ResourceUsage.ts"
import type { PortClosed } from "../host/tcp.ts"
import type { Limits } from "./shell.ts"

/** Why a file operation failed. */
export const FileReason = Schema.Literals([
  "NotFound",
  "Exists",
  "IsDirectory",
  "NotDirectory",
  "Denied",
  "NoSpace",
  "Invalid",
  "Unsupported",
  "Failed"
])
/** @see {@link FileReason} */
export type FileReason = typeof FileReason.Type

/** A file operation of a client failed. The message is sent to the client. */
export class FileError extends Schema.TaggedError<FileError>()("FileError", {
  reason: FileReason,
  message: Schema.String
}) {}

/** A command could not be started, or the sandbox could not be controlled. The message is sent to the client. */
export class CommandError extends Schema.TaggedError<CommandError>()("CommandError", {
  /** `NoDirectory` and `NoProgram`: the working directory or the program does not exist. */
  reason: Schema.Literals(["NoDirectory", "NoProgram", "Unsupported", "Failed"]),
  message: Schema.String
}) {}

/** Metadata of a file, kept in extended attributes `user.e2b.*`. */
export type Metadata = Readonly<Record<string, string>>

/** One entry of a file system as envd describes it. */
export interface Entry {
  readonly path: string
  /** For a link: the type of its target, unspecified when the target does not exist. */
  readonly type: "FILE_TYPE_FILE" | "FILE_TYPE_DIRECTORY" | "FILE_TYPE_UNSPECIFIED"
  /** For a link: of the link itself. */
  readonly size: number
  /** Permission bits only. For a link: those of its target, 0 when the target does not exist. */
  readonly mode: number
  /** In the form of Go's `fs.FileMode`, which envd uses. For a link: of the link itself. */
  readonly permissions: string
  readonly owner: string
  readonly group: string
  /** RFC 3339. */
  readonly modifiedTime: string
  /** Path of the final target. The path of the link itself when the target does not exist. */
  readonly symlinkTarget?: string | undefined
  readonly metadata: Metadata
}

/** A part of a file. */
export interface ByteRange {
  readonly start: number
  readonly length: number
}

/** An open file. */
export interface Content {
  /** Undefined for anything but a regular file with bytes in it. */
  readonly size: number | undefined
  /** Seconds since the epoch. */
  readonly modified: number
  /** The bytes of the range, or all of them. Call it once. */
  readonly bytes: (range?: ByteRange) => Stream.Stream<Uint8Array, FileError>
}

/** File operations of one user in the sandbox. Paths are absolute and normalised. */
export interface Files {
  readonly stat: (path: string) => Effect.Effect<Entry, FileError>
  /** Lists entries down to `depth` levels, ordered by path. */
  readonly list: (path: string, depth: number) => Effect.Effect<ReadonlyArray<Entry>, FileError>
  /** The real path of a readable folder. */
  readonly folder: (path: string) => Effect.Effect<string, FileError>
  /** Creates a folder and its missing parents. Fails with `Exists` when it is a folder already. */
  readonly makeDir: (path: string) => Effect.Effect<Entry, FileError>
  /** Creates missing parents of the destination. */
  readonly move: (from: string, to: string) => Effect.Effect<Entry, FileError>
  /** Succeeds when the path does not exist. */
  readonly remove: (path: string) => Effect.Effect<void, FileError>
  readonly read: (path: string) => Effect.Effect<Content, FileError, Scope.Scope>
  /**
   * Writes a file and replaces its metadata.
   *
   * **Details**
   *
   * Truncates the file in place and creates missing parents, as envd does. Reads the whole stream even after a failure.
   * Fails with `Unsupported` when there is metadata and the host or the file system cannot keep it.
   */
  readonly write: <E>(
    path: string,
    content: Stream.Stream<Uint8Array, E>,
    metadata: Metadata
  ) => Effect.Effect<void, FileError | E>
}

/** A user of a sandbox. */
export interface Account {
  readonly name: "user" | "root"
  readonly home: string
  readonly files: Files
}

/** A command to run. `env` is complete. Nothing contains NUL. */
export interface Command {
  readonly argv: readonly [string, ...Array<string>]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly stdin: boolean
  /** Default: `user`. */
  readonly user?: Account["name"]
  /**
   * What happens when the program does not exist: the start fails, or the command runs and ends with exit code 127, as
   * at E2B. Default: the start fails.
   */
  readonly missing?: "fail" | "exit"
}

/** A started command. */
export interface Running {
  /** The pid inside of the sandbox. */
  readonly pid: number
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  readonly stderr: Readable
  readonly exited: Effect.Effect<ExitStatus>
  /** Signals the leader only. Does nothing when it has exited. */
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Frees what belongs to the command. Call it once all output is read. */
  readonly release: Effect.Effect<void>
}

/** One isolated process tree. Closing the scope in which it was booted ends it and leaves nothing behind. */
export interface SandboxRuntime {
  /** Whether its programs cannot read what the server can read. */
  readonly isolated: boolean
  /** The user that commands run as by default. */
  readonly user: Account
  /** The root user. None where the host cannot provide one. */
  readonly root: Option.Option<Account>
  /** The folder for temporary files inside of the sandbox. */
  readonly temporary: string
  /** The default PATH inside of the sandbox. */
  readonly path: string
  /** Names of the folders in the sandbox's directory that it can write. A snapshot keeps exactly these. */
  readonly writable: ReadonlyArray<string>
  /** Fails with `NoDirectory` when the working directory does not exist. */
  readonly start: (command: Command) => Effect.Effect<Running, CommandError>
  /** Connects to a port of the sandbox's loopback. */
  readonly connect: (port: number) => Effect.Effect<Duplex, PortClosed, Scope.Scope>
  /** Stops every process. */
  readonly freeze: Effect.Effect<void, CommandError>
  readonly thaw: Effect.Effect<void, CommandError>
  /** Resource usage of its processes. None where the host does not tell. */
  readonly usage: Effect.Effect<Option.Option<ResourceUsage>>
  /** Completes when the process tree died by itself. */
  readonly died: Effect.Effect<void>
}

/** The files that a sandbox boots with. */
export type BootFiles =
  /** An empty home. */
  | { readonly _tag: "Empty" }
  /** A copy of the writable folders in `folder`. */
  | { readonly _tag: "CopyOf"; readonly folder: string }
  /** The folders that an earlier boot of the same sandbox left in its directory. */
  | { readonly _tag: "Kept" }

/** What a runtime boots from. */
export interface Boot {
  /** A folder of this sandbox alone. The form of isolation decides what is in it. */
  readonly directory: string
  readonly files: BootFiles
  readonly internet: boolean
  readonly pipes: Pipes
  readonly limits: Limits
  /** The control groups in which every process of the sandbox starts. */
  readonly cgroup: CgroupScope
  readonly readOnlyPaths: ReadonlyArray<string>
  /** Whether programs may make user namespaces, for a sandbox of their own. */
  readonly userNamespaces: boolean
}

/** A form of isolation that works on this host. */
export interface RuntimeProvider {
  readonly kind: "bubblewrap" | "namespaces" | "none"
  readonly boot: (boot: Boot) => Effect.Effect<SandboxRuntime, E2bServerError, Scope.Scope>
}
