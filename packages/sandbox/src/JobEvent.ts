/** What clients see of a job: its output and how it ended. */

/**
 * A position in the output of a job: how many bytes of each stream precede it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cursor {
  readonly stdout: number
  readonly stderr: number
}

/**
 * Bytes that the job wrote, and the position after them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Output {
  readonly _tag: "Stdout" | "Stderr"
  readonly bytes: Uint8Array
  /** Reading on from here continues exactly after these bytes. */
  readonly cursor: Cursor
}

/**
 * How a job ended.
 *
 * **Details**
 *
 * - `Exited`: it exited by itself. A command that a signal ended has the exit code 128 plus the number of the signal.
 * - `Killed`: it and every process it started were killed, on request or because of a timeout.
 * - `Lost`: its supervisor died first, so its exit code is unknown. Its remaining processes are killed.
 *
 * @category models
 * @since 0.1.0
 */
export type End =
  | { readonly _tag: "Exited"; readonly exitCode: number }
  | {
      readonly _tag: "Killed"
      readonly by: "request" | "idle" | "wall"
      readonly exitCode: number
      /** The position in the output when its termination began. Absent where nothing can be written after that. */
      readonly before?: Cursor
    }
  | { readonly _tag: "Lost" }

/**
 * The status of a job.
 *
 * @category models
 * @since 0.1.0
 */
export type Status = End | { readonly _tag: "Running" } | { readonly _tag: "NeverStarted" }

/**
 * An event of a job: output, and at last its end.
 *
 * @category models
 * @since 0.1.0
 */
export type JobEvent = Output | End

/**
 * Tells whether an event is the last one.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isEnd = (event: JobEvent): event is End => event._tag !== "Stdout" && event._tag !== "Stderr"
