/** Decodes what the scripts print about the state of a job. */
import { Option } from "effect"
import type { Cursor, End, Status } from "../JobEvent.ts"

const causes: Readonly<Record<string, "request" | "idle" | "wall">> = {
  killed: "request",
  idle: "idle",
  wall: "wall"
}

const decodeSizes = (stdout: string | undefined, stderr: string | undefined): { readonly before?: Cursor } =>
  stdout === undefined || stderr === undefined || !/^\d+$/.test(stdout) || !/^\d+$/.test(stderr)
    ? {}
    : { before: { stdout: Number(stdout), stderr: Number(stderr) } }

const decodeExit = ([code, cause, , , stdout, stderr]: ReadonlyArray<string>): Option.Option<End> => {
  if (code === undefined || !/^\d{1,3}$/.test(code)) return Option.none()
  const exitCode = Number(code)
  if (cause === "exited") return Option.some({ _tag: "Exited", exitCode })
  const by = cause !== undefined && Object.hasOwn(causes, cause) ? causes[cause] : undefined
  return by === undefined
    ? Option.none()
    : Option.some({ _tag: "Killed", by, exitCode, ...decodeSizes(stdout, stderr) })
}

/** Decodes the words with which a script reports the end of a job. Returns `None` for any other words. */
export const decodeEnd = ([word, ...words]: ReadonlyArray<string>): Option.Option<End> => {
  if (word === "lost") return Option.some({ _tag: "Lost" })
  return word === "exit" ? decodeExit(words) : Option.none()
}

/** Decodes the words with which a script reports the status of a job. Returns `None` for any other words. */
export const decodeStatus = (words: ReadonlyArray<string>): Option.Option<Status> => {
  if (words[0] === "running") return Option.some({ _tag: "Running" })
  return words[0] === "none" ? Option.some({ _tag: "NeverStarted" }) : decodeEnd(words)
}
