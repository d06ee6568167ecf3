/**
 * Paths in requests.
 *
 * @since 0.1.0
 */
import { Effect, Result } from "effect"
import * as Path from "node:path/posix"
import type { Account } from "../isolation/SandboxRuntime.ts"
import { isCarriable } from "../isolation/shell.ts"
import { rpcError } from "./ConnectProtocol.ts"

/** Makes a path absolute. Relative paths and `~` start at the home of the user. Fails with the reason. */
export const resolvePath = (home: string, path: string): Result.Result<string, string> => {
  if (!isCarriable(path)) return Result.fail("a path contains a NUL byte")
  if (/^~[^/\\]/.test(path)) return Result.fail("cannot expand user-specific home dir")
  return Result.succeed(Path.resolve(home, path.startsWith("~") ? `.${path.slice(1)}` : path))
}

/** A path of a call for an account. Fails with `invalid_argument`. */
export const callPath = (account: Account, path: string) =>
  Effect.fromResult(resolvePath(account.home, path)).pipe(
    Effect.mapError((reason) => rpcError("invalid_argument", reason))
  )
