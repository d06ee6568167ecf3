import { Effect } from "effect"
import type { Environment } from "../../../app/Environment.ts"
import type { AppFlags } from "../../../app/Settings.ts"
import type { Failure } from "../../../ui/Failure.ts"
import { toLines } from "../../../ui/failureText.ts"

/** The result of a check. Only `failed` keeps agents from working. */
export type Status = "ok" | "warning" | "failed" | "skipped"

/** One check and its result. */
export interface Check {
  readonly name: string
  readonly status: Status
  /** In one line, for people. */
  readonly detail: string
  /** What to type or to change, one thing per line. */
  readonly todo?: string | undefined
}

/** Checks that run together. */
export interface Checks {
  readonly name: string
  readonly run: (flags: AppFlags) => Effect.Effect<ReadonlyArray<Check>, Failure, Environment>
}

/** How long checks may take. */
const limit = "20 seconds"

/** Makes a result. */
export const check = (name: string, status: Status, detail: string, todo?: string): Check => ({
  name,
  status,
  detail,
  ...(todo === undefined ? {} : { todo })
})

/** Runs checks. A failure and a timeout are results, too. */
export const run = (
  { name, run: checks }: Checks,
  flags: AppFlags
): Effect.Effect<ReadonlyArray<Check>, never, Environment> =>
  checks(flags).pipe(
    Effect.catch((failure) => {
      const [what = "", ...todo] = toLines(failure)
      return Effect.succeed([check(name, "failed", what, todo.map((text) => text.trim()).join("\n"))])
    }),
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => Effect.succeed([check(name, "failed", `No answer within ${limit}.`, "Try again.")])
    })
  )
