/**
 * Limits shared by all processes of a sandbox: Linux control groups, version 1 or 2, where the server may make them.
 *
 * Elsewhere nothing is limited, and {@link Cgroups.enforced} says so. Uses `node:fs`: the files of a control group have
 * no size, and a write to one must be a single system call.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import type { Scope } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as HostProcess from "./HostProcess.ts"

/** Limits of the processes of one sandbox together. */
export interface Limits {
  readonly memoryBytes: number
  readonly processes: number
}

/** A command line. */
interface Started {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

/** The control groups of one sandbox. */
export interface CgroupScope {
  /** The same command, which joins the groups before it starts. Its descendants are in them too. */
  readonly wrap: (started: Started) => Started
  /** The folders of the groups, for a command that joins them itself. */
  readonly groups: ReadonlyArray<string>
  /** Stops all processes of the groups at once and waits for it. None where the host cannot. */
  readonly freezer: Option.Option<{
    /** Succeeds with whether all are frozen. */
    readonly freeze: Effect.Effect<boolean>
    readonly thaw: Effect.Effect<void>
  }>
}

/** Which limits hold on this host. */
export interface Enforced {
  readonly memory: boolean
  readonly processes: boolean
}

/** Makes the control groups of the sandboxes of a server. */
export interface Cgroups {
  readonly enforced: Enforced
  /**
   * Makes the groups of one sandbox for the duration of the scope and kills their remaining processes at its end. They
   * are recorded in the folder of the server, so that the next server can remove them if this one is killed.
   */
  readonly scope: (id: string, limits: Limits) => Effect.Effect<CgroupScope, never, Scope.Scope>
}

/** No control groups. */
export const open: CgroupScope = { wrap: (started) => started, groups: [], freezer: Option.none() }

/** A folder in which groups can be made, with the names of the files that set their limits. */
interface Hierarchy {
  readonly folder: string
  readonly memory: Option.Option<readonly [limit: string, withSwap: string, swap: (bytes: number) => number]>
  readonly pids: boolean
  /** Version 1 has a freezer as well, but a process that it froze cannot be killed. */
  readonly freezer: boolean
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

/** The groups of a process by controller, from `/proc/self/cgroup`. Version 2 has an empty name. */
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

/** The folder of a group below its mount. Inside of a container the path may be one of the host. */
const folderOf = async ({ at, root }: Mount, group: string): Promise<string> => {
  const below = group.startsWith(root) ? group.slice(root === "/" ? 0 : root.length) : group
  const folder = Path.join(at, below)
  return (await isFolder(folder)) ? folder : at
}

const unifiedWith = async (folder: string): Promise<ReadonlyArray<string>> => {
  const available = (await read(Path.join(folder, "cgroup.controllers"))).trim().split(" ")
  const wanted = ["memory", "pids"].filter((name) => available.includes(name))
  // The kernel refuses this when the group itself has processes, unless it is the root.
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
        return [{ folder, memory, pids: controllers.includes("pids"), freezer: true }]
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
      return [{ folder, memory, pids: mount.options.includes("pids"), freezer: false }]
    })
  )
  return found.flat()
}

// Commands and file operations of the server start as processes of the host, which count as well.
const OUTSIDE = 256

const setLimits = async (group: string, { memory, pids }: Hierarchy, limits: Limits) => {
  if (pids) await Fs.writeFile(Path.join(group, "pids.max"), `${limits.processes + OUTSIDE}`)
  if (Option.isNone(memory)) return
  const [limit, withSwap, swap] = memory.value
  await Fs.writeFile(Path.join(group, limit), `${limits.memoryBytes}`)
  // Kernels that do not count swap do not have this file.
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

/** The processes of all groups of a sandbox. */
export const membersOf = ({ groups }: CgroupScope): Effect.Effect<ReadonlyArray<number>> =>
  Effect.promise(async () => [...new Set((await Promise.all(groups.map(members))).flat())])

/** Kills the processes of a group and tries to remove it. Returns whether it is gone. */
const removeOnce = (group: string) =>
  Effect.promise(async () => {
    for (const pid of await members(group)) {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // It has exited.
      }
    }
    return Fs.rmdir(group).then(
      () => true,
      (cause: unknown) => cause instanceof Error && "code" in cause && cause.code === "ENOENT"
    )
  })

/** Kills the processes of a group and removes it. Logs a warning when that fails. */
const remove = Effect.fnUntraced(function* (group: string) {
  for (let tries = 0; tries < 100; tries++) {
    if (yield* removeOnce(group)) return
    yield* Effect.sleep("20 millis")
  }
  yield* Effect.logWarning(`The control group ${group} could not be removed`)
})

// A process in the middle of a long write is frozen when it returns from it.
const MAX_CHECKS = 2000

/** The freezer of a group of version 2. */
const freezerOf = (group: string) => {
  const state = Path.join(group, "cgroup.freeze")
  const isFrozen = Effect.map(
    Effect.promise(() => read(Path.join(group, "cgroup.events"))),
    (text) => /^frozen 1$/m.test(text)
  )
  return {
    freeze: Effect.gen(function* () {
      yield* Effect.promise(() => Fs.writeFile(state, "1").catch(() => {}))
      for (let check = 0; check < MAX_CHECKS; check++) {
        if (yield* isFrozen) return true
        yield* Effect.sleep("5 millis")
      }
      return false
    }),
    thaw: Effect.promise(() => Fs.writeFile(state, "0").catch(() => {}))
  }
}

const noted = (folder: string, id: string) => Path.join(folder, "cgroups", id)

const makeScope = Effect.fnUntraced(function* (
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
  const freezing = groups.find((_, at) => hierarchies[at]?.freezer === true)
  return {
    wrap: wrapIn(groups),
    groups,
    freezer: Option.map(Option.fromNullishOr(freezing), freezerOf)
  } satisfies CgroupScope
})

/** Removes the groups that a dead server left, with their processes. */
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

const none: Cgroups = { enforced: { memory: false, processes: false }, scope: () => Effect.succeed(open) }

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }

const isUseful = ({ freezer, memory, pids }: Hierarchy, files: ReadonlyArray<string>) =>
  pids || Option.isSome(memory) || (freezer && files.includes("cgroup.freeze"))

/** Whether a process can join a group of each hierarchy. */
const works = (hierarchies: ReadonlyArray<Hierarchy>, folder: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { groups, wrap } = yield* makeScope(
        hierarchies,
        folder,
        `probe-${process.pid}-${Path.basename(folder)}`,
        {
          memoryBytes: 256 * 1024 * 1024,
          processes: 8
        }
      )
      const { code } = yield* HostProcess.run({ ...wrap({ command: "true", args: [] }), env })
      // A group that neither limits nor freezes is not worth joining.
      const files = yield* Effect.promise(() => Fs.readdir(groups[0] ?? ""))
      return code === 0 && hierarchies.every((one) => isUseful(one, files))
    })
  ).pipe(
    Effect.catchTag("HostProcessError", () => Effect.succeed(false)),
    Effect.catchDefect(() => Effect.succeed(false))
  )

/** Probes what this host allows. `folder` is the folder of the server. */
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
    scope: (id, limits) => makeScope(hierarchies, folder, id, limits)
  }
})
