/**
 * Programs of the host that see nothing but themselves and the folders that they are given.
 *
 * A sandbox decides what is in its folders. A program that walks them by path, as the user of the server, can be led
 * away: a folder becomes a link between two system calls. Here it runs in a mount namespace with its own files,
 * read-only, and the given folders, so that every path ends in them.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as HostProcess from "./HostProcess.ts"
import { calls, findPerl, findProgram, searchPath } from "./kernel.ts"

const env = { PATH: searchPath, LC_ALL: "C" }

/** A folder of the host and where the program sees it. `source` itself must not be a link. */
export interface Folder {
  readonly source: string
  /** An absolute path, not below `/usr`, `/lib` or `/bin`. */
  readonly target: string
  readonly writable: boolean
}

/** What to run. */
export interface Options {
  readonly script: string
  /** `$1` and those after it. */
  readonly args: ReadonlyArray<string>
  readonly folders: ReadonlyArray<Folder>
}

// The tools that scripts may use. `sh` runs them.
const tools = ["sh", "cp", "rm", "find", "chown", "chmod", "du"]

/** The files of the tools: the programs themselves and the libraries that they load. */
const readFiles = Effect.gen(function* () {
  const programs = tools.flatMap((tool) => findProgram(tool) ?? [])
  const output = yield* HostProcess.run({ command: "ldd", args: programs, env })
  const libraries = output.stdout.toString().match(/\/\S+/g) ?? []
  const wanted = libraries.map((path) => path.replace(/:$/, "")).filter((path) => !programs.includes(path))
  const found = yield* Effect.filter(new Set([...programs, ...wanted]), (path) =>
    Effect.promise(() =>
      Fs.access(path).then(
        () => true,
        () => false
      )
    )
  )
  return programs.length < tools.length ? undefined : found
})

let known: ReadonlyArray<string> | undefined

const files = Effect.suspend(() =>
  known === undefined
    ? Effect.tap(readFiles, (found) => Effect.sync(() => (known = found)))
    : Effect.succeed(known)
)

