import { Effect, type Scope } from "effect"
import type { ChildProcess } from "node:child_process"
import { createInterface } from "node:readline"
import { finish, start } from "./support.ts"

/** What a server prints when it is ready. */
interface Ready {
  readonly url: string
  readonly token: string
  readonly tokenFile: string
}

/** A server in a process of its own. */
export interface Served {
  readonly child: ChildProcess
  readonly ended: ReturnType<typeof finish>
  readonly ready: Ready
}

/** The first line that a server prints, which it does when it is ready. */
const readyOf = (child: ChildProcess): Promise<Ready> =>
  new Promise((resolve, reject) => {
    const reader = createInterface({ input: child.stdout ?? process.stdin })
    reader.once("line", (line) => resolve(JSON.parse(line) as Ready))
    reader.once("close", () => reject(new Error("the server ended before it was ready")))
  })

/** Starts a server of the binary, and waits until it is ready. */
export const startServer = async (
  cwd: string,
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {}
): Promise<Served> => {
  const child = start(cwd, ["serve", "--json", ...args], env)
  const ended = finish(child)
  return { child, ended, ready: await readyOf(child) }
}

/** Kills a server as the kernel does, and waits until it is gone. */
export const killServer = async ({ child, ended }: Served): Promise<void> => {
  child.kill("SIGKILL")
  await ended
}

/** A server of the binary on a free port, killed with the scope. */
export const served = (
  cwd: string,
  args: ReadonlyArray<string> = []
): Effect.Effect<Served, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => startServer(cwd, ["--port", "0", ...args])),
    (server) => Effect.promise(() => killServer(server))
  )
