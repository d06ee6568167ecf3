/** Ends what a job started from outside of it, for a program that resists `Job.kill`. */
import { Duration, Effect } from "effect"
import type { Sandbox } from "../Sandbox.ts"
import * as Scripts from "./scripts.ts"

/**
 * What to kill.
 *
 * @category models
 * @since 0.1.0
 */
export interface ForceKillOptions {
  /** How long ago the job was started, at most. Older processes are not of this job. */
  readonly age: Duration.Input
  /** How long it may take. Default: 20 seconds. */
  readonly within?: Duration.Input | undefined
}

/** No profile of the sandbox's user may have a say in it. */
const homeless = { HOME: "/nonexistent", BASH_ENV: "", ENV: "" }

/**
 * Kills every process that appeared since a job was started, except those of other commands, and tells whether none is
 * left.
 *
 * **When to use**
 *
 * After `Job.kill`, which asks the supervisor inside the sandbox. A program can stop the supervisor, leave its group, and
 * rewrite the files of its job. This relies on none of these, but on what the kernel says of a process.
 *
 * **Details**
 *
 * Never fails: `false` means that something may still run, and that only the end of the sandbox ends it. The sandbox must
 * be isolated, because all processes in sight are taken for its own.
 *
 * @category running
 * @since 0.1.0
 */
export const forceKill = Effect.fn("Job.forceKill")(function* (
  sandbox: Sandbox,
  { age, within = "20 seconds" }: ForceKillOptions
) {
  // A provider with jobs of its own kills them itself.
  if (sandbox.jobs !== undefined) return true
  // The clocks of the two machines may differ by some seconds.
  const hundredths = Math.ceil(Duration.toMillis(age) / 10) + 500
  const words = [hundredths, Scripts.script("force-kill")]
  const command = {
    argv: ["bash", "--noprofile", "--norc", "-c", Scripts.withArguments("force-kill", words)],
    env: homeless,
    cwd: "/"
  } as const
  return yield* sandbox.exec(command).pipe(
    Effect.timeoutOption(within),
    Effect.map((done) => done._tag === "Some" && done.value.exitCode === 0),
    Effect.catch((error) =>
      Effect.as(Effect.logWarning("The processes of a job could not be killed from outside", error), false)
    )
  )
})
