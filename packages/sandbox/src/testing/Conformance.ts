/** The requirements for every provider of sandboxes, as cases for any test runner. */
import { Duration } from "effect"
import type { Case } from "./conformance/case.ts"
import { cases as commands } from "./conformance/commands.ts"
import { cases as files } from "./conformance/files.ts"
import { cases as hosts } from "./conformance/hosts.ts"
import { cases as jobs } from "./conformance/jobs.ts"
import { cases as lifecycle } from "./conformance/lifecycle.ts"
import { cases as snapshots } from "./conformance/snapshots.ts"
import { cases as terminal } from "./conformance/terminal.ts"

export { awkward, type Case, Nonconforming, scripts } from "./conformance/case.ts"

/**
 * The requirements for every provider.
 *
 * **When to use**
 *
 * Register the cases with your own test runner, and give each one a fresh layer:
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { LocalSandboxes } from "@remote-agent/sandbox"
 * import { Conformance } from "@remote-agent/sandbox/testing"
 * import { Effect } from "effect"
 *
 * for (const { name, run } of Conformance.cases) {
 *   it.live(name, () => Effect.provide(run, LocalSandboxes.layer()))
 * }
 * ```
 *
 * **Details**
 *
 * The cases use the real clock, leave nothing behind, and fail with a description of the difference.
 *
 * @category cases
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case> = [
  ...commands,
  ...files,
  ...lifecycle,
  ...snapshots,
  ...jobs,
  ...terminal,
  ...hosts
]

/**
 * A time limit for one case with a remote provider, for the settings of test runners.
 *
 * @category constants
 * @since 0.1.0
 */
export const timeLimit = Duration.minutes(2)
