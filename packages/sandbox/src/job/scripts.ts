/** The shell side of jobs: reads the scripts in `scripts/`, which run in the sandbox. */
// The files are read at once and not as an Effect: their texts are constants of this module. The path is right in `src`
// and in `dist`, and the bundle of the binary holds the texts themselves (rolldown.config.ts).
import { readFileSync } from "node:fs"
import { quote } from "./shell.ts"

const files = {
  killCommand: () => readFileSync(new URL("../../src/job/scripts/killCommand.sh", import.meta.url), "utf8"),
  kill: () => readFileSync(new URL("../../src/job/scripts/kill.sh", import.meta.url), "utf8"),
  launcher: () => readFileSync(new URL("../../src/job/scripts/launcher.sh", import.meta.url), "utf8"),
  processes: () => readFileSync(new URL("../../src/job/scripts/processes.sh", import.meta.url), "utf8"),
  reader: () => readFileSync(new URL("../../src/job/scripts/reader.sh", import.meta.url), "utf8"),
  remove: () => readFileSync(new URL("../../src/job/scripts/remove.sh", import.meta.url), "utf8"),
  runner: () => readFileSync(new URL("../../src/job/scripts/runner.sh", import.meta.url), "utf8"),
  state: () => readFileSync(new URL("../../src/job/scripts/state.sh", import.meta.url), "utf8"),
  status: () => readFileSync(new URL("../../src/job/scripts/status.sh", import.meta.url), "utf8"),
  supervisor: () => readFileSync(new URL("../../src/job/scripts/supervisor.sh", import.meta.url), "utf8")
}

/** The name of a script in `scripts/`. Each script describes its arguments. */
export type ScriptName = keyof typeof files

const isName = (name: string): name is ScriptName => Object.hasOwn(files, name)

const texts = new Map<ScriptName, string>()

/** The text of a script, with the scripts that it sources in their places and without comments. */
export const script = (name: ScriptName): string => {
  const known = texts.get(name)
  if (known !== undefined) return known
  const text = files[name]()
    .replaceAll(/^[ \t]*#.*\n/gm, "")
    .replaceAll(/^\. \.\/(\w+)\.sh\n/gm, (line, sourced: string) =>
      isName(sourced) ? script(sourced) : line
    )
  texts.set(name, text)
  return text
}

/** The exit codes of the launcher, when it refuses to start a job. */
export const refusals = { folder: 66, tools: 69, disk: 73 } as const

/** A script with its arguments, as one script. The arguments may be of any length. */
export const withArguments = (name: ScriptName, words: ReadonlyArray<string | number>): string =>
  `set -- ${words.map((word) => quote(String(word))).join(" ")}\n${script(name)}`
