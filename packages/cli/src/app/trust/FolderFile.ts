import { createHash } from "node:crypto"
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from "node:fs"
import { join, sep } from "node:path"

// Shell completion runs this at every press of Tab, so it must not load Effect.

/** More than any settings, and little enough to be read at once. */
const maximumBytes = 1_048_576

/** A file of settings. It is read once: what is trusted is what is used. */
export type FolderFile =
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Unreadable"; readonly why: string }
  | {
      readonly _tag: "Found"
      /** The real path of the folder and the name in it. A link at the end is not followed. */
      readonly path: string
      readonly text: string
      /** The SHA-256 of the content. */
      readonly hash: string
      /** Whether it is a link to a file outside the folder. */
      readonly outside: boolean
      /** Whether other users can write to it. */
      readonly shared: boolean
    }

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")

/** Reads a file in a folder. A file that is not regular or is very large is unreadable. */
export const read = (folder: string, name: string): FolderFile => {
  try {
    // A FIFO must not block.
    const file = openSync(join(folder, name), constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stat = fstatSync(file)
      if (!stat.isFile()) return { _tag: "Unreadable", why: "is not a regular file" }
      if (stat.size > maximumBytes) return { _tag: "Unreadable", why: "is larger than 1 MiB" }
      const bytes = readFileSync(file)
      const real = realpathSync(folder)
      return {
        _tag: "Found",
        path: join(real, name),
        text: bytes.toString("utf8"),
        hash: createHash("sha256").update(bytes).digest("hex"),
        outside: !realpathSync(join(folder, name)).startsWith(real.endsWith(sep) ? real : `${real}${sep}`),
        shared: (stat.mode & 0o022) !== 0
      }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return isMissing(error) ? { _tag: "Absent" } : { _tag: "Unreadable", why: "cannot be read" }
  }
}

/** The folder without links on the way to it. */
export const realFolder = (folder: string): string => {
  try {
    return realpathSync(folder)
  } catch {
    return folder
  }
}
