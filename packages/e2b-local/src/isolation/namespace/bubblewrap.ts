/**
 * Isolation with bubblewrap, which builds the same root file system in one process.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as HostProcess from "../../host/HostProcess.ts"
import { searchPath } from "../../host/kernel.ts"
import * as NamespaceRuntime from "./NamespaceRuntime.ts"
import type { Item, Owners } from "./mounts.ts"
import type { Boot } from "../SandboxRuntime.ts"

// `--dev` makes all of these itself. Without it bubblewrap makes no terminals.
const isOfDev = (item: Item) =>
  (item.kind === "dev" || item.kind === "link") && item.target.startsWith("/dev/")

const flags = (item: Item): ReadonlyArray<string> => {
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
    case "mask":
      return ["--ro-bind", "/dev/null", item.target]
    case "shm":
      return ["--perms", "1777", "--size", `${256 * 1024 * 1024}`, "--tmpfs", item.target]
  }
}

/** The parent folders of a path, outermost first, without the root. */
const parents = (path: string): ReadonlyArray<string> => {
  const parts = path.split("/").slice(1, -1)
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)
}

/** Each item with its parent folders, which bubblewrap would otherwise make accessible to root only. */
const allFlags = (items: ReadonlyArray<Item>): ReadonlyArray<string> => {
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

let known: boolean | undefined

/** Whether this version can forbid further user namespaces. */
const canDisableUserNamespaces = Effect.suspend(() =>
  known === undefined
    ? HostProcess.run({ command: "bwrap", args: ["--help"], env: { PATH: searchPath } }).pipe(
        Effect.map(({ stderr, stdout }) => stdout.toString().concat(stderr).includes("--disable-userns")),
        Effect.orElseSucceed(() => false),
        Effect.tap((can) => Effect.sync(() => (known = can)))
      )
    : Effect.succeed(known)
)

/** Boots a sandbox. `owners` are set when the server runs as root. */
export const boot = Effect.fnUntraced(function* (
  request: Boot,
  items: ReadonlyArray<Item>,
  owners: Option.Option<Owners>
) {
  const nestedUser = Option.isNone(owners) && !request.userNamespaces && (yield* canDisableUserNamespaces)
  return yield* NamespaceRuntime.boot({
    boot: request,
    owners,
    nestedUser,
    command: [
      "bwrap",
      ...(Option.isNone(owners) ? ["--unshare-user", "--uid", "1000", "--gid", "1000"] : []),
      ...(nestedUser ? ["--disable-userns"] : []),
      "--unshare-cgroup-try",
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
