/**
 * The root file system of an isolated sandbox: the programs of the host read-only, its own `/etc`, and the folders that
 * it may write.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as CopyTree from "../../host/copyTree.ts"
import { removeTree } from "../../host/removeTree.ts"
import type { BootFiles } from "../SandboxRuntime.ts"

/** One mount, link or device. `source` is a path of the host, `target` a path in the sandbox. Order matters. */
export type Item =
  | { readonly kind: "ro" | "rw" | "dev" | "link"; readonly source: string; readonly target: string }
  | { readonly kind: "proc" | "shm" | "pts" | "mask"; readonly target: string }

/** Path of the Node.js binary in every sandbox. It is outside of the folders that the sandbox may write. */
export const nodePath = "/run/node/bin/node"
/** The home of `user`. */
export const home = "/home/user"

/** Folders that a sandbox may write: the name in its directory, the path in the sandbox, and the mode. */
const writable = [
  ["home", home, 0o700],
  ["tmp", "/tmp", 0o1777],
  ["vartmp", "/var/tmp", 0o1777],
  ["app", "/app", 0o755],
  ["code", "/code", 0o755],
  ["workspace", "/workspace", 0o755],
  ["opt", "/opt", 0o755],
  ["srv", "/srv", 0o755]
] as const

/** Name of the folder that is the home of `root`. */
const rootFolder = "root"

/** Names of the folders that a sandbox may write, with or without the home of `root`. */
export const writableNames = (withRoot: boolean): ReadonlyArray<string> => [
  ...writable.map(([name]) => name),
  ...(withRoot ? [rootFolder] : [])
]

// What the kernel tells there is about the host: its keys, its memory and its timers.
const masked = ["/proc/keys", "/proc/key-users", "/proc/kcore", "/proc/timer_list"]

/** PATH of every isolated sandbox. */
export const searchPath = "/run/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const systemFolders = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]
const devices = ["null", "zero", "full", "random", "urandom", "tty"]

// Programs read these to find libraries, names, certificates and time zones. None of them may contain a secret.
const etcFolders = ["ssl", "ca-certificates", "pki", "crypto-policies", "alternatives"]
const etcFiles = [
  "bash.bashrc",
  "debian_version",
  "gai.conf",
  "host.conf",
  "inputrc",
  "ld.so.cache",
  "ld.so.conf",
  "locale.alias",
  "localtime",
  "mime.types",
  "nsswitch.conf",
  "os-release",
  "protocols",
  "resolv.conf",
  "services",
  "shells",
  "timezone"
]

const attempt = <A>(promise: () => Promise<A>): Effect.Effect<Option.Option<A>> =>
  Effect.option(Effect.tryPromise(promise))

/** The lines of `/etc/passwd` and `/etc/group`. Outside of its user namespace, root is known by its uid of the host. */
const ownFiles = (uid: number, root: Option.Option<number>): Readonly<Record<string, string>> => ({
  passwd: [
    `root:x:0:0:root:/root:${Option.isSome(root) ? "/bin/bash" : "/usr/sbin/nologin"}`,
    `user:x:${uid}:${uid}:user:${home}:/bin/bash`,
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
    ...Option.toArray(root).map((id) => `root:x:${id}:${id}:root:/root:/bin/bash`),
    ""
  ].join("\n"),
  group: [
    "root:x:0:",
    `user:x:${uid}:`,
    "nogroup:x:65534:",
    ...Option.toArray(root).map((id) => `root:x:${id}:`),
    ""
  ].join("\n"),
  hosts: "127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost ip6-loopback\n",
  hostname: "sandbox\n",
  // A login shell must keep the PATH that it was given. The profile of the host would replace it.
  profile:
    '[ -z "${BASH_VERSION-}" ] || [ -z "${PS1-}" ] || [ ! -r /etc/bash.bashrc ] || . /etc/bash.bashrc\n'
})

