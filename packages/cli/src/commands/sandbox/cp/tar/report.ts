/** Why an entry is left out of a copy. */
export type Skipped =
  /** A symbolic link that leads out of the folder that is copied. */
  | "link"
  /** A device, a socket, a pipe or a sparse file of GNU tar. */
  | "special"
  /** A name that is not UTF-8. */
  | "name"

/** What a copy has done so far. */
export interface Report {
  files: number
  bytes: number
  readonly skipped: Array<{ readonly path: string; readonly why: Skipped }>
}

/** Nothing copied yet. */
export const empty = (): Report => ({ files: 0, bytes: 0, skipped: [] })

/** A copy is refused, or cannot go on. The message is for people. */
export class CopyRefused extends Error {}
