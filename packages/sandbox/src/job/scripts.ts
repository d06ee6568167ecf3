/** The scripts of jobs, as they are sent to the sandbox. */
import { readScript } from "./scripts/readScript.ts"
import { quote } from "./shell.ts"

/** The name of a script in `scripts/`. Each script describes its arguments. */
export type ScriptName =
  | "force-kill"
  | "kill"
  | "kill-command"
  | "launcher"
  | "reader"
  | "remove"
  | "reserve"
  | "runner"
  | "status"
  | "supervisor"

const texts = new Map<ScriptName, string>()

/** The text of a script, without comments. */
export const script = (name: ScriptName): string => {
  const known = texts.get(name)
  if (known !== undefined) return known
  const text = readScript(`${name}.sh`).replaceAll(/^[ \t]*#.*\n/gm, "")
  texts.set(name, text)
  return text
}

/** The exit codes of the launcher, when it refuses to start a job. */
export const refusals = { folder: 66, tools: 69, disk: 73 } as const

/** A script with its arguments, as one script. The arguments may be of any length. */
export const withArguments = (name: ScriptName, words: ReadonlyArray<string | number>): string =>
  `set -- ${words.map((word) => quote(String(word))).join(" ")}\n${script(name)}`
