import type { DaemonError } from "@remote-agent/e2b-local"
import type { Failure } from "./Failure.ts"

const reasonOf = (failure: Failure): string => ("reason" in failure ? failure.reason._tag : failure._tag)

/** The commands that fix a failure of the local server. */
const commandFor = ({ reason }: DaemonError.DaemonError): ReadonlyArray<string> => {
  switch (reason._tag) {
    case "NotRunning":
      return ["  remote-agent local serve"]
    case "AlreadyRunning":
      return ["  remote-agent local status", "  remote-agent local stop"]
    case "VersionMismatch":
    case "IsolationMismatch":
      return ["  remote-agent local stop"]
    case "SandboxesLeft":
      return ["  remote-agent local stop --yes"]
    default:
      return []
  }
}

/** A failure for people: what went wrong on the first line, then what to do about it. */
export const toLines = (failure: Failure): ReadonlyArray<string> => {
  if (failure._tag === "ConfigError") {
    return failure.problems.flatMap(({ hint, what }) => [`${what}.`, `  ${hint}`])
  }
  const [, what = failure.message, todo] = /^(.*?[^.][.!?]) +(\S.*)$/s.exec(failure.message) ?? []
  const commands = failure._tag === "DaemonError" ? commandFor(failure) : []
  return todo === undefined
    ? [what, ...commands]
    : [what, ...`  ${todo}`.replaceAll("\n", "\n    ").split("\n"), ...commands]
}

/** A failure as JSON. */
export const toJson = (failure: Failure) => ({
  error: {
    reason: reasonOf(failure),
    message: failure.message,
    retryable: "isRetryable" in failure && failure.isRetryable
  }
})
