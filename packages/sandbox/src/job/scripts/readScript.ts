/** Reads the shell scripts of this folder. The bundle has another module in its place: `inlineScripts` in rolldown.config.ts. */
import { readFileSync } from "node:fs"

// Scripts belong to the program as its modules do, so they are read in the same way: synchronously, and once. Compiled
// code finds them in `src`, which is published beside `dist`.
const folder = new URL("../../../src/job/scripts/", import.meta.url)

const texts = new Map<string, string>()

/** The text of a script, with the scripts that it includes (`. ./name.sh`) in the place of those lines. */
export const readScript = (name: string): string => {
  const known = texts.get(name)
  if (known !== undefined) return known
  const text = readFileSync(new URL(name, folder), "utf8").replaceAll(
    /^\. \.\/([\w-]+\.sh)$/gm,
    (_, included: string) => readScript(included)
  )
  texts.set(name, text)
  return text
}