const systemItems = Effect.forEach(systemFolders, (folder) =>
  attempt(() => Fs.lstat(folder)).pipe(
    Effect.flatMap((found): Effect.Effect<ReadonlyArray<Item>> => {
      if (Option.isNone(found)) return Effect.succeed([])
      if (!found.value.isSymbolicLink()) {
        return Effect.succeed([{ kind: "ro", source: folder, target: folder }])
      }
      return attempt(() => Fs.readlink(folder)).pipe(
        Effect.map((link) =>
          Option.isSome(link) ? [{ kind: "link", source: link.value, target: folder }] : []
        )
      )
    })
  )
).pipe(Effect.map((items) => items.flat()))

const folderItems = (parent: string, names: ReadonlyArray<string>) =>
  Effect.filter(names, (name) =>
    Effect.map(
      attempt(() => Fs.stat(Path.join(parent, name))),
      Option.match({ onNone: () => false, onSome: (found) => found.isDirectory() })
    )
  )

/** Writes `/etc` into `folder` and returns its items. */
const etcItems = Effect.fnUntraced(function* (folder: string, uid: number, root: Option.Option<number>) {
  // The modes are set afterwards, because the umask of the server would narrow them.
  const write = (name: string, content: string | Uint8Array) =>
    Effect.promise(async () => {
      await Fs.writeFile(Path.join(folder, name), content)
      await Fs.chmod(Path.join(folder, name), 0o644)
    })
  yield* Effect.promise(async () => {
    await Fs.mkdir(folder)
    await Fs.chmod(folder, 0o755)
  })
  yield* Effect.forEach(
    etcFiles,
    Effect.fnUntraced(function* (name) {
      const content = yield* attempt(() => Fs.readFile(Path.join("/etc", name)))
      if (Option.isSome(content)) yield* write(name, content.value)
    }),
    { concurrency: 8, discard: true }
  )
  yield* Effect.forEach(Object.entries(ownFiles(uid, root)), ([name, content]) => write(name, content), {
    discard: true
  })
  const folders = yield* folderItems("/etc", etcFolders)
  yield* Effect.forEach(folders, (name) => Effect.promise(() => Fs.mkdir(Path.join(folder, name))))
  return [
    { kind: "ro", source: folder, target: "/etc" },
    ...folders.map((name): Item => ({ kind: "ro", source: `/etc/${name}`, target: `/etc/${name}` }))
  ] satisfies ReadonlyArray<Item>
})

/** The lowest uid of a sandbox. Sandboxes that cannot have one of their own share one below. */
export const FIRST_UID = 0x40000000

/** Uids of the host that the users of a sandbox have. */
export interface Owners {
  readonly user: number
  /** None where the sandbox has no root user. */
  readonly root: Option.Option<number>
}

/** Input of {@link prepare}. */
export interface Options {
  /** The folder of the sandbox. The writable folders and `etc` are made in it. */
  readonly directory: string
  readonly files: BootFiles
  /** The uid of `user` inside of the sandbox. */
  readonly uid: number
  /** Owners of the writable folders on the host. None when the server is not root and owns them itself. */
  readonly owners: Option.Option<Owners>
  /** The Node.js binary of the host. */
  readonly node: string
  readonly readOnlyPaths: ReadonlyArray<string>
}

const makeFolder = (target: string, mode: number, owner: Option.Option<number>) =>
  Effect.promise(async () => {
    await Fs.mkdir(target)
    await Fs.chmod(target, mode)
    if (Option.isSome(owner)) await Fs.chown(target, owner.value, owner.value)
  })

const emptyFolders = Effect.fnUntraced(function* ({ directory, owners }: Options) {
  const user = Option.map(owners, (both) => both.user)
  const root = Option.flatMap(owners, (both) => both.root)
  yield* Effect.forEach(writable, ([name, , mode]) => makeFolder(Path.join(directory, name), mode, user), {
    concurrency: writable.length,
    discard: true
  })
  if (Option.isSome(root)) yield* makeFolder(Path.join(directory, rootFolder), 0o700, root)
})

