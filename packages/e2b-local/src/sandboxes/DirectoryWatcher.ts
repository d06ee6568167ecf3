/**
 * Watches a folder from inside of a sandbox and reports the inotify events that envd reports.
 *
 * `fs.watch` of Node.js does not distinguish a removal from a rename, or a write from a change of mode, and
 * `inotifywait` is rarely installed. perl is on most systems and can make a system call by its number. The watcher is a
 * process of the sandbox, so it sees the files of the sandbox and ends with it.
 *
 * @since 0.1.0
 */
import { Effect, Schema, Stream } from "effect"
import * as HostProcess from "../host/HostProcess.ts"
import type { Account, SandboxRuntime } from "../isolation/SandboxRuntime.ts"

/** A folder cannot be watched, or its watcher has ended. The message is sent to the client. */
export class WatchFailed extends Schema.TaggedError<WatchFailed>()("WatchFailed", {
  reason: Schema.Literals(["Unsupported", "Overflow", "Failed"]),
  message: Schema.String
}) {}

/** More happened than can be reported. */
export const overflow = new WatchFailed({ reason: "Overflow", message: "more events than can be reported" })

const types = {
  create: "EVENT_TYPE_CREATE",
  write: "EVENT_TYPE_WRITE",
  remove: "EVENT_TYPE_REMOVE",
  rename: "EVENT_TYPE_RENAME",
  chmod: "EVENT_TYPE_CHMOD"
} as const

/** A change of one entry. `name` is relative to the folder, and `.` is the folder itself. */
export interface Change {
  readonly name: string
  readonly type: (typeof types)[keyof typeof types]
}

// inotify_init1, inotify_add_watch
const calls: Readonly<Record<string, readonly [number, number]>> = { x64: [294, 254], arm64: [26, 27] }

const numbers = process.platform === "linux" ? calls[process.arch] : undefined

// Writes pairs of a word and a name, each ended by NUL. The first word is `ready` or `failed`.
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
    # The parent of a folder below reports this event as well.
    next if $entry eq "" and $name ne "";
    my $path = $entry eq "" ? "." : $name eq "" ? $entry : "$name/$entry";
    if ($mask & 0x180) {
      # The entries that a new folder had when its watch began were reported and are watched already. Reading the
      # folder again would report them twice.
      unless (delete $told{$path}) {
        tell_of("create", $path);
        watch($path, $mask & 0x100) if $recursive and $mask & 0x40000000;
      }
    }
    if ($mask & 0x840) {
      tell_of("rename", $path); delete $told{$path};
      # The folder may have left the tree. It is watched again where it arrives.
      for my $below (keys %folder) { delete $folder{$below} if "$folder{$below}/" =~ m{^\\Q$path\\E/} }
    }
    tell_of("chmod", $path) if $mask & 0x4;
    tell_of("write", $path) if $mask & 0x2;
    if ($mask & 0x600) { tell_of("remove", $path); delete $told{$path} }
  }
}`

const unavailable = (detail: string) =>
  new WatchFailed({ reason: "Unsupported", message: `folders cannot be watched here: ${detail}` })

const failed = (message: string) => new WatchFailed({ reason: "Failed", message })

const isType = (word: string): word is keyof typeof types => Object.hasOwn(types, word)

/** Takes complete pairs from the front of `text`, which has one character per byte. */
const takePairs = (text: string): readonly [string, ReadonlyArray<readonly [string, string]>] => {
  const fields = text.split("\0")
  const whole = Math.floor((fields.length - 1) / 2)
  const pairs = Array.from(
    { length: whole },
    (_, at) => [fields[at * 2] ?? "", Buffer.from(fields[at * 2 + 1] ?? "", "latin1").toString()] as const
  )
  return [fields.slice(whole * 2).join("\0"), pairs]
}

/** What to watch. */
export interface Watched {
  /** An absolute path without links. */
  readonly folder: string
  readonly recursive: boolean
  /** The user that must be able to read the folder. */
  readonly user: Account["name"]
}

/**
 * Watches a folder.
 *
 * **Details**
 *
 * `ready` comes first, and no change after it is missed. With `recursive` the folders below are watched too; links are not
 * followed. The watcher ends with the scope. Fails with `Unsupported` without perl and with `Overflow` when more happens
 * than the kernel keeps.
 */
export const watch = Effect.fn("DirectoryWatcher.watch")(function* (
  runtime: SandboxRuntime,
  { folder, recursive, user }: Watched
) {
  if (numbers === undefined)
    return yield* unavailable(`${process.platform} on ${process.arch} is not supported`)
  const running = yield* Effect.acquireRelease(
    runtime.start({
      argv: ["perl", "-e", program, ...numbers.map(String), recursive ? "1" : "0", folder],
      env: { PATH: runtime.path, LC_ALL: "C" },
      cwd: "/",
      stdin: false,
      user
    }),
    // The process itself first: the process that waits for it outside of the sandbox would leave it behind.
    (process) => Effect.andThen(process.signal("SIGKILL"), process.release)
  ).pipe(
    Effect.mapError((error) =>
      error.reason === "NoProgram" ? unavailable("perl is not installed") : failed(error.message)
    )
  )
  return HostProcess.bytes(running.stdout).pipe(
    Stream.mapError((error) => failed(error.message)),
    Stream.mapAccum(
      () => "",
      (rest: string, chunk) => takePairs(rest + Buffer.from(chunk).toString("latin1"))
    ),
    Stream.mapEffect(([word, name]): Effect.Effect<"ready" | Change, WatchFailed> =>
      word === "ready"
        ? Effect.succeed(word)
        : isType(word)
          ? Effect.succeed({ name, type: types[word] })
          : Effect.fail(word === "overflow" ? overflow : failed(`the folder cannot be watched: ${name}`))
    ),
    Stream.concat(Stream.fail(failed("the watcher ended")))
  )
})
