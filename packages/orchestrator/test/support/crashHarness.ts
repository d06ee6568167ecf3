import { Effect } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"

/** When a process is killed: at a step of its own, or some milliseconds after it printed a line. */
export type Death =
  | { readonly _tag: "AtStep"; readonly step: number; readonly when: "before" | "after" }
  | { readonly _tag: "AfterLine"; readonly line: number; readonly millis: number }

/** What a process that was to be killed did before. */
export interface Life {
  readonly lines: ReadonlyArray<string>
  readonly killed: boolean
  readonly code: number | null
  readonly stderr: string
}

/**
 * Runs a program of these tests that imports `fixtures/dieAtStep.ts` first, and kills it with SIGKILL: nothing of it
 * runs after that. Without a death it runs to its end.
 */
export const live = (
  program: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  death?: Death
): Effect.Effect<Life> =>
  Effect.callback<Life>((resume) => {
    const at = death?._tag === "AtStep" ? { DIE_AT: String(death.step), DIE_WHEN: death.when } : {}
    const child = spawn(process.execPath, [program, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env, ...at }
    })
    const lines: Array<string> = []
    let stderr = ""
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()))
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line)
      if (death?._tag === "AfterLine" && lines.length === death.line) {
        setTimeout(() => child.kill("SIGKILL"), death.millis)
      }
    })
    child.on("close", (code, signal) =>
      resume(Effect.succeed({ lines, code, killed: signal === "SIGKILL", stderr }))
    )
    return Effect.sync(() => void child.kill("SIGKILL"))
  })
