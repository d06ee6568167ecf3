import { Effect } from "effect"
import { Completions } from "effect/cli"
import type { Run } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"

/** The shells that there are scripts for. */
export type Shell = "bash" | "zsh" | "fish"

/** The flags of `completions`. */
export interface CompletionFlags {
  readonly shell: Shell
  readonly json: boolean
}

/** Commands whose next word is an agent. */
const ofAgents = [
  "cancel",
  "exec",
  "health",
  "info",
  "logs",
  "pause",
  "query",
  "replace",
  "resume",
  "shell",
  "terminate",
  "update"
]

const bash = `
_remote_agent__names() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" kind= first="\${COMP_WORDS[1]}"
  case "$prev" in
    --profile) kind=profiles ;;
    --pool) kind=pools ;;
    --agent) kind=agents ;;
    -*) ;;
    *)
      case "$first" in
        ${ofAgents.join("|")}) [ "$COMP_CWORD" -eq 2 ] && kind=agents ;;
        pool) [ "$COMP_CWORD" -eq 3 ] && kind=pools ;;
      esac ;;
  esac
  case "$cur" in -*) kind= ;; esac
  if [ -z "$kind" ]; then _remote_agent "$@"; return; fi
  COMPREPLY=()
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(remote-agent __complete "$kind" "$cur" 2>/dev/null)
}
complete -F _remote_agent__names remote-agent
`

const zsh = `
_remote_agent__names() {
  local kind= prev="\${words[CURRENT-1]}"
  case "$prev" in
    --profile) kind=profiles ;;
    --pool) kind=pools ;;
    --agent) kind=agents ;;
    -*) ;;
    *)
      case "\${words[2]}" in
        ${ofAgents.join("|")}) [ "$CURRENT" -eq 3 ] && kind=agents ;;
        pool) [ "$CURRENT" -eq 4 ] && kind=pools ;;
      esac ;;
  esac
  case "\${words[CURRENT]}" in -*) kind= ;; esac
  if [ -z "$kind" ]; then _remote_agent "$@"; return; fi
  local -a found
  found=("\${(@f)$(remote-agent __complete "$kind" "\${words[CURRENT]}" 2>/dev/null)}")
  compadd -- $found
}
compdef _remote_agent__names remote-agent
`

const fish = `
complete -c remote-agent -l profile -x -a '(remote-agent __complete profiles (commandline -ct) 2>/dev/null)'
complete -c remote-agent -l pool -x -a '(remote-agent __complete pools (commandline -ct) 2>/dev/null)'
complete -c remote-agent -n '__fish_seen_subcommand_from ${ofAgents.join(" ")}; and test (count (commandline -opc)) -eq 2' -f -a '(remote-agent __complete agents (commandline -ct) 2>/dev/null)'
`

const names: Record<Shell, string> = { bash, zsh, fish }

/** The script of a shell: what is known of commands, and names that are asked for as they are needed. */
export const script = (shell: Shell, commands: Completions.CommandDescriptor): string =>
  `${Completions.generate("remote-agent", shell, commands)}\n${names[shell]}`

/** Prints the script that makes a shell complete what can be typed after `remote-agent`. */
export const run = Effect.fn("completions")(function* ({ json, shell }: CompletionFlags): Run {
  const { out } = yield* Screen
  const { root } = yield* Effect.promise(() => import("../../Cli.ts"))
  const text = script(shell, Completions.fromCommand(root))
  yield* line(out, json ? JSON.stringify({ shell, script: text }) : text)
})
