/**
 * Isolation by bubblewrap, which builds the same root in one process.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as NamespaceRuntime from "./NamespaceRuntime.ts"
import type * as Layout from "./mounts.ts"
import type { Boot } from "../SandboxRuntime.ts"

// All that `--dev` puts there, which is the same; only so does bubblewrap make terminals.
const isOfDev = (item: Layout.Item) =>
  (item.kind === "dev" || item.kind === "link") && item.target.startsWith("/dev/")

const flags = (item: Layout.Item): ReadonlyArray<string> => {
  switch (item.kind) {
    case "ro":
      return ["--ro-bind", item.source, item.target]
    case "rw":
      return ["--bind", item.source, item.target]
    case "dev":
      return ["--dev-bind", item.source, item.target]
    case "link":
      return ["--symlink", item.source, item.target]
    case "pts":
      return ["--dev", item.target]
    case "proc":
      return ["--proc", item.target]
    case "shm":
      return ["--perms", "1777", "--size", `${256 * 1024 * 1024}`, "--tmpfs", item.target]
  }
}

/** The folders above a path, from the outermost, without the root. */
const parents = (path: string): ReadonlyArray<string> => {
  const parts = path.split("/").slice(1, -1)
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)
}

/** Each item with the folders above it, which bubblewrap would close to everybody but root. */
const allFlags = (items: ReadonlyArray<Layout.Item>): ReadonlyArray<string> => {
  const readOnly: Array<string> = []
  return items
    .filter((item) => !isOfDev(item))
    .flatMap((item) => {
      const folders = parents(item.target).filter(
        (folder) => !readOnly.some((path) => `${folder}/`.startsWith(`${path}/`))
      )
      if (item.kind === "ro") readOnly.push(item.target)
      return [...folders.flatMap((folder) => ["--perms", "0755", "--dir", folder]), ...flags(item)]
    })
}

/** Boots a sandbox; `uid` is the uid of the host for a real root, none for everybody else. */
export const boot = Effect.fnUntraced(function* (
  request: Boot,
  items: ReadonlyArray<Layout.Item>,
  uid: Option.Option<number>
) {
  return yield* NamespaceRuntime.boot({
    boot: request,
    uid,
    command: [
      "bwrap",
      ...(Option.isNone(uid) ? ["--unshare-user", "--uid", "1000", "--gid", "1000"] : []),
      "--unshare-pid",
      "--unshare-ipc",
      "--unshare-uts",
      "--hostname",
      "sandbox",
      ...(request.internet ? [] : ["--unshare-net"]),
      "--die-with-parent",
      "--as-pid-1",
      "--perms",
      "0755",
      "--dir",
      "/run",
      ...allFlags(items),
      "--remount-ro",
      "/dev",
      "--remount-ro",
      "/",
      "--chdir",
      "/"
    ]
  })
})
