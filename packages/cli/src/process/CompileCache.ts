import { mkdirSync, statSync } from "node:fs"
import { enableCompileCache } from "node:module"
import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"

/** Where compiled code is kept: `remote-agent` in `XDG_CACHE_HOME`, when that is absolute, or in `~/.cache`. */
export const folderOf = ({
  env,
  home
}: {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
}): string => {
  const caches = env["XDG_CACHE_HOME"] ?? ""
  return join(isAbsolute(caches) ? caches : join(home, ".cache"), "remote-agent")
}

/**
 * Has Node.js keep the code of the modules that are loaded from now on, compiled, so that the next start need not
 * compile it. What is in the folder is run, so it is used only when it is that of the user, and no other user can
 * write there. Where that is not so, or the folder cannot be made, everything is compiled as without it. Nothing is
 * made where `NODE_DISABLE_COMPILE_CACHE` says that nothing is to be kept.
 */
export const enable = ({
  env,
  user
}: {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The id of the user that this process works for; absent where users have none. */
  readonly user: number | undefined
}): void => {
  if (env["NODE_DISABLE_COMPILE_CACHE"] !== undefined) return
  try {
    const folder = folderOf({ env, home: homedir() })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { mode, uid } = statSync(folder)
    if (uid === user && (mode & 0o022) === 0) enableCompileCache(folder)
  } catch {
    // A home that cannot be written to is no reason to do without the command.
  }
}
