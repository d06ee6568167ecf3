/**
 * Commands on a pseudo terminal.
 *
 * Node.js cannot allocate one; `script` of util-linux can, and copies between the terminal and its own input and
 * output. The size is set from inside of the sandbox on the other end, which also tells the program.
 *
 * @since 0.1.0
 */
import { Effect, Schema } from "effect"
import { RpcError } from "../envd/ConnectProtocol.ts"
import type { Command, SandboxRuntime } from "./SandboxRuntime.ts"
import { quote } from "./shell.ts"

const Cells = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })))

/** Columns and rows; what the protocol leaves out is 0, as in every message of it. */
export const Size = Schema.Struct({ cols: Schema.optionalKey(Cells), rows: Schema.optionalKey(Cells) })
/** @see {@link Size} */
export type Size = typeof Size.Type

const unavailable = (detail: string) =>
  new RpcError({ code: "unimplemented", message: `terminals (pty) are not available here: ${detail}` })

const settings = (size: Size) => `rows ${size.rows ?? 0} cols ${size.cols ?? 0}`

/** A command that runs `command` on a terminal of that size. `script` ends with its exit code. */
const onTerminal = (command: Command, size: Size): Command => ({
  ...command,
  argv: [
    "script",
    "-q",
    "-e",
    "-f",
    "-c",
    // Without a terminal of its own `script` switches the echo off.
    `stty echo ${settings(size)}; export SHELL=${quote(command.env["SHELL"] ?? "/bin/sh")}; exec ${command.argv.map(quote).join(" ")}`,
    "/dev/null"
  ],
  // What `script` has its command read by.
  env: { ...command.env, SHELL: "/bin/sh" },
  stdin: true
})

/** Starts a command on a terminal. Fails with `unimplemented` where none can be allocated. */
export const start = (machine: SandboxRuntime, command: Command, size: Size) =>
  process.platform === "linux"
    ? machine
        .start(onTerminal(command, size))
        .pipe(
          Effect.mapError((error) =>
            error.message.includes("'script'") ? unavailable("script (util-linux) is not installed") : error
          )
        )
    : Effect.fail(unavailable("only on Linux"))

// $1 the pid of `script`, $2 rows, $3 columns. Before its child has become the command, the first size is still to be set.
const resizeScript = `
rows=$2 cols=$3 tries=100
while :; do
  [ -e "/proc/$1" ] || exit 3
  # The line has no end, which read takes for a failure.
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
# stty sets one after the other, and a program that is told twice may see the size between.
command -v perl >/dev/null 2>&1 &&
  perl -e 'open(my $t, "+<", $ARGV[0]) or exit 1; ioctl($t, 0x5414, pack("S4", $ARGV[1], $ARGV[2], 0, 0)) or exit 1' \
    "/dev/pts/$number" "$rows" "$cols" && exit 0
exec stty -F "/dev/pts/$number" rows "$rows" cols "$cols"`

/** Changes the size of the terminal of a command that {@link start} gave, and tells the program. */
export const resize = Effect.fn("PseudoTerminal.resize")(function* (
  machine: SandboxRuntime,
  pid: number,
  size: Size
) {
  const status = yield* Effect.acquireUseRelease(
    machine.start({
      argv: ["sh", "-c", resizeScript, "sh", `${pid}`, `${size.rows ?? 0}`, `${size.cols ?? 0}`],
      env: { PATH: machine.path, LC_ALL: "C" },
      cwd: machine.home,
      stdin: false
    }),
    (running) => running.exited,
    (running) => Effect.andThen(running.signal("SIGKILL"), running.release)
  )
  if (status.code !== 0) {
    return yield* new RpcError({
      code: "internal",
      message: `the terminal of process ${pid} cannot be resized`
    })
  }
})
