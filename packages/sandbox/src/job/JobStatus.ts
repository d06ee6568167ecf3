import { Option } from "effect"

/** How a job ended. */
export type End =
  /** By itself. One that a signal ended has 128 and the number of the signal as its exit code, as shells say it. */
  | { readonly _tag: "Exited"; readonly exitCode: number }
  /** It was ended, with all it had started: because somebody asked, or because one of its timeouts was reached. */
  | { readonly _tag: "Killed"; readonly by: "request" | "idle" | "wall"; readonly exitCode: number }
  /** What watched over it died before it ended, so its exit code will never be known. What it left is killed. */
  | { readonly _tag: "Lost" }

/** How a job is. */
export type Status = End | { readonly _tag: "Running" } | { readonly _tag: "NeverStarted" }

const causes: Readonly<Record<string, "request" | "idle" | "wall">> = {
  killed: "request",
  idle: "idle",
  wall: "wall"
}

const endOf = (code: string | undefined, cause: string | undefined): Option.Option<End> => {
  const exitCode = Number(code)
  if (code === undefined || !Number.isInteger(exitCode)) return Option.none()
  if (cause === "exited") return Option.some({ _tag: "Exited", exitCode })
  const by = causes[cause ?? ""]
  return by === undefined ? Option.none() : Option.some({ _tag: "Killed", by, exitCode })
}

/** Reads the words with which the scripts tell the end of a job; none when they tell something else. */
export const readEnd = ([word, code, cause]: ReadonlyArray<string>): Option.Option<End> => {
  if (word === "lost") return Option.some({ _tag: "Lost" })
  return word === "exit" ? endOf(code, cause) : Option.none()
}

/** Reads the words with which the scripts tell how a job is; none when they say nothing of the kind. */
export const readStatus = (words: ReadonlyArray<string>): Option.Option<Status> => {
  if (words[0] === "running") return Option.some({ _tag: "Running" })
  return words[0] === "none" ? Option.some({ _tag: "NeverStarted" }) : readEnd(words)
}
