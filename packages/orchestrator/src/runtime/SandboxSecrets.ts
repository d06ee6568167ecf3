import type { SandboxError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Duration, Effect, Redacted } from "effect"

/** The time limit for reading the environment of a sandbox. */
const readLimit = Duration.seconds(20)

/** The values of variables in the output of `env -0`; `undefined` when it is no environment. */
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
 * Reads the values that variables have in a sandbox, which may differ from those that are set here. Takes one
 * request, and none without names. A sandbox that cannot tell them gives none, with a warning that has the names
 * only. Fails when the sandbox is paused, gone, or out of reach.
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
