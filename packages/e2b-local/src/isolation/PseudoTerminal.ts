/**
 * Commands on a pseudo terminal.
 *
 * Node.js cannot allocate a terminal. `script` of util-linux can, and copies between the terminal and its own input and
 * output. The size is set from inside of the sandbox at the other end, which also notifies the program.
 *
 * @since 0.1.0
 */
import { Effect, Schema } from "effect"
import { type Account, type Command, CommandError, type SandboxRuntime } from "./SandboxRuntime.ts"
import { quote } from "./shell.ts"

const Cells = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })))

/** Columns and rows. A missing field is 0, as in every message of the protocol. */
export const Size = Schema.Struct({ cols: Schema.optionalKey(Cells), rows: Schema.optionalKey(Cells) })
/** @see {@link Size} */
export type Size = typeof Size.Type

const unavailable = (detail: string) =>
  new CommandError({ reason: "Unsupported", message: `terminals (pty) are not available here: ${detail}` })

const settings = (size: Size) => `rows ${size.rows ?? 0} cols ${size.cols ?? 0}`

/** A command that runs `command` on a terminal of a given size. `script` ends with its exit code. */
const onTerminal = (command: Command, size: Size): Command => ({
  ...command,
  argv: [
    "script",
    "-q",
    "-e",
    "-f",
    "-c",
    // `script` disables the echo when it has no terminal itself.
    `stty echo ${settings(size)}; export SHELL=${quote(command.env["SHELL"] ?? "/bin/sh")}; exec ${command.argv.map(quote).join(" ")}`,
    "/dev/null"
  ],
  // `script` runs its command with this shell.
  env: { ...command.env, SHELL: "/bin/sh" },
  stdin: true,
  // Only `script` itself is checked here.
  missing: "fail"
})

/** Starts a command on a terminal. Fails with `Unsupported` where none can be allocated. */
export const start = (runtime: SandboxRuntime, command: Command, size: Size) =>
  process.platform === "linux"
    ? runtime
        .start(onTerminal(command, size))
        .pipe(
          Effect.mapError((error) =>
            error.reason === "NoProgram" ? unavailable("script (util-linux) is not installed") : error
          )
        )
    : Effect.fail(unavailable("only on Linux"))

// $1 is the pid of `script`, $2 the rows, $3 the columns. The child sets the first size before it becomes the command.
const resizeScript = `
rows=$2 cols=$3 tries=100
while :; do
  [ -e "/proc/$1" ] || exit 3
  # The line has no newline, which read reports as a failure.
  child=; read -r child rest < "/proc/$1/task/$1/children" || :
  if [ -n "$child" ]; then
    read -r name < "/proc/$child/comm" && read -r stat < "/proc/$child/stat" || exit 3
    [ "$name" = sh ] || [ "$name" = script ] || break
  fi
  tries=$((tries - 1)); [ "$tries" -gt 0 ] || break
  sleep 0.05
done
set -- \${stat##*) }
number=$(( ($5 & 255) | (($5 >> 12) & 0xfff00) ))
# stty sets rows and columns one after the other, so a program would see a size in between.
command -v perl >/dev/null 2>&1 &&
  perl -e 'open(my $t, "+<", $ARGV[0]) or exit 1; ioctl($t, 0x5414, pack("S4", $ARGV[1], $ARGV[2], 0, 0)) or exit 1' \
    "/dev/pts/$number" "$rows" "$cols" && exit 0
exec stty -F "/dev/pts/$number" rows "$rows" cols "$cols"`

/** Changes the size of the terminal of a command that {@link start} started. The program is notified. */
export const resize = Effect.fn("PseudoTerminal.resize")(function* (
  runtime: SandboxRuntime,
  command: { readonly pid: number; readonly user: Account["name"] },
  size: Size
) {
  const status = yield* Effect.acquireUseRelease(
    runtime.start({
      argv: ["sh", "-c", resizeScript, "sh", `${command.pid}`, `${size.rows ?? 0}`, `${size.cols ?? 0}`],
      env: { PATH: runtime.path, LC_ALL: "C" },
      cwd: "/",
      stdin: false,
      user: command.user
    }),
    (running) => running.exited,
    (running) => Effect.andThen(running.signal("SIGKILL"), running.release)
  )
  if (status.code !== 0) {
    return yield* new CommandError({
      reason: "Failed",
      message: `the terminal of process ${command.pid} cannot be resized`
    })
  }
})
