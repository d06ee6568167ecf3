import { createHash } from "node:crypto"
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { delimiter, dirname, join, resolve } from "node:path"
import type { Place } from "../paths.ts"

// Shell completion runs this at every press of Tab, so it must not load Effect.

/** A file that the user trusts, as it was then. */
export interface Trusted {
  readonly path: string
  /** The SHA-256 of the content. */
  readonly hash: string
  /** In milliseconds since 1970. */
  readonly at: number
}

const folderOf = (dataFolder: string): string => join(dataFolder, "trust")

// One file each, so that two commands at the same time lose nothing.
const fileOf = (dataFolder: string, path: string): string =>
  join(folderOf(dataFolder), `${createHash("sha256").update(path).digest("hex")}.json`)

const isEntry = (value: unknown): value is Trusted =>
  typeof value === "object" &&
  value !== null &&
  "path" in value &&
  typeof value.path === "string" &&
  "hash" in value &&
  typeof value.hash === "string" &&
  "at" in value &&
  typeof value.at === "number"

const entryOf = (file: string): Trusted | undefined => {
  try {
    const read: unknown = JSON.parse(readFileSync(file, "utf8"))
    return isEntry(read) ? read : undefined
  } catch {
    return undefined
  }
}

/** What other users can write to says nothing about this user. */
const isPrivate = (path: string): boolean => {
  try {
    return (statSync(path).mode & 0o022) === 0
  } catch {
    return false
  }
}

/** All files that the user trusts, by their paths. */
export const list = (dataFolder: string): ReadonlyArray<Trusted> => {
  const folder = folderOf(dataFolder)
  if (!isPrivate(dataFolder) || !isPrivate(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) => entryOf(join(folder, name)) ?? [])
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** Remembers a file and its content. Only this user can read or write what is remembered. */
export const add = (dataFolder: string, entry: Trusted): void => {
  const file = fileOf(dataFolder, entry.path)
  mkdirSync(folderOf(dataFolder), { recursive: true, mode: 0o700 })
  writeFileSync(`${file}.new`, `${JSON.stringify(entry)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** Forgets a file. */
export const remove = (dataFolder: string, path: string): void =>
  rmSync(fileOf(dataFolder, path), { force: true })

const realOr = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** The files and folders of `REMOTE_AGENT_TRUST`, which is read from the environment only. */
const named = ({ cwd, env }: Place): ReadonlyArray<string> =>
  (env["REMOTE_AGENT_TRUST"] ?? "")
    .split(delimiter)
    .filter((path) => path.trim() !== "")
    .map((path) => resolve(cwd, path))

/** Whether a file is trusted as it is now: by `REMOTE_AGENT_TRUST`, or because the user trusted this content before. */
export const isTrusted = (
  { hash, path }: { readonly path: string; readonly hash: string },
  dataFolder: string,
  place: Place
): boolean => {
  const folder = dirname(path)
  // The last part of a file's path may be a link, which is not followed here either.
  const byName = named(place).some(
    (one) => realOr(one) === folder || join(realOr(dirname(one)), one.slice(dirname(one).length)) === path
  )
  if (byName) return true
  const file = fileOf(dataFolder, path)
  if (!isPrivate(dataFolder) || !isPrivate(folderOf(dataFolder)) || !isPrivate(file)) return false
  const entry = entryOf(file)
  return entry?.path === path && entry.hash === hash
}
