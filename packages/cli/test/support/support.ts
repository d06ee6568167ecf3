import { assert } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { watch } from "node:fs"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { inject } from "vitest"
import * as Documents from "./documents.ts"

/** The file of the binary: the bundle that users run. */
export const bin = inject("bin")

/** A folder for one test, deleted afterwards. It is also the TMPDIR of the programs that the test starts. */
export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "remote-agent-cli-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** Every test has a new home, where a compile cache is never reused; a server that stops late would still write to it. */
export const withoutCache = { NODE_DISABLE_COMPILE_CACHE: "1" }

/** Starts the binary in a pipe, with a minimal environment. */
export const start = (
  cwd: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  stdin: "ignore" | "pipe" = "ignore",
  file = bin
): ChildProcess =>
  spawn(process.execPath, [file, ...args], {
    cwd,
    env: { PATH: process.env["PATH"], HOME: cwd, TMPDIR: cwd, ...withoutCache, ...env },
    stdio: [stdin, "pipe", "pipe"]
  })

export interface Ran {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** The output and the exit of a process. */
export const finish = (child: ChildProcess): Promise<Ran> =>
  new Promise((resolve) => {
    let [stdout, stderr] = ["", ""]
    child.stdout?.on("data", (data: Buffer) => (stdout += data.toString()))
    child.stderr?.on("data", (data: Buffer) => (stderr += data.toString()))
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }))
  })

/** Runs the binary to its end. */
export const run = (cwd: string, args: ReadonlyArray<string>, env?: Readonly<Record<string, string>>) =>
  Effect.promise(async () => {
    const ran = await finish(start(cwd, args, env))
    Documents.check(args, ran.stdout)
    return ran
  })

/** Resolves when the process has written this many lines, or has ended. */
export const lines = (child: ChildProcess, count: number): Promise<void> =>
  new Promise((resolve) => {
    let seen = 0
    const reader = createInterface({ input: child.stdout ?? process.stdin })
    reader.on("line", () => {
      if (++seen >= count) resolve()
    })
    reader.on("close", resolve)
  })

/** Resolves when the process has written this text on standard error. Rejects when it ends first. */
export const saying = (child: ChildProcess, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    let said = ""
    child.stderr?.on("data", (data: Buffer) => {
      said += data.toString()
      if (said.includes(text)) resolve()
    })
    child.on("close", () => reject(new Error(said)))
  })

/** Settles when what is read in a folder is right: it is read again whenever something changes there. */
export const comes = async <A>(
  path: string,
  read: () => Promise<A>,
  right: (value: A) => boolean
): Promise<A> => {
  const found = Promise.withResolvers<A>()
  const look = async () => {
    try {
      const value = await read()
      if (right(value)) found.resolve(value)
    } catch (error) {
      found.reject(error)
    }
  }
  const watcher = watch(path, () => void look())
  await look()
  return found.promise.finally(() => watcher.close())
}

interface Process {
  readonly pid: number
  readonly parent: number
  readonly state: string
  /** Distinguishes a process from a later one with the same id. */
  readonly startedAt: string
}

const readProcess = async (pid: number): Promise<Process | undefined> => {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8")
    const [state = "", parent = "0", ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return { pid, parent: Number(parent), state, startedAt: rest[17] ?? "" }
  } catch {
    return undefined
  }
}

const everyProcess = async (): Promise<ReadonlyArray<Process>> => {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number)
  return (await Promise.all(pids.map(readProcess))).filter((one) => one !== undefined)
}

/** A process and everything below it. */
export const family = async (pid: number): Promise<ReadonlyArray<Process>> => {
  const all = await everyProcess()
  const grow = (known: ReadonlySet<number>): ReadonlySet<number> => {
    const more = new Set([...known, ...all.filter(({ parent }) => known.has(parent)).map((one) => one.pid)])
    return more.size === known.size ? known : grow(more)
  }
  const members = grow(new Set([pid]))
  return all.filter((one) => members.has(one.pid))
}

/** The processes that are still running. A zombie is not. */
export const survivors = async (processes: ReadonlyArray<Process>): Promise<ReadonlyArray<Process>> => {
  const now = await Promise.all(processes.map(({ pid }) => readProcess(pid)))
  return processes.filter(({ startedAt }, index) => {
    const same = now[index]
    return same !== undefined && same.startedAt === startedAt && same.state !== "Z"
  })
}

/** The folders of sandboxes and of the servers that held them. */
export const leftFolders = async (temporary: string): Promise<ReadonlyArray<string>> => {
  const roots = (await readdir(temporary)).filter((name) => name.startsWith("e2b-local"))
  const inside = await Promise.all(roots.map((root) => readdir(join(temporary, root))))
  return inside.flat().filter((name) => !name.startsWith("."))
}

/** A test in a folder of its own, in which no folder of a sandbox is left. */
export const inFolder = <E, R>(
  body: (cwd: string) => Effect.Effect<void, E, R>
): Effect.Effect<void, E, R | Scope.Scope> =>
  Effect.gen(function* () {
    const cwd = yield* folder
    yield* body(cwd)
    assert.deepStrictEqual(yield* Effect.promise(() => leftFolders(cwd)), [], "no folder should be left")
  })
