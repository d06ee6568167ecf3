/**
 * Limits that the processes of a sandbox share: control groups of Linux, version 1 or 2, where the server may make
 * some. Elsewhere nothing is bounded by this module, and it says so.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import type { Scope } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as HostProcess from "./HostProcess.ts"

/** What the processes of one sandbox may use together. */
export interface Limits {
  readonly memoryBytes: number
  readonly processes: number
}

/** What starts a process. */
interface Started {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

/** Where the processes of one sandbox are counted. */
export interface CgroupScope {
  /** The same command, which enters the cage before it begins; all its descendants are in it. */
  readonly wrap: (started: Started) => Started
}

/** Whether the limits of a cage hold here. */
export interface Enforced {
  readonly memory: boolean
  readonly processes: boolean
}

/** The cages of a server. */
export interface Cgroups {
  readonly enforced: Enforced
  /**
   * A cage for the length of the scope; what is still in it at the end is killed. It bounds what is enforced here, and
   * notes itself in the folder for whoever sweeps it when the server died without a chance.
   */
  readonly cage: (id: string, limits: Limits) => Effect.Effect<CgroupScope, never, Scope.Scope>
}

/** A cage that bounds nothing. */
export const open: CgroupScope = { wrap: (started) => started }

/** A folder in which groups can be made, and the names of the files that set their limits. */
interface Hierarchy {
  readonly folder: string
  readonly memory: Option.Option<readonly [limit: string, withSwap: string, swap: (bytes: number) => number]>
  readonly pids: boolean
}

const read = (path: string): Promise<string> => Fs.readFile(path, "utf8").catch(() => "")

/** One line of `/proc/self/mountinfo` of a control group file system. */
interface Mount {
  readonly root: string
  readonly at: string
  readonly type: string
  readonly options: ReadonlyArray<string>
}

/** The control group file systems of `/proc/self/mountinfo`. */
export const parseMounts = (mountinfo: string): ReadonlyArray<Mount> =>
  mountinfo.split("\n").flatMap((line) => {
    const [left = "", right = ""] = line.split(" - ")
    const [, , , root = "/", at = ""] = left.split(" ")
    const [type = "", , options = ""] = right.split(" ")
    return type === "cgroup" || type === "cgroup2" ? [{ root, at, type, options: options.split(",") }] : []
  })

/** The groups of a process by their controllers, from `/proc/self/cgroup`; version 2 has none in its name. */
export const parseGroups = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split("\n").flatMap((line) => {
      const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      return controllers === undefined || path === undefined
        ? []
        : controllers.split(",").map((name) => [name, path] as const)
    })
  )

const isFolder = (path: string) =>
  Fs.stat(path).then(
    (found) => found.isDirectory(),
    () => false
  )

/** The folder of a group below its mount; inside of a container the path may be one of the host. */
const folderOf = async ({ at, root }: Mount, group: string): Promise<string> => {
  const below = group.startsWith(root) ? group.slice(root === "/" ? 0 : root.length) : group
  const folder = Path.join(at, below)
  return (await isFolder(folder)) ? folder : at
}

const unifiedWith = async (folder: string): Promise<ReadonlyArray<string>> => {
  const available = (await read(Path.join(folder, "cgroup.controllers"))).trim().split(" ")
  const wanted = ["memory", "pids"].filter((name) => available.includes(name))
  // Refused where the group has processes of its own, unless it is the root.
  const text = wanted.map((name) => `+${name}`).join(" ")
  await Fs.writeFile(Path.join(folder, "cgroup.subtree_control"), text).catch(() => {})
  return (await read(Path.join(folder, "cgroup.subtree_control"))).trim().split(" ")
}

const findHierarchies = async (): Promise<ReadonlyArray<Hierarchy>> => {
  const groups = parseGroups(await read("/proc/self/cgroup"))
  const mounts = parseMounts(await read("/proc/self/mountinfo"))
  const found = await Promise.all(
    mounts.map(async (mount): Promise<ReadonlyArray<Hierarchy>> => {
      if (mount.type === "cgroup2") {
        const folder = await folderOf(mount, groups.get("") ?? "/")
        const controllers = await unifiedWith(folder)
        const memory = controllers.includes("memory")
          ? Option.some(["memory.max", "memory.swap.max", () => 0] as const)
          : Option.none()
        return [{ folder, memory, pids: controllers.includes("pids") }]
      }
      const controller = ["memory", "pids"].find((name) => mount.options.includes(name))
      if (controller === undefined) return []
      const memory =
        controller === "memory"
          ? Option.some([
              "memory.limit_in_bytes",
              "memory.memsw.limit_in_bytes",
              (bytes: number) => bytes
            ] as const)
          : Option.none()
      const folder = await folderOf(mount, groups.get(controller) ?? "/")
      return [{ folder, memory, pids: mount.options.includes("pids") }]
    })
  )
  return found.flat().filter(({ memory, pids }) => pids || Option.isSome(memory))
}

