/**
 * The log of a daemon: one file, and the one before it, neither larger than a limit.
 *
 * @since 0.1.0
 */
import { Logger } from "effect"
import * as Fs from "node:fs"

const LIMIT = 1024 * 1024

/**
 * Moves what the file holds to `….1` when it has reached the limit. The file itself stays the same, so that who has
 * it open, for what Node.js says in its last moment, goes on writing to it.
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
      // There is nobody to tell: the disk is full, or the folder is gone.
    }
  })
