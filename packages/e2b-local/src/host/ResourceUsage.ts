/**
 * CPU time and memory of the processes of a sandbox, from `/proc` of the host.
 *
 * `/proc` is read with `node:fs`: its files have no size, and the `FileSystem` service trusts the size it is told.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as Fs from "node:fs/promises"

/** A process of the host. */
interface HostEntry {
  readonly pid: number
  readonly parent: number
  readonly group: number
  /** CPU time of the process and of the children that it has waited for. */
  readonly cpuSeconds: number
}

/** Usage of a process tree at one moment. */
export interface ResourceUsage {
  readonly cpuSeconds: number
  /** Resident memory. Shared memory is counted once per process. */
  readonly memoryBytes: number
}

// USER_HZ. It is 100 on every Linux that Node.js runs on.
const TICKS = 100

/** Parses one line of `/proc/PID/stat`. */
const parseStat = (line: string): Option.Option<HostEntry> => {
  // The program name is in parentheses and may itself contain spaces and parentheses.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ")
  const [, parent, group] = fields.map(Number)
  const ticks = fields.slice(11, 15).map(Number)
  const pid = Number.parseInt(line, 10)
  const cpu = ticks.reduce((sum, each) => sum + each, 0)
  return parent === undefined || group === undefined || ticks.length < 4 || !Number.isFinite(pid + cpu)
    ? Option.none()
    : Option.some({ pid, parent, group, cpuSeconds: cpu / TICKS })
}

/** The descendants of the processes that `isRoot` selects, with or without the roots themselves. */
const below = (
  entries: ReadonlyArray<HostEntry>,
  isRoot: (entry: HostEntry) => boolean,
  withRoots: boolean
): ReadonlyArray<HostEntry> => {
  const children = new Map<number, Array<HostEntry>>()
  for (const entry of entries) {
    const siblings = children.get(entry.parent)
    if (siblings === undefined) children.set(entry.parent, [entry])
    else siblings.push(entry)
  }
  const roots = entries.filter(isRoot)
  const found = new Map<number, HostEntry>()
  const pending = roots.flatMap((root) => (withRoots ? [root] : (children.get(root.pid) ?? [])))
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (found.has(next.pid)) continue
    found.set(next.pid, next)
    pending.push(...(children.get(next.pid) ?? []))
  }
  return [...found.values()]
}

// A process that has exited meanwhile is left out.
const read = (path: string) => Fs.readFile(path, "utf8").catch(() => "")

const residentBytes = async (pid: number): Promise<number> =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(await read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024

const listEntries = async (): Promise<ReadonlyArray<HostEntry>> => {
  const pids = (await Fs.readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => read(`/proc/${pid}/stat`)))
  return lines.flatMap((line) => Option.toArray(parseStat(line)))
}

/** The pids of all processes of process groups, and of their descendants. */
export const ofGroups = (groups: ReadonlySet<number>): Effect.Effect<ReadonlyArray<number>> =>
  Effect.tryPromise(listEntries).pipe(
    Effect.map((entries) => below(entries, ({ group }) => groups.has(group), true).map(({ pid }) => pid)),
    Effect.orElseSucceed(() => [])
  )

/** The pids of all descendants of processes, without the processes themselves. Empty where the host has no `/proc`. */
export const descendants = (roots: ReadonlySet<number>): Effect.Effect<ReadonlyArray<number>> =>
  Effect.tryPromise(listEntries).pipe(
    Effect.map((entries) => below(entries, ({ pid }) => roots.has(pid), false).map(({ pid }) => pid)),
    Effect.orElseSucceed(() => [])
  )

/** The usage of the tree that {@link below} finds. None where the host has no `/proc`. */
export const ofTree = (isRoot: (entry: HostEntry) => boolean, withRoots: boolean) =>
  Effect.option(
    Effect.tryPromise(async (): Promise<ResourceUsage> => {
      const members = below(await listEntries(), isRoot, withRoots)
      const memory = await Promise.all(members.map(({ pid }) => residentBytes(pid)))
      return {
        cpuSeconds: members.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
        memoryBytes: memory.reduce((sum, bytes) => sum + bytes, 0)
      }
    })
  )
