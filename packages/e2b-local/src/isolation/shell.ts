/**
 * POSIX shell scripts built from values. Values reach a shell only through {@link quote}.
 *
 * @since 0.1.0
 */
import { Option } from "effect"

/** One shell word that stands for exactly `value`. The value must not contain NUL. */
export const quote = (value: string): string => `'${value.replaceAll("'", `'\\''`)}'`

/** Whether a shell can export a variable of this name. */
export const isVariableName = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)

/** Whether the value can be passed to a program at all. */
export const isCarriable = (value: string): boolean => !value.includes("\0")

/**
 * Why variables cannot be given to a program. None when they can.
 *
 * **Details**
 *
 * As at E2B every name is accepted that a program can receive, also one that a shell cannot write, such as `a.b`.
 */
export const variablesProblem = (variables: Readonly<Record<string, string>>): Option.Option<string> => {
  for (const [name, value] of Object.entries(variables)) {
    if (name === "" || name.includes("=") || !isCarriable(name)) {
      return Option.some(`${JSON.stringify(name)} is not a valid name of an environment variable`)
    }
    if (!isCarriable(value)) return Option.some(`the environment variable ${name} contains a NUL byte`)
  }
  return Option.none()
}

/** Limits of one command. A limit that the host does not allow is skipped. */
export interface Limits {
  /** Processes and threads of the whole sandbox. */
  readonly processes?: number | undefined
  readonly openFiles: number
  readonly fileBytes: number
}

/** A command that the launch script becomes. */
export interface Launch {
  readonly argv: readonly [string, ...Array<string>]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly limits: Limits
  /** See `Command.missing`. */
  readonly missing?: "fail" | "exit"
}

// Shells own these variables. They have to be set past the shell.
const shellOwned = new Set(["BASHOPTS", "EUID", "OPTIND", "PPID", "SHELLOPTS", "UID"])

const isExportable = (name: string) => isVariableName(name) && !shellOwned.has(name)

/** Sets the limits. `ulimit -p` counts processes in dash, `-u` in bash. */
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
 * Reads the text of {@link launchScript} from descriptor 3, so that the environment of a command is in no argument
 * list and in no environment but its own.
 */
export const launcher = 'eval "$(cat <&3)"'

// Sets the variables that descriptor 5 lists as pairs in hex, then becomes the command.
const execProgram = `
open(my $list, "<&=", 5) or exit 126;
while (<$list>) { chomp; my ($name, $value) = map { pack("H*", $_) } split(/=/, $_, 2); $ENV{$name} = $value // ""; }
close $list;
exec { $ARGV[0] } @ARGV;
print STDERR "$ARGV[0]: $!\\n"; exit($!{ENOENT} ? 127 : 126);`

const hex = (text: string): string => Buffer.from(text).toString("hex")

/** Becomes the command, with the variables that a shell cannot export. */
const execWith = (names: ReadonlyArray<string>, env: Launch["env"]): ReadonlyArray<string> =>
  names.length === 0
    ? ['exec "$@"']
    : [
        // Through a descriptor, because other users of the host can read argument lists.
        "if command -v perl >/dev/null 2>&1; then",
        `exec perl -e ${quote(execProgram)} "$@" 5<<'END'`,
        ...names.map((name) => `${hex(name)}=${hex(env[name] ?? "")}`),
        "END",
        "fi",
        `exec env ${names.map((name) => quote(`${name}=${env[name]}`)).join(" ")} "$@"`
      ]

/**
 * The script that becomes the command.
 *
 * **Details**
 *
 * It writes one word to descriptor 4: `pid <number>`, or `cwd` or `command` when the working directory or the program
 * does not exist. Then it closes 3 and 4.
 */
export const launchScript = (launch: Launch): string => {
  const names = Object.keys(launch.env)
  const assign = (name: string) => `${name}=${quote(launch.env[name] ?? "")}`
  const isMissing = 'command -v "$1" >/dev/null 2>&1 || {'
  return [
    `set -- ${launch.argv.map(quote).join(" ")}`,
    "umask 022",
    limitScript(launch.limits),
    `cd -- ${quote(launch.cwd)} 2>/dev/null || { echo cwd >&4; exit 126; }`,
    "unset OLDPWD LC_ALL",
    ...names.filter(isExportable).map((name) => `export ${assign(name)}`),
    launch.missing === "exit"
      ? `${isMissing} echo "pid $$" >&4; exec 3<&- 4>&-; [ ! -e "$1" ] || { echo "$1: Permission denied" >&2; exit 126; }; echo "$1: No such file or directory" >&2; exit 127; }`
      : `${isMissing} echo command >&4; exit 127; }`,
    'echo "pid $$" >&4',
    "exec 3<&- 4>&-",
    ...execWith(
      names.filter((name) => !isExportable(name)),
      launch.env
    )
  ].join("\n")
}