/**
 * Makes the place for a mount below a writable folder.
 *
 * **Details**
 *
 * Programs of the sandbox wrote the folder before, so every step is checked: a link in the path would lead the mount, or
 * the creation of its place, out of the folder.
 */
const mountPoint = Effect.fnUntraced(function* (folder: string, target: string, isFolder: boolean) {
  const parts = target.split("/").filter((part) => part !== "")
  let at = folder
  for (const [index, part] of parts.entries()) {
    at = Path.join(at, part)
    const wantsFolder = index < parts.length - 1 || isFolder
    const found = yield* attempt(() => Fs.lstat(at))
    if (Option.isSome(found) && (wantsFolder ? found.value.isDirectory() : found.value.isFile())) continue
    if (Option.isSome(found)) yield* removeTree(at)
    yield* Effect.promise(() => (wantsFolder ? Fs.mkdir(at, { mode: 0o755 }) : Fs.writeFile(at, "")))
  }
})

const readOnlyItem = Effect.fnUntraced(function* (directory: string, source: string) {
  const below = writable.find(([, target]) => source.startsWith(`${target}/`))
  if (below !== undefined) {
    const found = yield* attempt(() => Fs.stat(source))
    const isFolder = Option.match(found, { onNone: () => false, onSome: (stats) => stats.isDirectory() })
    yield* mountPoint(Path.join(directory, below[0]), source.slice(below[1].length), isFolder)
  }
  return { kind: "ro", source, target: source } satisfies Item
})

/** Lays out the folders of a sandbox and returns its mounts. */
export const prepare = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<ReadonlyArray<Item>, CopyTree.CopyFailed> {
  const folder = (name: string) => Path.join(options.directory, name)
  const { directory, files, owners } = options
  const root = Option.flatMap(owners, (both) => both.root)
  const names = writableNames(Option.isSome(root))
  switch (files._tag) {
    case "Empty":
      yield* emptyFolders(options)
      break
    case "CopyOf":
      yield* CopyTree.folders({ names, from: files.folder, to: directory, owners, rootFolder })
      break
    case "Kept":
      yield* Effect.forEach(["etc", "root.mount"], (name) => removeTree(folder(name)), { discard: true })
      yield* CopyTree.requireFolders(names.map(folder))
  }
  const system = yield* systemItems
  const hidden = yield* Effect.filter(masked, (path) =>
    Effect.map(
      attempt(() => Fs.lstat(path)),
      Option.isSome
    )
  )
  const etc = yield* etcItems(folder("etc"), options.uid, root)
  const readOnly = yield* Effect.forEach(options.readOnlyPaths, (source) => readOnlyItem(directory, source))
  const items: ReadonlyArray<Item> = [
    { kind: "ro", source: "/usr", target: "/usr" },
    ...system,
    ...etc,
    { kind: "pts", target: "/dev" },
    ...devices.map((name): Item => ({ kind: "dev", source: `/dev/${name}`, target: `/dev/${name}` })),
    { kind: "link", source: "/proc/self/fd", target: "/dev/fd" },
    { kind: "link", source: "/proc/self/fd/0", target: "/dev/stdin" },
    { kind: "link", source: "/proc/self/fd/1", target: "/dev/stdout" },
    { kind: "link", source: "/proc/self/fd/2", target: "/dev/stderr" },
    { kind: "shm", target: "/dev/shm" },
    { kind: "ro", source: options.node, target: nodePath },
    ...writable.map(([name, target]): Item => ({ kind: "rw", source: folder(name), target })),
    ...(Option.isSome(root)
      ? [{ kind: "rw", source: folder(rootFolder), target: "/root" } satisfies Item]
      : []),
    // They may lie below the others, so they come after them.
    ...readOnly,
    { kind: "proc", target: "/proc" },
    ...hidden.map((target): Item => ({ kind: "mask", target }))
  ]
  return items
})
