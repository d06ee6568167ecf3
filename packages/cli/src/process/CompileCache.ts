import { mkdirSync, statSync } from "node:fs"
import { enableCompileCache } from "node:module"
import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"

/** The folder of compiled code: `remote-agent` in `XDG_CACHE_HOME`, if that is absolute, or in `~/.cache`. */
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
 * Makes Node.js keep the compiled code of the modules that it loads from now on, so that the next start is faster.
 *
 * **Details**
 *
 * Code in the folder is executed, so the folder is used only when it belongs to the user and no other user can write to
 * it. Without a usable folder, or with `NODE_DISABLE_COMPILE_CACHE`, modules are compiled at every start.
 */
export const enable = ({
  env,
  user
}: {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The id of the user of this process. Absent on systems without user ids. */
  readonly user: number | undefined
}): void => {
  if (env["NODE_DISABLE_COMPILE_CACHE"] !== undefined) return
  try {
    const folder = folderOf({ env, home: homedir() })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { mode, uid } = statSync(folder)
    if (uid === user && (mode & 0o022) === 0) enableCompileCache(folder)
  } catch {
    // A home that is not writable must not stop the command.
  }
}
