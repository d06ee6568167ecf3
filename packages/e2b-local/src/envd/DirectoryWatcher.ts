/**
 * Watches a folder from inside of a sandbox, with the events of inotify that envd tells.
 *
 * `fs.watch` of Node.js tells neither a removal from a rename nor a write from a change of mode, and `inotifywait` is
 * rarely installed; perl is on most systems, and can make a system call by its number. The watcher is a process of the
 * sandbox, so it sees what the sandbox sees and stops with it.
 *
 * @since 0.1.0
 */
import { Effect, Stream } from "effect"
import { RpcError } from "./ConnectProtocol.ts"
import * as HostProcess from "../host/HostProcess.ts"
import type { SandboxRuntime } from "../isolation/SandboxRuntime.ts"

const types = {
  create: "EVENT_TYPE_CREATE",
  write: "EVENT_TYPE_WRITE",
  remove: "EVENT_TYPE_REMOVE",
  rename: "EVENT_TYPE_RENAME",
  chmod: "EVENT_TYPE_CHMOD"
} as const

/** What happened to an entry; `name` is relative to the folder, `.` the folder itself. */
export interface Change {
  readonly name: string
  readonly type: (typeof types)[keyof typeof types]
}

// inotify_init1, inotify_add_watch
const calls: Readonly<Record<string, readonly [number, number]>> = { x64: [294, 254], arm64: [26, 27] }

const numbers = process.platform === "linux" ? calls[process.arch] : undefined

// Writes pairs of a word and a name, each ended with NUL; the first word is `ready` or `failed`.
const program = `
use strict; my ($init, $add, $recursive) = map { $_ + 0 } splice @ARGV, 0, 3; my $root = shift; $| = 1;
sub tell_of { print "$_[0]\\0$_[1]\\0" or exit 1 }
my $fd = syscall($init, 0x80000);
if ($fd < 0) { tell_of("failed", "$!"); exit 1 }
open(my $events, "<&=", $fd) or exit 1;
my (%folder, %told);
sub watch {
  my ($name, $is_new) = @_;
  my $path = $name eq "" ? $root : "$root/$name";
  my $mask = 0xfc6 | 0x1000000 | ($name eq "" ? 0 : 0x2000000);
  my $watch = syscall($add, $fd, $path, $mask);
  if ($watch < 0) { return if $name ne ""; tell_of("failed", "$!"); exit 1 }
  $folder{$watch} = $name;
  return unless $recursive and opendir(my $handle, $path);
  my @entries = grep { $_ ne "." and $_ ne ".." } readdir $handle;
  closedir $handle;
  for my $entry (@entries) {
    my $child = $name eq "" ? $entry : "$name/$entry";
    if ($is_new) { tell_of("create", $child); $told{$child} = 1 }
    watch($child, $is_new) if !-l "$root/$child" and -d _;
  }
}
watch("", 0);
tell_of("ready", "");
while (sysread $events, my $buffer, 65536) {
  while (length $buffer) {
    my ($watch, $mask, undef, $length) = unpack "iIII", $buffer;
    my $entry = unpack "Z*", substr $buffer, 16, $length;
    substr($buffer, 0, 16 + $length) = "";
    if ($mask & 0x4000) { tell_of("overflow", ""); exit 1 }
    next unless exists $folder{$watch};
    my $name = $folder{$watch};
    if ($mask & 0x8000) { delete $folder{$watch}; next }
    # Of a folder below, its parent tells as well.
    next if $entry eq "" and $name ne "";
    my $path = $entry eq "" ? "." : $name eq "" ? $entry : "$name/$entry";
    if ($mask & 0x180) {
      # What was in a new folder when its watch began has been told and is watched already; to look into it again
      # would tell all that is in it twice.
      unless (delete $told{$path}) {
        tell_of("create", $path);
        watch($path, $mask & 0x100) if $recursive and $mask & 0x40000000;
      }
    }
    if ($mask & 0x840) {
      tell_of("rename", $path); delete $told{$path};
      # It may have left; where it arrives it is watched again.
      for my $below (keys %folder) { delete $folder{$below} if "$folder{$below}/" =~ m{^\\Q$path\\E/} }
    }
    tell_of("chmod", $path) if $mask & 0x4;
    tell_of("write", $path) if $mask & 0x2;
    if ($mask & 0x600) { tell_of("remove", $path); delete $told{$path} }
  }
}`

const unavailable = (detail: string) =>
  new RpcError({ code: "unimplemented", message: `folders cannot be watched here: ${detail}` })

const isType = (word: string): word is keyof typeof types => Object.hasOwn(types, word)

/** Takes whole pairs off the front of `text`, which has a character per byte. */
const takePairs = (text: string): readonly [string, ReadonlyArray<readonly [string, string]>] => {
  const fields = text.split("\0")
  const whole = Math.floor((fields.length - 1) / 2)
  const pairs = Array.from(
    { length: whole },
    (_, at) => [fields[at * 2] ?? "", Buffer.from(fields[at * 2 + 1] ?? "", "latin1").toString()] as const
  )
  return [fields.slice(whole * 2).join("\0"), pairs]
}

/**
 * What happens in `folder`, an absolute path without links in it; `ready` comes first, and from then on nothing is
 * missed. With `recursive` also in the folders below, links not followed. The watcher ends with the scope. Fails with
 * `unimplemented` without perl, and with `resource_exhausted` when more happens than the kernel keeps.
 */
export const watch = Effect.fn("DirectoryWatcher.watch")(function* (
  machine: SandboxRuntime,
  folder: string,
  recursive: boolean
) {
  if (numbers === undefined)
    return yield* unavailable(`${process.platform} on ${process.arch} is not supported`)
  const running = yield* Effect.acquireRelease(
    machine.start({
      argv: ["perl", "-e", program, ...numbers.map(String), recursive ? "1" : "0", folder],
      env: { PATH: machine.path, LC_ALL: "C" },
      cwd: machine.home,
      stdin: false
    }),
    // The process itself first: what waits for it outside of the sandbox would leave it behind.
    (process) => Effect.andThen(process.signal("SIGKILL"), process.release)
  ).pipe(
    Effect.catchTag("RpcError", (error) =>
      Effect.fail(error.code === "invalid_argument" ? unavailable("perl is not installed") : error)
    )
  )
  return HostProcess.bytes(running.stdout).pipe(
    Stream.mapError((error) => new RpcError({ code: "internal", message: error.message })),
    Stream.mapAccum(
      () => "",
      (rest: string, chunk) => takePairs(rest + Buffer.from(chunk).toString("latin1"))
    ),
    Stream.mapEffect(([word, name]): Effect.Effect<"ready" | Change, RpcError> =>
      word === "ready"
        ? Effect.succeed(word)
        : isType(word)
          ? Effect.succeed({ name, type: types[word] })
          : Effect.fail(
              word === "overflow"
                ? new RpcError({ code: "resource_exhausted", message: "more happened than could be told" })
                : new RpcError({ code: "internal", message: `the folder cannot be watched: ${name}` })
            )
    ),
    Stream.concat(Stream.fail(new RpcError({ code: "internal", message: "the watcher ended" })))
  )
})
