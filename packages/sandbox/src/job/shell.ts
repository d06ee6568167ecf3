import type { Command } from "../Sandbox.ts"

/** Quotes one word for any POSIX shell, so that it is read as exactly that word. NUL, which no argument can hold, is dropped. */
export const quote = (word: string): string => `'${word.replaceAll("\0", "").replaceAll("'", `'\\''`)}'`

/** Programs are started in a session of their own where `setsid` exists, so that the id of the leader names them all. */
const ownSession = "s=; command -v setsid >/dev/null 2>&1 && s=setsid; exec $s"

/** The line for `bash -c` that becomes the command: same process, own session. */
export const commandLine = (command: Command): string =>
  "argv" in command
    ? `${ownSession} ${command.argv.map(quote).join(" ")}`
    : `${ownSession} bash -c ${quote(command.script)}`

/** The name of the variable that marks a command and everything it starts. */
export const marker = "REMOTE_AGENT_COMMAND"

/**
 * The script that kills a command with everything it started: the group of its leader, then whatever still carries
 * the command's mark in its environment, until nothing does. Arguments: the mark, and the leader's pid where it is
 * known.
 */
export const killScript = `[ -z "$2" ] || kill -KILL -- "-$2" 2>/dev/null || kill -KILL "$2" 2>/dev/null
round=0
while [ "$round" -lt 20 ]; do
  found=
  for dir in /proc/[0-9]*; do
    if tr '\\0' '\\n' <"$dir/environ" 2>/dev/null | grep -qxF "${marker}=$1"; then
      kill -KILL "\${dir#/proc/}" 2>/dev/null && found=1
    fi
  done
  [ -n "$found" ] || exit 0
  round=$((round + 1))
done`
