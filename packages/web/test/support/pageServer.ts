/** Servers with the page, as processes that a test starts and kills. */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { env, execPath } from "node:process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const root = fileURLToPath(new URL("../..", import.meta.url))
const program = fileURLToPath(new URL("../fixtures/server.ts", import.meta.url))

const vite = fileURLToPath(new URL("../../node_modules/vite/bin/vite.js", import.meta.url))

/** Builds the page into a new folder, as users get it: this process says that it is a test, which React looks at. */
export const buildPage = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "page-"))
  // Each file of tests builds into a folder of its own, so that builds need not wait for each other.
  const args = [vite, "build", "--bypass-lock", "--logLevel", "error", "--outDir", folder, "--emptyOutDir"]
  await promisify(execFile)(execPath, args, { cwd: root, env: { ...env, NODE_ENV: "production" } })
  return folder
}

export interface PageServer {
  readonly url: string
  readonly token: string
  readonly process: ChildProcess
  readonly data: string
  /** Kills the server. Its state stays. */
  readonly kill: () => Promise<void>
  /** Stops the server and removes its state. */
  readonly stop: () => Promise<void>
}

const exited = (child: ChildProcess, signal: NodeJS.Signals): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once("exit", () => resolve())
    child.kill(signal)
  })

interface ServerOptions {
  readonly page: string
  readonly seed?: "none" | "fleet" | "large"
  /** A server that was killed, which is started again at its address. */
  readonly again?: PageServer
}

/** Starts a server, and waits until it is ready. */
export const startServer = async ({ again, page, seed = "none" }: ServerOptions): Promise<PageServer> => {
  const data = again?.data ?? (await mkdtemp(join(tmpdir(), "page-state-")))
  const port = again === undefined ? "0" : new URL(again.url).port
  const child = spawn(execPath, [program, page, data, port, seed], { stdio: ["ignore", "pipe", "pipe"] })
  let text = ""
  const ready = await new Promise<{ readonly url: string; readonly token: string }>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      text += chunk.toString()
      const line = text.split("\n").find((one) => one.startsWith('{"url"') && one.endsWith("}"))
      if (line !== undefined) resolve(JSON.parse(line) as { url: string; token: string })
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    child.once("exit", () => reject(new Error(text)))
  })
  return {
    ...ready,
    process: child,
    data,
    kill: () => exited(child, "SIGKILL"),
    stop: async () => {
      await exited(child, "SIGTERM")
      await rm(data, { recursive: true, force: true })
    }
  }
}

/** The processes in the sandboxes of a server that run a program. */
export const processesOf = async ({ data }: PageServer, name: string): Promise<ReadonlyArray<number>> => {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")
      const runs = line.split("\0").some((one) => one.startsWith(data) && one.endsWith(name))
      return runs ? [pid] : []
    })
  )
  return found.flat()
}
