import { Option } from "effect"
import type { Cursor } from "./JobFrames.ts"

/** How a job ended. */
export type End =
  /** By itself. One that a signal ended has 128 and the number of the signal as its exit code, as shells say it. */
  | { readonly _tag: "Exited"; readonly exitCode: number }
  /** It was ended, with all it had started: because somebody asked, or because one of its timeouts was reached. */
  | {
      readonly _tag: "Killed"
      readonly by: "request" | "idle" | "wall"
      readonly exitCode: number
      /** The end of its output at the moment it was told to end. Absent where nothing can be written after that. */
      readonly before?: Cursor
    }
  /** What watched over it died before it ended, so its exit code will never be known. What it left is killed. */
  | { readonly _tag: "Lost" }

/** How a job is. */
export type Status = End | { readonly _tag: "Running" } | { readonly _tag: "NeverStarted" }

const causes: Readonly<Record<string, "request" | "idle" | "wall">> = {
  killed: "request",
  idle: "idle",
  wall: "wall"
}

const cursorOf = (stdout: string | undefined, stderr: string | undefined): { readonly before?: Cursor } =>
  stdout === undefined || stderr === undefined || stdout === "" || stderr === ""
    ? {}
    : { before: { stdout: Number(stdout), stderr: Number(stderr) } }

const endOf = ([code, cause, , , stdout, stderr]: ReadonlyArray<string>): Option.Option<End> => {
  const exitCode = Number(code)
  if (code === undefined || !Number.isInteger(exitCode)) return Option.none()
  if (cause === "exited") return Option.some({ _tag: "Exited", exitCode })
  const by = causes[cause ?? ""]
  return by === undefined
    ? Option.none()
    : Option.some({ _tag: "Killed", by, exitCode, ...cursorOf(stdout, stderr) })
}

/** Reads the words with which the scripts tell the end of a job; none when they tell something else. */
export const readEnd = ([word, ...words]: ReadonlyArray<string>): Option.Option<End> => {
  if (word === "lost") return Option.some({ _tag: "Lost" })
  return word === "exit" ? endOf(words) : Option.none()
}

/** Reads the words with which the scripts tell how a job is; none when they say nothing of the kind. */
export const readStatus = (words: ReadonlyArray<string>): Option.Option<Status> => {
  if (words[0] === "running") return Option.some({ _tag: "Running" })
  return words[0] === "none" ? Option.some({ _tag: "NeverStarted" }) : readEnd(words)
}
