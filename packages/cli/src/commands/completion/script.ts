import { Completions } from "effect/cli"

/** The shells with a completion script. */
export type Shell = "bash" | "zsh" | "fish"

/** What a word is completed with. */
type Kind = "agents" | "pools" | "profiles" | "files" | "paths"

/** The kind of an argument or the value of a flag, by its name. */
const kindOf = (name: string): Kind | undefined => {
  switch (name) {
    case "agent":
    case "query-or-agent":
      return "agents"
    case "pool":
      return "pools"
    case "profile":
      return "profiles"
    case "file":
    case "folder":
    case "output":
    case "state":
    case "body-file":
    case "message-file":
      return "files"
    case "path":
      return "paths"
    default:
      return undefined
  }
}

/** An argument that is completed with a name. */
interface Place {
  /** The words of the command, such as `pool resize`. */
  readonly path: string
  /** The argument's number, from 1. */
  readonly argument: number
  readonly variadic: boolean
  readonly kind: Kind
}

const placesOf = (
  { arguments: all, name, subcommands }: Completions.CommandDescriptor,
  above: ReadonlyArray<string>
): ReadonlyArray<Place> => {
  const path = [...above, name]
  return [
    ...all.flatMap((argument, index): ReadonlyArray<Place> => {
      const kind = kindOf(argument.name)
      if (kind === undefined) return []
      return [{ path: path.slice(1).join(" "), argument: index + 1, variadic: argument.variadic, kind }]
    }),
    ...subcommands.flatMap((one) => placesOf(one, path))
  ]
}

interface Names {
  readonly places: ReadonlyArray<Place>
  /** Flags that are followed by a value. */
  readonly withValue: ReadonlyArray<string>
  /** Flags whose value is completed with a name. */
  readonly flags: ReadonlyArray<readonly [string, Kind]>
  /** Words that have subcommands. */
  readonly groups: ReadonlyArray<string>
}

const everyCommand = (one: Completions.CommandDescriptor): ReadonlyArray<Completions.CommandDescriptor> => [
  one,
  ...one.subcommands.flatMap(everyCommand)
]

const namesOf = (tree: Completions.CommandDescriptor): Names => {
  const commands = everyCommand(tree)
  const valued = commands.flatMap(({ flags }) =>
    flags.filter(({ optionalValue, type }) => type._tag !== "Boolean" && optionalValue !== true)
  )
  const withValue = new Set(
    valued.flatMap(({ aliases, name }) => [`--${name}`, ...aliases.map((alias) => `-${alias}`)])
  )
  const flags = new Map(
    valued.flatMap(({ name }) => {
      const kind = kindOf(name)
      return kind === undefined ? [] : [[`--${name}`, kind] as const]
    })
  )
  return {
    places: placesOf(tree, []),
    withValue: [...withValue].toSorted(),
    flags: [...flags],
    groups: commands
      .slice(1)
      .filter(({ subcommands }) => subcommands.length > 0)
      .map(({ name }) => name)
  }
}

const flagCases = ({ flags }: Names): string =>
  flags.map(([flag, kind]) => `    ${flag}) kind=${kind} ;;`).join("\n")

const placeCases = ({ places }: Names): string =>
  places
    .map(({ argument, kind, path, variadic }) => {
      const test = variadic ? `[ "$count" -ge ${argument} ]` : `[ "$count" -eq ${argument} ]`
      return `    "${path}") ${test} && kind=${kind} ;;`
    })
    .join("\n")

/**
 * The part that bash and zsh share: it sets `kind` for the word that is completed.
 *
 * It walks the words before the cursor, skips flags and their values, and so finds the command and the number of the
 * argument.
 */
const finding = (names: Names): string => `
_remote_agent__kind() {
  local prev="$1" cur="$2" word= skip= path= count=1
  shift 2
  kind=
  case "$prev" in
${flagCases(names)}
  esac
  [ -n "$kind" ] && return
  case "$cur" in -*) return ;; esac
  for word in "$@"; do
    if [ -n "$skip" ]; then skip=; continue; fi
    case "$word" in
      ${names.withValue.join("|")}) skip=1 ;;
      -*) ;;
      *)
        case "$path" in
          "") path="$word" ;;
          ${names.groups.join("|")}) path="$path $word" ;;
          *) count=$((count + 1)) ;;
        esac ;;
    esac
  done
  [ -n "$skip" ] && return
  case "$path" in
${placeCases(names)}
  esac
}
`

