/**
 * Stops every process of a sandbox by signals, where the host has no control group that freezes.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as ResourceUsage from "../../host/ResourceUsage.ts"
import { CommandError } from "../SandboxRuntime.ts"

const signal = (pid: number, name: NodeJS.Signals) => {
  try {
    process.kill(pid, name)
  } catch {
    // It has exited.
  }
}

/** Whether every thread of a process is stopped or has exited. */
const isStopped = async (pid: number): Promise<boolean> => {
  const threads = await Fs.readdir(`/proc/${pid}/task`).catch(() => [])
  const lines = await Promise.all(
    threads.map((thread) => Fs.readFile(`/proc/${pid}/task/${thread}/stat`, "utf8").catch(() => ""))
  )
  return lines.every((line) => line === "" || /^[TtZX]$/.test(line.charAt(line.lastIndexOf(")") + 2)))
}

const MAX_ROUNDS = 1000

/**
 * Stops all descendants of processes, and waits until they are stopped.
 *
 * **Details**
 *
 * A process that is not stopped yet can start others, so it looks again until it finds the same processes twice, all of
 * them stopped. Fails when that does not happen.
 */
export const stop = Effect.fnUntraced(function* (roots: () => ReadonlySet<number>) {
  let former = ""
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const pids = yield* ResourceUsage.descendants(roots())
    const states = yield* Effect.promise(() => Promise.all(pids.map(isStopped)))
    const found = pids.toSorted((a, b) => a - b).join(" ")
    if (states.every((stopped) => stopped) && found === former) return
    former = found
    for (const pid of pids) signal(pid, "SIGSTOP")
    yield* Effect.sleep("2 millis")
  }
  return yield* new CommandError({ reason: "Failed", message: "its processes could not be stopped" })
})

/** Lets all descendants of processes continue. */
export const resume = Effect.fnUntraced(function* (roots: () => ReadonlySet<number>) {
  for (const pid of yield* ResourceUsage.descendants(roots())) signal(pid, "SIGCONT")
})