// Flags of mounts and namespaces, from the headers of the kernel.
const program = (call: NonNullable<typeof calls>) => `
use strict; my ($uid, $gid, $owns) = map { $_ + 0 } splice @ARGV, 0, 3;
sub fail { print STDERR "$_[0]: $!\\n"; exit 125 }
sub writes { open(my $file, ">", $_[0]) or fail($_[0]); print $file $_[1]; close $file or fail($_[0]) }
syscall(${call.prctl}, 1, 9, 0, 0, 0);
syscall(${call.unshare}, 0x20020000 | ($owns ? 0 : 0x10000000)) == 0 or fail("unshare");
unless ($owns) {
  writes("/proc/self/setgroups", "deny"); writes("/proc/self/uid_map", "0 $uid 1"); writes("/proc/self/gid_map", "0 $gid 1");
}
my $child = fork; defined $child or fail("fork");
if ($child) { waitpid $child, 0; exit($? & 127 ? 128 + ($? & 127) : $? >> 8) }
# The kernel kills everything in the PID namespace with this process.
syscall(${call.prctl}, 1, 9, 0, 0, 0);
my $none = "none"; my $empty = "";
sub mounts { my ($from, $to, $type, $flags, $data) = @_; syscall(${call.mount}, $from, $to, $type, $flags, $data) == 0 or fail("mount $to") }
mounts($none, "/", $none, 0x44000, $empty);
my (@folders, @files);
while ((my $kind = shift) ne "--") { push @{$kind eq "file" ? \\@files : \\@folders}, [$kind, $kind eq "file" ? (shift) : (shift, shift)] }
my ($root) = grep { my $at = $_; -d $at and !grep { index("$$_[1]/", "$at/") == 0 } @folders } "/mnt", "/media", "/dev", "/sys", "/opt";
defined $root or fail("no place for the root");
# The root hides the folders below it, so they are opened first.
for (@folders) { my $folder = $$_[1]; -l $folder and do { $! = 20; fail($folder) }; opendir($$_[3], $folder) or fail($folder) }
my $tmpfs = "tmpfs"; my $size = "size=1m,mode=755"; mounts($tmpfs, $root, $tmpfs, 14, $size);
sub parents { my ($path, $made) = ($_[0], $root); for (split m{/}, $path) { next if $_ eq ""; $made .= "/$_"; mkdir $made, 0755 } }
# Adds restrictions and keeps those that the host has set.
sub restrict {
  my ($at, $attributes, $flags) = @_; my $value = pack("Q4", $attributes, 0, 0, 0);
  return if syscall(${call.mount_setattr}, -100, $at, 0, $value, 32) == 0;
  syscall(${call.mount}, $none, $at, $none, 0x1020 | $flags, $empty) == 0
    or syscall(${call.mount}, $none, $at, $none, 0x1020 | $flags | 8, $empty) == 0 or fail("restrict $at");
}
for (@files) {
  my $file = $$_[1]; my $at = "$root$file"; my ($parent) = $file =~ m{^(.*)/}; parents($parent);
  next if -e $at; open(my $new, ">", $at) or fail($at); close $new;
  mounts($file, $at, $none, 0x1000, $empty); restrict($at, 7, 7);
}
for (@folders) {
  my ($kind, $source, $target, $handle) = @$_; my $at = "$root$target"; parents($target);
  chdir $handle or fail($source); my $here = "."; mounts($here, $at, $none, 0x1000, $empty);
  restrict($at, $kind eq "ro" ? 15 : 14, $kind eq "ro" ? 15 : 14); closedir $handle;
}
# cp sets permissions through /proc/self/fd. It shows only the processes of this namespace.
{
  my ($proc, $at, $data) = ("proc", "$root/proc", "subset=pid"); mkdir $at, 0755;
  syscall(${call.mount}, $proc, $at, $proc, 15, $data) == 0 or syscall(${call.mount}, $proc, $at, $proc, 15, $empty);
}
chdir $root or fail($root); my $here = ".";
syscall(${call.pivot_root}, $here, $here) == 0 or fail("pivot_root");
syscall(${call.umount2}, $here, 2) == 0 or fail("umount2");
restrict("/", 15, 15); chdir "/" or fail("/");
syscall(${call.prctl}, 38, 1, 0, 0, 0);
exec { $ARGV[0] } @ARGV or fail($ARGV[0]);`

const flagOf = (folder: Folder) => (folder.writable ? "rw" : "ro")

/**
 * Runs a shell script that sees only the tools `cp`, `rm`, `find`, `chown`, `chmod` and `du`, and the folders.
 *
 * **Details**
 *
 * A server that is root stays root without a way to anything else; any other user becomes root of its own files, and can
 * read those that a program has closed. Succeeds with undefined where the host cannot confine programs: it needs Linux,
 * perl, and permission to make namespaces. Everything ends with the effect.
 */
export const run = Effect.fnUntraced(function* (options: Options) {
  const perl = findPerl()
  if (calls === undefined || perl === undefined) return undefined
  const visible = yield* files
  if (visible === undefined) return undefined
  const isRoot = process.geteuid?.() === 0
  const output = yield* HostProcess.run({
    command: perl,
    args: [
      "-e",
      program(calls),
      `${process.geteuid?.() ?? 0}`,
      `${process.getegid?.() ?? 0}`,
      isRoot ? "1" : "0",
      ...visible.flatMap((path) => ["file", path]),
      ...options.folders.flatMap((folder) => [flagOf(folder), Path.resolve(folder.source), folder.target]),
      "--",
      findProgram("sh") ?? "/bin/sh",
      "-c",
      options.script,
      "sh",
      ...options.args
    ],
    env
  })
  return output.code === 125 && /^(unshare|fork|mount|\/proc\/)/.test(output.stderr) ? undefined : output
})
