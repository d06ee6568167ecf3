import { Effect } from "effect"
import { execFile } from "node:child_process"
import { check, type Checks } from "../Check.ts"

/** Git is installed. */
export const git: Checks = {
  name: "git",
  run: () =>
    Effect.callback((resume) => {
      execFile("git", ["--version"], { timeout: 10_000 }, (error, stdout) => {
        resume(
          Effect.succeed([
            error === null
              ? check("git", "ok", stdout.trim())
              : check(
                  "git",
                  "warning",
                  "Git was not found, so repositories cannot be cloned.",
                  "Install git."
                )
          ])
        )
      })
    })
}
