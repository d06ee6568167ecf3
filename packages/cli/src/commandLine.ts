import type { Completions } from "effect/cli"

/** The flags that every command has, with whether a value follows. */
const builtIn: ReadonlyArray<readonly [string, boolean]> = [
  ["--help", false],
  ["-h", false],
  ["--version", false],
  ["-v", false],
  ["--wizard", false],
  ["--log-level", true],
  ["--server", true],
  ["--token-file", true],
  ["--quiet", false],
  ["-q", false],
  ["--verbose", false],
  ["--trust", false]
]

/** The flags of a command, with whether a value follows. */
const flagsOf = ({ flags }: Completions.CommandDescriptor): ReadonlyMap<string, boolean> =>
  new Map([
    ...builtIn,
    ...flags.flatMap(({ aliases, name, negation, optionalValue, type }) => {
      const hasValue = type._tag !== "Boolean" && optionalValue !== true
      const names = [`--${name}`, ...aliases.map((alias) => `-${alias}`)]
      const off = type._tag !== "Boolean" || negation === false ? [] : [`--${negation ?? `no-${name}`}`]
      return [...names, ...off].map((one) => [one, hasValue] as const)
    })
  ])

const isNumber = (text: string): boolean => /^-(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)

/** Whether a word is written like a flag: `--name`, `--name=value`, or letters of which each is a flag. */
const isFlag = (word: string, known: ReadonlyMap<string, boolean>): boolean => {
  if (/^--[A-Za-z][\w-]*(=.*)?$/s.test(word)) return true
  const [, letters] = /^-([A-Za-z]+)(=.*)?$/s.exec(word) ?? []
  if (letters === undefined) return false
  return letters.length === 1 || Array.from(letters).every((letter) => known.has(`-${letter}`))
}

const mayBeText = (args: ReadonlyArray<string>): boolean =>
  args.some((word, index) => {
    if (!word.startsWith("-") || word === "-" || isNumber(word)) return false
    const isPlain = /^--?[A-Za-z][\w-]*(=.*)?$/s.test(word)
    const isCluster = /^-[A-Za-z]{2,}/.test(word)
    return !isPlain || isCluster || (args[index - 1] ?? "").startsWith("-")
  })

/** The words of a command line, sorted into commands, flags and operands. */
interface Sorted {
  readonly path: ReadonlyArray<string>
  readonly flags: ReadonlyArray<string>
  readonly operands: ReadonlyArray<string>
}

const sorted = (args: ReadonlyArray<string>, tree: Completions.CommandDescriptor): Sorted => {
  const found = { path: [] as Array<string>, flags: [] as Array<string>, operands: [] as Array<string> }
  let command = tree
  let known = flagsOf(command)
  for (let index = 0; index < args.length; index++) {
    const word = args[index] ?? ""
    const next = args[index + 1]
    const isText = !word.startsWith("-") || word === "-" || isNumber(word) || !isFlag(word, known)
    if (!isText) {
      const takesNext = known.get(word) === true && next !== undefined && !known.has(next)
      found.flags.push(takesNext ? `${word}=${next}` : word)
      if (takesNext) index++
      continue
    }
    const inner =
      found.operands.length === 0 ? command.subcommands.find(({ name }) => name === word) : undefined
    if (inner === undefined) found.operands.push(word)
    else {
      found.path.push(word)
      command = inner
      known = flagsOf(command)
    }
  }
  return found
}

/**
 * Writes a command line so that text which begins with `-` is not read as flags.
 *
 * **Details**
 *
 * A word that begins with `-` is a flag only when it is written like one. The word after a flag with a value is that
 * value, unless it is itself a flag of the command. So `ask "- What was…"` is a question, and `--body "- item"` is a
 * body.
 */
export const withText = (
  args: ReadonlyArray<string>,
  tree: () => Completions.CommandDescriptor
): ReadonlyArray<string> => {
  const end = args.indexOf("--")
  const head = end === -1 ? args : args.slice(0, end)
  if (!mayBeText(head)) return args
  const { flags, operands, path } = sorted(head, tree())
  const rest = [...operands, ...(end === -1 ? [] : args.slice(end + 1))]
  return [...path, ...flags, ...(rest.length === 0 && end === -1 ? [] : ["--"]), ...rest]
}

/** Names of commands that people know from other tools, and that a command with another alias has. */
const otherNames: Readonly<Record<string, string>> = { ps: "list" }

/** The command line with `ps` replaced by the command that it means. */
export const aliased = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const valued = new Set(builtIn.flatMap(([name, hasValue]) => (hasValue ? [name] : [])))
  const at = args.findIndex((word, index) => !word.startsWith("-") && !valued.has(args[index - 1] ?? ""))
  const name = otherNames[args[at] ?? ""]
  return name === undefined ? args : args.with(at, name)
}
