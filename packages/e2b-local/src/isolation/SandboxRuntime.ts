/**
 * What a form of isolation gives for one sandbox: processes, files, and the freezing of both.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import type { Effect, Option, Scope, Stream } from "effect"
import type { Duplex, Readable, Writable } from "node:stream"
import type { CgroupScope } from "../host/Cgroups.ts"
import type { RpcError } from "../envd/ConnectProtocol.ts"
import type { E2bServerError } from "../E2bServerError.ts"
import type { ExitStatus } from "../host/HostProcess.ts"
import type { Pipes } from "../host/pipes.ts"
import type { Limits } from "./shell.ts"
import type { ResourceUsage } from "../host/ResourceUsage.ts"

/** Why a file operation was refused. */
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

/** A file operation of a client that did not succeed; the message is for the client. */
export class FileError extends Schema.TaggedError<FileError>()("FileError", {
  reason: FileReason,
  message: Schema.String
}) {}

/** Notes on a file: extended attributes `user.e2b.*`. */
export type Metadata = Readonly<Record<string, string>>

/** One entry of a file system as envd describes it. */
export interface Entry {
  readonly path: string
  readonly type: "FILE_TYPE_FILE" | "FILE_TYPE_DIRECTORY" | "FILE_TYPE_UNSPECIFIED"
  readonly size: number
  /** Permission bits only. */
  readonly mode: number
  /** As `ls -l` prints them. */
  readonly permissions: string
  readonly owner: string
  readonly group: string
  /** RFC 3339. */
  readonly modifiedTime: string
  readonly symlinkTarget?: string | undefined
  /** What clients noted on it; empty for nothing. */
  readonly metadata: Metadata
}

/** Bytes of a file; `size` is unknown for what is not a regular file. */
export interface Content {
  readonly size: number | undefined
  readonly bytes: Stream.Stream<Uint8Array, FileError>
}

/** Files as the sandbox sees them. Paths are absolute and normalised. */
export interface Files {
  readonly stat: (path: string) => Effect.Effect<Entry, FileError>
  /** Entries down to `depth` levels, ordered by path. */
  readonly list: (path: string, depth: number) => Effect.Effect<ReadonlyArray<Entry>, FileError>
  /** Where a readable folder really is. */
  readonly folder: (path: string) => Effect.Effect<string, FileError>
  /** With missing parents; fails with `Exists` when it is a directory already. */
  readonly makeDir: (path: string) => Effect.Effect<Entry, FileError>
  /** Creates missing parents of the destination. */
  readonly move: (from: string, to: string) => Effect.Effect<Entry, FileError>
  /** Succeeds when there is nothing to remove. */
  readonly remove: (path: string) => Effect.Effect<void, FileError>
  readonly read: (path: string) => Effect.Effect<Content, FileError, Scope.Scope>
  /** Truncates in place and creates missing parents, as envd does; reads the whole stream in any case. */
  readonly write: <E>(
    path: string,
    content: Stream.Stream<Uint8Array, E>
  ) => Effect.Effect<void, FileError | E>
  /** Adds notes to a file. Fails with `Unsupported` where the host or the file system keeps none. */
  readonly annotate: (path: string, metadata: Metadata) => Effect.Effect<void, FileError>
}

/** What to run. `env` is complete, the names are valid, the values carriable. */
export interface Command {
  readonly argv: readonly [string, ...Array<string>]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly stdin: boolean
}

/** A command that has become its program. */
export interface Running {
  /** As the sandbox sees it. */
  readonly pid: number
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  readonly stderr: Readable
  readonly exited: Effect.Effect<ExitStatus>
  /** To the leader only. Does nothing when it is gone. */
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Called once all is read: gives up what belongs to the command. */
  readonly release: Effect.Effect<void>
}

/** One isolated process tree. Closing the scope that it was booted in ends it, without a trace. */
export interface SandboxRuntime {
  /** The home of the user as commands see it. */
  readonly home: string
  /** Where temporary files belong as commands see it. */
  readonly temporary: string
  /** PATH as commands see it. */
  readonly path: string
  /** The folders of its directory that hold all it can write and that a snapshot keeps. */
  readonly writable: ReadonlyArray<string>
  /** Fails with `invalid_argument` when the working directory or the program does not exist. */
  readonly start: (command: Command) => Effect.Effect<Running, RpcError>
  readonly files: Files
  /** A connection to a port of its loopback. Fails with `unavailable` when nobody listens there. */
  readonly connect: (port: number) => Effect.Effect<Duplex, RpcError, Scope.Scope>
  /** Stops every process at once. */
  readonly freeze: Effect.Effect<void, RpcError>
  readonly thaw: Effect.Effect<void, RpcError>
  /** What its processes use; none where the host does not tell. */
  readonly usage: Effect.Effect<Option.Option<ResourceUsage>>
  /** Completes when the tree died by itself. */
  readonly died: Effect.Effect<void>
}

/** What a machine is booted from. */
export interface Boot {
  /** A folder of this sandbox alone; the form of isolation lays out what it needs in it. */
  readonly directory: string
  /** A folder with the files to begin with, as `writable` of another machine of the same form names them. */
  readonly seed: Option.Option<string>
  readonly internet: boolean
  readonly pipes: Pipes
  readonly limits: Limits
  /** Where its processes are counted; every one of them starts in it. */
  readonly cage: CgroupScope
  readonly readOnlyPaths: ReadonlyArray<string>
}

/** A form of isolation that works here. */
export interface RuntimeProvider {
  readonly kind: "bubblewrap" | "namespaces" | "none"
  readonly boot: (boot: Boot) => Effect.Effect<SandboxRuntime, E2bServerError, Scope.Scope>
}
