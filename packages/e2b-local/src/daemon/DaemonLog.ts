/**
 * The log of a daemon: one file and its predecessor, both of limited size.
 *
 * Uses the synchronous calls of `node:fs`: a logger has no effect to wait for.
 *
 * @since 0.1.0
 */
import { Logger } from "effect"
import * as Fs from "node:fs"

const LIMIT = 1024 * 1024

/**
 * Moves the content of the file to `….1` when it has reached the limit. The file itself stays the same, because the
 * process has it open as its stderr.
 */
export const bound = (path: string, limit = LIMIT): void => {
  const size = Fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size < limit) return
  Fs.copyFileSync(path, `${path}.1`)
  Fs.truncateSync(path)
}

/** Appends one line of JSON per entry to the file. */
export const logger = (path: string, limit = LIMIT): Logger.Logger<unknown, void> =>
  Logger.map(Logger.formatJson, (line) => {
    try {
      bound(path, limit - line.length)
      Fs.appendFileSync(path, `${line}\n`, { mode: 0o600 })
    } catch {
      // The disk is full or the folder was removed. There is no other place to report it.
    }
  })
