import type { SandboxError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Duration, Effect, Redacted } from "effect"

/** How long a sandbox may take to tell its environment. */
const readLimit = Duration.seconds(20)

/** The values of some variables in what `env -0` prints; nothing when it is no environment. */
export const find = (
  environment: string,
  names: ReadonlyArray<string>
): ReadonlyArray<Redacted.Redacted> | undefined => {
  if (!environment.endsWith("\0")) return undefined
  const wanted = new Set(names)
  return environment.split("\0").flatMap((variable) => {
    const at = variable.indexOf("=")
    return at > 0 && wanted.has(variable.slice(0, at)) ? [Redacted.make(variable.slice(at + 1))] : []
  })
}

const unread = (names: ReadonlyArray<string>) =>
  Effect.as(
    Effect.logWarning(
      `A sandbox does not tell its environment; the values of ${names.join(", ")} are struck out of what its agent prints only as they are set here`
    ),
    [] as ReadonlyArray<Redacted.Redacted>
  )

/**
 * The values that these variables have for every command of a sandbox, whatever they are set to here. One trip, none
 * without names. A sandbox that has no way to tell gives nothing, and a warning that has the names alone. Fails when it
 * sleeps, is gone, or cannot be reached.
 */
export const read = Effect.fn("SandboxSecrets.read")(function* (
  sandbox: Sandbox.Sandbox,
  names: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<Redacted.Redacted>, SandboxError.SandboxError> {
  if (names.length === 0) return []
  return yield* sandbox.exec({ argv: ["env", "-0"], timeouts: { wall: readLimit } }).pipe(
    Effect.flatMap(({ exitCode, stdout }) => {
      const found = exitCode === 0 ? find(stdout, names) : undefined
      return found === undefined ? unread(names) : Effect.succeed(found)
    }),
    Effect.catchReasons("SandboxError", {
      InvalidRequest: () => unread(names),
      Unsupported: () => unread(names),
      OutputTooLarge: () => unread(names),
      WallTimedOut: () => unread(names)
    })
  )
})
