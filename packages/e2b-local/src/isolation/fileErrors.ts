/**
 * Classifies failures of file operations: by exit status, by the wording of the C library, or by errno.
 *
 * @since 0.1.0
 */
import { Predicate } from "effect"
import type { ExitStatus } from "../host/HostProcess.ts"
import { FileError, type FileReason } from "./SandboxRuntime.ts"

/** Exit statuses with which the scripts of both file implementations report a reason. */
const exitReasons: Readonly<Record<number, FileReason>> = {
  44: "NotFound",
  45: "Exists",
  46: "NotDirectory",
  47: "IsDirectory",
  48: "Denied",
  49: "Unsupported",
  51: "Invalid",
  // A shell exits with this when the file size limit killed a program (SIGXFSZ).
  153: "NoSpace"
}

/** Why a named pipe is neither read nor written. */
export const pipeDetail = "it is a named pipe"

/** One row per errno: the code of Node.js and the wording of the C library, which ends a message. */
const errnos: ReadonlyArray<readonly [code: string, wording: string, reason: FileReason]> = [
  ["ENOENT", "No such file or directory", "NotFound"],
  ["EACCES", "Permission denied", "Denied"],
  ["EPERM", "Operation not permitted", "Denied"],
  ["EROFS", "Read-only file system", "Denied"],
  ["ENOSPC", "No space left on device", "NoSpace"],
  ["EDQUOT", "Disk quota exceeded", "NoSpace"],
  ["EFBIG", "File too large", "NoSpace"],
  ["EISDIR", "Is a directory", "IsDirectory"],
  ["EISDIR", "cannot overwrite directory", "IsDirectory"],
  ["ENOTDIR", "Not a directory", "NotDirectory"],
  ["EEXIST", "File exists", "Exists"],
  ["ENOTEMPTY", "Directory not empty", "Exists"],
  ["ENOTSUP", "Operation not supported", "Unsupported"],
  ["ENAMETOOLONG", "File name too long", "Invalid"],
  ["ELOOP", "Too many levels of symbolic links", "Invalid"],
  ["ENXIO", "No such device or address", "Invalid"],
  ["EINVAL", "Invalid argument", "Invalid"]
]

/** The reason of a failed script, from its exit status and the last line of its stderr. */
export const ofExit = (status: ExitStatus, stderr: string): FileReason => {
  const known = exitReasons[status.code ?? -1]
  if (known !== undefined) return known
  const last = stderr.trim().split("\n").at(-1) ?? ""
  return errnos.find(([, wording]) => last.endsWith(wording))?.[2] ?? "Failed"
}

const messages: Readonly<Record<FileReason, string>> = {
  NotFound: "file not found",
  Exists: "already exists",
  IsDirectory: "is a directory",
  NotDirectory: "is not a directory",
  Denied: "permission denied",
  NoSpace: "not enough disk space",
  Invalid: "invalid path",
  Unsupported: "metadata of files needs perl and a file system with extended attributes",
  Failed: "the operation failed"
}

/** A failed operation on `path`. */
export const fileError = (reason: FileReason, path: string, detail?: string) =>
  new FileError({ reason, message: `${messages[reason]}: '${path}'${detail ? ` (${detail})` : ""}` })

/** The errno code of a failure of Node.js, empty when it has none. */
export const codeOf = (cause: unknown): string =>
  Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : ""

/** A failure of Node.js on `path` as a file error. */
export const ofNode = (path: string) => (cause: unknown) => {
  if (cause instanceof FileError) return cause
  const code = codeOf(cause)
  return fileError(errnos.find(([known]) => known === code)?.[2] ?? "Failed", path, code)
}

const letters = ["---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"]

/** Letters of Go's `fs.FileMode` for the file types of `find -printf %y`. */
const typeLetters: Readonly<Record<string, string>> = { d: "d", l: "L", b: "D", c: "D", p: "p", s: "S" }

/** Permissions as Go's `fs.FileMode` prints them, from the type letter of `find` and all twelve mode bits. */
export const permissionsOf = (type: string, mode: number): string => {
  const prefix = [
    typeLetters[type] ?? "",
    (mode & 0o4000) === 0 ? "" : "u",
    (mode & 0o2000) === 0 ? "" : "g",
    type === "c" ? "c" : "",
    (mode & 0o1000) === 0 ? "" : "t"
  ].join("")
  return (prefix === "" ? "-" : prefix) + [6, 3, 0].map((shift) => letters[(mode >> shift) & 7]).join("")
}
