import type { Effect, Stream } from "effect"
import type { Failure } from "../../../ui/Failure.ts"
import type { Existing } from "./location.ts"
import type { Report } from "./tar/report.ts"

type Result<A> = Effect.Effect<A, Failure>

/** What is copied. */
type Type = "file" | "folder"

/** A file system to copy from or to: that of this machine or that of a sandbox. Paths are absolute. */
export interface Side {
  /** Whether this side counts what is copied, in the report that it is given. */
  readonly counts: boolean
  /** The absolute path. */
  readonly resolve: (path: string) => Result<string>
  readonly typeOf: (path: string) => Result<Existing>
  /** Creates a folder and its missing parents. */
  readonly makeFolder: (path: string) => Result<void>
  readonly remove: (path: string) => Result<void>
  readonly rename: (from: string, to: string) => Result<void>
  /** A file, or the entries of a folder, as tar. */
  readonly pack: (path: string, type: Type, report: Report) => Stream.Stream<Uint8Array, Failure>
  /** Writes the file or folder of a tar at a path that does not exist, in a folder that does. */
  readonly unpack: (
    archive: Stream.Stream<Uint8Array, Failure>,
    type: Type,
    at: string,
    report: Report
  ) => Result<void>
}
