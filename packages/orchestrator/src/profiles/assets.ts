import { Effect } from "effect"
import { readFile } from "node:fs/promises"

/** A file that ships with this package. */
export type AssetName =
  | "dexter-runner.mjs"
  | "dexter-runner.py"
  | "dexter-setup.mjs"
  | "fundamentals.json"
  | "sample-agent.mjs"

/** The text of a file that ships with this package. One that is missing is a broken installation: a defect. */
export const read = (name: AssetName): Effect.Effect<string> =>
  Effect.promise(() => readFile(new URL(`../../assets/${name}`, import.meta.url), "utf8"))