const bash = (names: Names): string => `${finding(names)}
_remote_agent__names() {
  local kind cur="\${COMP_WORDS[COMP_CWORD]}"
  _remote_agent__kind "\${COMP_WORDS[COMP_CWORD-1]}" "$cur" "\${COMP_WORDS[@]:1:COMP_CWORD-1}"
  if [ -z "$kind" ]; then _remote_agent "$@"; return; fi
  COMPREPLY=()
  case "$kind" in
    files|paths)
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur") ;;
  esac
  case "$kind" in
    files) return ;;
    paths)
      compopt -o nospace 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line:"); done < <(remote-agent __complete agents "$cur" 2>/dev/null)
      return ;;
  esac
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(remote-agent __complete "$kind" "$cur" 2>/dev/null)
}
complete -F _remote_agent__names remote-agent
`

const zsh = (names: Names): string => `${finding(names)}
_remote_agent__names() {
  local kind
  _remote_agent__kind "\${words[CURRENT-1]}" "\${words[CURRENT]}" "\${(@)words[2,CURRENT-1]}"
  if [ -z "$kind" ]; then _remote_agent "$@"; return; fi
  local -a found
  case "$kind" in
    files) _files; return ;;
    paths)
      found=("\${(@f)$(remote-agent __complete agents "\${words[CURRENT]}" 2>/dev/null)}")
      [ -n "$found" ] && compadd -S : -- $found
      _files
      return ;;
  esac
  found=("\${(@f)$(remote-agent __complete "$kind" "\${words[CURRENT]}" 2>/dev/null)}")
  compadd -- $found
}
compdef _remote_agent__names remote-agent
`

const fishWords = (words: ReadonlyArray<string>) => words.map((word) => `'${word}'`).join(" ")

/** The words of a kind in fish. A path is that of an agent, or one of this machine. */
const fishNames = (kind: Kind): string => {
  switch (kind) {
    case "files":
      return "__fish_complete_path (commandline -ct)"
    case "paths":
      return "begin; __fish_complete_path (commandline -ct); remote-agent __complete agents (commandline -ct) 2>/dev/null | string replace -r '$' ':'; end"
    default:
      return `remote-agent __complete ${kind} (commandline -ct) 2>/dev/null`
  }
}

const fishCases = ({ places }: Names): string =>
  places
    .map(({ argument, kind, path, variadic }) => {
      const operator = variadic ? "-ge" : "-eq"
      return `    case '${path}'\n      test $count ${operator} ${argument}; and ${fishNames(kind)}`
    })
    .join("\n")

const fish = (names: Names): string => `
function __remote_agent_names
  set -l path ''
  set -l count 1
  set -l skip ''
  for word in (commandline -opc)[2..]
    if test -n "$skip"
      set skip ''
    else if contains -- $word ${fishWords(names.withValue)}
      set skip 1
    else if not string match -q -- '-*' $word
      if test -z "$path"
        set path $word
      else if contains -- "$path" ${fishWords(names.groups)}
        set path "$path $word"
      else
        set count (math $count + 1)
      end
    end
  end
  test -n "$skip"; and return
  switch "$path"
${fishCases(names)}
  end
end
complete -c remote-agent -f -a '(__remote_agent_names)'
${names.flags
  .map(
    ([flag, kind]) =>
      `complete -c remote-agent -l ${flag.slice(2)} ${kind === "files" ? "-r -F" : `-x -a '(${fishNames(kind)})'`}`
  )
  .join("\n")}
`

/** The completion script of a shell: commands and flags are in the script, and names are looked up as they are needed. */
export const script = (shell: Shell, tree: Completions.CommandDescriptor): string => {
  const names = namesOf(tree)
  const dynamic = shell === "fish" ? fish(names) : shell === "zsh" ? zsh(names) : bash(names)
  return `${Completions.generate("remote-agent", shell, tree)}\n${dynamic}`
}