// Commands and file operations of the server begin as processes of the host, which count as well.
const OUTSIDE = 256

const setLimits = async (group: string, { memory, pids }: Hierarchy, limits: Limits) => {
  if (pids) await Fs.writeFile(Path.join(group, "pids.max"), `${limits.processes + OUTSIDE}`)
  if (Option.isNone(memory)) return
  const [limit, withSwap, swap] = memory.value
  await Fs.writeFile(Path.join(group, limit), `${limits.memoryBytes}`)
  // A kernel that does not count swap has no such file.
  await Fs.writeFile(Path.join(group, withSwap), `${swap(limits.memoryBytes)}`).catch(() => {})
}

const join = `while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"`

const wrapIn =
  (groups: ReadonlyArray<string>): CgroupScope["wrap"] =>
  ({ args, command }) => ({ command: "sh", args: ["-c", join, "sh", ...groups, "--", command, ...args] })

const members = async (group: string): Promise<ReadonlyArray<number>> =>
  (await read(Path.join(group, "cgroup.procs")))
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 1)

/** Kills what is in a group until nothing is, and removes it; true when it is gone. */
const removeOnce = (group: string) =>
  Effect.promise(async () => {
    for (const pid of await members(group)) {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // It has ended by itself.
      }
    }
    return Fs.rmdir(group).then(
      () => true,
      (cause: unknown) => cause instanceof Error && "code" in cause && cause.code === "ENOENT"
    )
  })

/** Kills what is in a group, and removes it; says so in the log when it could not. */
const remove = Effect.fnUntraced(function* (group: string) {
  for (let tries = 0; tries < 100; tries++) {
    if (yield* removeOnce(group)) return
    yield* Effect.sleep("20 millis")
  }
  yield* Effect.logWarning(`The control group ${group} could not be removed`)
})

const noted = (folder: string, id: string) => Path.join(folder, "cgroups", id)

const makeCage = Effect.fnUntraced(function* (
  hierarchies: ReadonlyArray<Hierarchy>,
  folder: string,
  id: string,
  limits: Limits
) {
  const groups = hierarchies.map((hierarchy) => Path.join(hierarchy.folder, `e2b-local-${id}`))
  yield* Effect.acquireRelease(
    Effect.promise(async () => {
      await Fs.mkdir(Path.dirname(noted(folder, id)), { recursive: true, mode: 0o700 })
      await Fs.writeFile(noted(folder, id), groups.join("\n"))
      await Promise.all(groups.map((group) => Fs.mkdir(group)))
    }),
    () =>
      Effect.andThen(
        Effect.forEach(groups, remove, { concurrency: 2, discard: true }),
        Effect.promise(() => Fs.rm(noted(folder, id), { force: true }))
      )
  )
  yield* Effect.promise(() =>
    Promise.all(hierarchies.map((hierarchy, at) => setLimits(groups[at] ?? "", hierarchy, limits)))
  )
  return { wrap: wrapIn(groups) } satisfies CgroupScope
})

/** Removes the groups that the sandboxes of a dead server have left, with what is still in them. */
export const sweep = Effect.fnUntraced(function* (folder: string) {
  const ids = yield* Effect.promise(() => Fs.readdir(Path.join(folder, "cgroups")).catch(() => []))
  for (const id of ids) {
    const groups = (yield* Effect.promise(() => read(noted(folder, id)))).split("\n")
    yield* Effect.forEach(
      groups.filter((group) => Path.basename(group) === `e2b-local-${id}`),
      remove,
      {
        discard: true
      }
    )
  }
})

const none: Cgroups = { enforced: { memory: false, processes: false }, cage: () => Effect.succeed(open) }

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }

/** Whether a process can really be put into a group of each hierarchy. */
const works = (hierarchies: ReadonlyArray<Hierarchy>, folder: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { wrap } = yield* makeCage(hierarchies, folder, `probe-${process.pid}-${Path.basename(folder)}`, {
        memoryBytes: 256 * 1024 * 1024,
        processes: 8
      })
      const { code } = yield* HostProcess.run({ ...wrap({ command: "true", args: [] }), env })
      return code === 0
    })
  ).pipe(
    Effect.catchTag("HostProcessError", () => Effect.succeed(false)),
    Effect.catchDefect(() => Effect.succeed(false))
  )

/** Finds out what this host allows; `folder` is that of the server. */
export const make = Effect.fn("Cgroups.make")(function* (folder: string): Effect.fn.Return<Cgroups> {
  if (process.platform !== "linux") return none
  const found = yield* Effect.promise(findHierarchies)
  const hierarchies = yield* Effect.filter(found, (hierarchy) => works([hierarchy], folder))
  if (hierarchies.length === 0) return none
  return {
    enforced: {
      memory: hierarchies.some(({ memory }) => Option.isSome(memory)),
      processes: hierarchies.some(({ pids }) => pids)
    },
    cage: (id, limits) => makeCage(hierarchies, folder, id, limits)
  }
})
