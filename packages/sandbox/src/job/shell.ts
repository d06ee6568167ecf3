import type { Command } from "../Sandbox.ts"

/**
 * Quotes one word for a POSIX shell, so that the shell reads exactly that word.
 *
 * **Gotchas**
 *
 * NUL bytes are dropped, because no argument can hold one.
 *
 * @category quoting
 * @since 0.1.0
 */
export const quote = (word: string): string => `'${word.replaceAll("\0", "").replaceAll("'", `'\\''`)}'`

/** Starts a program in a session of its own where `setsid` exists, so that the pid of the leader names them all. */
const ownSession = "s=; command -v setsid >/dev/null 2>&1 && s=setsid; exec $s"

/** The line for `bash -c` that becomes the command, in the same process and in a session of its own. */
export const commandLine = (command: Command): string =>
  "argv" in command
    ? `${ownSession} ${command.argv.map(quote).join(" ")}`
    : `${ownSession} bash -c ${quote(command.script)}`

/** The variable that marks a command and everything it starts. The scripts in `scripts/` name it too. */
export const marker = "REMOTE_AGENT_COMMAND"
