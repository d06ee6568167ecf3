import { Effect } from "effect"
import { readFile } from "node:fs/promises"

/**
 * A file that ships with this package.
 *
 * @category models
 * @since 0.1.0
 */
export type AssetName =
  | "dexter-runner.mjs"
  | "dexter-runner.py"
  | "dexter-setup.mjs"
  | "fundamentals.json"
  | "sample-agent.mjs"

/**
 * Reads a file that ships with this package. A missing file is a broken installation, and a defect.
 *
 * @category files
 * @since 0.1.0
 */
export const read = (name: AssetName): Effect.Effect<string> =>
  Effect.promise(() => readFile(new URL(`../../assets/${name}`, import.meta.url), "utf8"))
