/**
 * POSIX shell text made of values. Nothing of a user reaches a shell but through {@link quote}.
 *
 * @since 0.1.0
 */

/** One shell word that stands for exactly `value`. The value must not contain NUL. */
export const quote = (value: string): string => `'${value.replaceAll("'", `'\\''`)}'`

/** Whether a shell and every program can carry a variable of this name. */
export const isVariableName = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)

/** Whether the value can be handed to a program at all. */
export const isCarriable = (value: string): boolean => !value.includes("\0")

/** Limits of one command; none is set where the host allows less. */
export interface Limits {
  /** Processes and threads of the whole sandbox. */
  readonly processes?: number | undefined
  readonly openFiles: number
  readonly fileBytes: number
}

/** What a command runs as. */
export interface Launch {
  readonly argv: readonly [string, ...Array<string>]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly limits: Limits
}

// Shells treat these as their own; `env` sets them past the shell. They are not secrets.
const shellOwned = new Set(["BASHOPTS", "EUID", "OPTIND", "PPID", "SHELLOPTS", "UID"])

/** Sets the limits; `ulimit -p` counts processes in dash, `-u` in bash. */
export const limitScript = (limits: Limits): string =>
  [
    "ulimit -c 0 2>/dev/null",
    `ulimit -n ${limits.openFiles} 2>/dev/null`,
    `ulimit -f ${Math.max(1, Math.ceil(limits.fileBytes / 512))} 2>/dev/null`,
    ...(limits.processes === undefined
      ? []
      : [`ulimit -p ${limits.processes} 2>/dev/null || ulimit -u ${limits.processes} 2>/dev/null`]),
    ":"
  ].join("\n")

/**
 * Reads the text of {@link launchScript} from descriptor 3, so that the environment of a command is in no
 * argument vector and in no environment but the command's own.
 */
export const launcher = 'eval "$(cat <&3)"'

/**
 * Becomes the command. Says on descriptor 4 either `pid <number>`, or `cwd` or `command` when the working
 * directory or the program does not exist, and then closes 3 and 4.
 */
export const launchScript = (launch: Launch): string => {
  const names = Object.keys(launch.env)
  const own = names.filter((name) => shellOwned.has(name))
  const assign = (name: string) => `${name}=${quote(launch.env[name] ?? "")}`
  return [
    `set -- ${launch.argv.map(quote).join(" ")}`,
    "umask 022",
    limitScript(launch.limits),
    `cd -- ${quote(launch.cwd)} 2>/dev/null || { echo cwd >&4; exit 126; }`,
    "unset OLDPWD LC_ALL",
    ...names.filter((name) => !shellOwned.has(name)).map((name) => `export ${assign(name)}`),
    'command -v "$1" >/dev/null 2>&1 || { echo command >&4; exit 127; }',
    'echo "pid $$" >&4',
    "exec 3<&- 4>&-",
    own.length === 0
      ? 'exec "$@"'
      : `exec env ${own.map((name) => quote(`${name}=${launch.env[name]}`)).join(" ")} "$@"`
  ].join("\n")
}
