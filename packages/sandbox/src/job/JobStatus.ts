/** Decodes what the scripts print about the state of a job. */
import { Option } from "effect"
import type { End, Status } from "../JobEvent.ts"

const causes: Readonly<Record<string, "request" | "idle" | "wall">> = {
  killed: "request",
  idle: "idle",
  wall: "wall"
}

const decodeExit = (code: string | undefined, cause: string | undefined): Option.Option<End> => {
  if (code === undefined || !/^\d{1,3}$/.test(code)) return Option.none()
  const exitCode = Number(code)
  if (cause === "exited") return Option.some({ _tag: "Exited", exitCode })
  const by = cause !== undefined && Object.hasOwn(causes, cause) ? causes[cause] : undefined
  return by === undefined ? Option.none() : Option.some({ _tag: "Killed", by, exitCode })
}

/** Decodes the words with which a script reports the end of a job. Returns `None` for any other words. */
export const decodeEnd = ([word, code, cause]: ReadonlyArray<string>): Option.Option<End> => {
  if (word === "lost") return Option.some({ _tag: "Lost" })
  return word === "exit" ? decodeExit(code, cause) : Option.none()
}

/** Decodes the words with which a script reports the status of a job. Returns `None` for any other words. */
export const decodeStatus = (words: ReadonlyArray<string>): Option.Option<Status> => {
  if (words[0] === "running") return Option.some({ _tag: "Running" })
  return words[0] === "none" ? Option.some({ _tag: "NeverStarted" }) : decodeEnd(words)
}
