/**
 * The root file system of an isolated sandbox: the programs of the host read-only, an `/etc` of its own, and
 * three folders that it may write.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as TreeCopy from "../../host/copyTree.ts"

/** One thing to put in place, in order. `source` is of the host, `target` of the sandbox. */
export type Item =
  | { readonly kind: "ro" | "rw" | "dev" | "link"; readonly source: string; readonly target: string }
  | { readonly kind: "proc" | "shm" | "pts"; readonly target: string }

/** Where the Node.js that runs the server is found in every sandbox. */
export const nodePath = "/opt/node/bin/node"
/** The home of the only user. */
export const home = "/home/user"
/** The folders of a sandbox that it may write. */
export const writable = ["home", "tmp", "vartmp"] as const
/** PATH of every isolated sandbox. */
export const path = "/opt/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const systemFolders = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]
const devices = ["null", "zero", "full", "random", "urandom", "tty"]

// What programs read to find libraries, names, certificates and times. Nothing here may hold a secret.
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

const ownFiles = (uid: number): Readonly<Record<string, string>> => ({
  passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\nuser:x:${uid}:${uid}:user:${home}:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
  group: `root:x:0:\nuser:x:${uid}:\nnogroup:x:65534:\n`,
  hosts: "127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost ip6-loopback\n",
  hostname: "sandbox\n",
  // A login shell keeps the PATH it was given; the profile of the host would replace it.
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

/** Writes `/etc` into `folder` and gives the items of it. */
const etcItems = Effect.fnUntraced(function* (folder: string, uid: number) {
  // The modes are set afterwards because the umask of the server would narrow them.
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
  yield* Effect.forEach(Object.entries(ownFiles(uid)), ([name, content]) => write(name, content), {
    discard: true
  })
  const folders = yield* folderItems("/etc", etcFolders)
  yield* Effect.forEach(folders, (name) => Effect.promise(() => Fs.mkdir(Path.join(folder, name))))
  return [
    { kind: "ro", source: folder, target: "/etc" },
    ...folders.map((name): Item => ({ kind: "ro", source: `/etc/${name}`, target: `/etc/${name}` }))
  ] satisfies ReadonlyArray<Item>
})

/** What the layout of one sandbox is made from. */
export interface Options {
  /** The folder of the sandbox; `home`, `tmp`, `vartmp` and `etc` are made in it. */
  readonly directory: string
  /** Where `home`, `tmp` and `vartmp` are copied from; none makes empty ones. */
  readonly seed: Option.Option<string>
  /** The user as the sandbox knows it. */
  readonly uid: number
  /** The owner of the writable folders as the host knows it. */
  readonly owner: Option.Option<number>
  /** The Node.js binary of the host. */
  readonly node: string
  readonly readOnlyPaths: ReadonlyArray<string>
}

const emptyFolders = ({ directory, owner }: Options) =>
  Effect.forEach(
    writable,
    (name) =>
      Effect.promise(async () => {
        const folder = Path.join(directory, name)
        await Fs.mkdir(folder, { mode: 0o700 })
        if (name !== "home") await Fs.chmod(folder, 0o1777)
        if (Option.isSome(owner)) await Fs.chown(folder, owner.value, owner.value)
      }),
    { discard: true }
  )

/** Lays out the folders of a sandbox and says what goes where. */
export const prepare = Effect.fnUntraced(function* (options: Options) {
  const folder = (name: string) => Path.join(options.directory, name)
  const { directory, owner } = options
  yield* Option.match(options.seed, {
    onNone: () => emptyFolders(options),
    onSome: (from) => TreeCopy.folders({ names: writable, from, to: directory, owner })
  })
  const system = yield* systemItems
  const etc = yield* etcItems(folder("etc"), options.uid)
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
    { kind: "rw", source: folder("home"), target: home },
    { kind: "rw", source: folder("tmp"), target: "/tmp" },
    { kind: "rw", source: folder("vartmp"), target: "/var/tmp" },
    // Last, because they may lie below the others.
    ...options.readOnlyPaths.map((source): Item => ({ kind: "ro", source, target: source })),
    { kind: "proc", target: "/proc" }
  ]
  return items
})
