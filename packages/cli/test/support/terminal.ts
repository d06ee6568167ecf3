import { Data, Effect, type Scope } from "effect"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { readFile, readlink } from "node:fs/promises"
import { promisify } from "node:util"
import { bin, withoutCache } from "./support.ts"

const start = (cwd: string, command: string, env: Readonly<Record<string, string>>): ChildProcess =>
  spawn("script", ["--quiet", "--return", "--command", `stty cols 100 rows 40; ${command}`, "/dev/null"], {
    cwd,
    env: {
      PATH: process.env["PATH"],
      HOME: cwd,
      TMPDIR: cwd,
      ...withoutCache,
      TERM: "xterm",
      SHELL: "/bin/sh",
      ...env
    },
    stdio: ["pipe", "pipe", "inherit"]
  })

/** What was waited for was not shown before the binary ended. */
export class NotSeen extends Data.TaggedError("NotSeen")<{
  readonly wanted: string
  readonly shown: string
}> {}

/** The binary on a real pseudo-terminal. */
export interface Terminal {
  /** Types. */
  readonly type: (keys: string) => void
  /** Changes the width of the terminal. */
  readonly resize: (columns: number) => Effect.Effect<void>
  /** Settles when the screen has shown this, after what was waited for before; fails when the binary ends without. */
  readonly sees: (text: string | RegExp) => Effect.Effect<void, NotSeen>
  /** Everything that was shown. */
  readonly shown: () => string
  /** How it ended. */
  readonly ended: Effect.Effect<number | null>
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** Keys as a terminal sends them. */
export const key = { enter: "\r", down: "\u001B[B", ctrlC: "\u0003", ctrlD: "\u0004" } as const

/**
 * Starts the binary on a terminal of its own, which `script` of util-linux makes, and then what is to be run in the
 * same shell `after` it. It is killed when the scope closes.
 */
export const open = (
  cwd: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  after = ""
): Effect.Effect<Terminal, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => start(cwd, [process.execPath, bin, ...args].map(quote).join(" ") + after, env)),
    (child) => Effect.promise(() => closed(child))
  ).pipe(Effect.map(terminalOf))

const closed = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.on("close", () => resolve())
    child.kill("SIGHUP")
  })

/** Finds the terminal of the process and sets its width, which the kernel signals to the process once. */
const resize = async ({ pid }: ChildProcess, columns: number): Promise<void> => {
  const [shell] = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).split(" ")
  const device = await readlink(`/proc/${shell}/fd/0`)
  await promisify(execFile)("stty", ["-F", device, "cols", String(columns)])
}

const terminalOf = (child: ChildProcess): Terminal => {
  let [shown, read] = ["", 0]
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const check of waiting) check()
  }
  child.stdout?.on("data", (data: Buffer) => {
    shown += data.toString()
    wake()
  })
  let over = false
  const end = new Promise<number | null>((resolve) => {
    child.on("close", (code) => {
      over = true
      wake()
      resolve(code)
    })
  })
  const find = (wanted: string | RegExp): number => {
    const rest = shown.slice(read)
    if (typeof wanted === "string") {
      const at = rest.indexOf(wanted)
      return at < 0 ? -1 : read + at + wanted.length
    }
    const match = wanted.exec(rest)
    return match === null ? -1 : read + match.index + match[0].length
  }
  return {
    type: (keys) => void child.stdin?.write(keys),
    resize: (columns) => Effect.promise(() => resize(child, columns)),
    shown: () => shown,
    ended: Effect.promise(() => end),
    sees: (wanted) =>
      Effect.callback<void, NotSeen>((resume) => {
        const check = () => {
          const at = find(wanted)
          if (at < 0 && !over) return
          waiting.delete(check)
          if (at < 0) return resume(Effect.fail(new NotSeen({ wanted: String(wanted), shown })))
          read = at
          resume(Effect.void)
        }
        waiting.add(check)
        check()
      })
  }
}
