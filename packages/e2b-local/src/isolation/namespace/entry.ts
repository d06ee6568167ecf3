/**
 * How a process of the server enters a sandbox and becomes a program of it.
 *
 * One perl program does all of it. Between two programs, such as `nsenter` and `setpriv`, the process would already
 * belong to the user of the sandbox and not yet be restricted, and a program of the sandbox could take it over. Without
 * perl that is how it enters, and there is no filter of system calls.
 *
 * @since 0.1.0
 */
import { Option } from "effect"
import { calls, findPerl } from "../../host/kernel.ts"
import type { CgroupScope } from "../../host/Cgroups.ts"
import * as SystemCalls from "./systemCalls.ts"

/** A command line. */
export interface CommandLine {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

/** The user that a program of the sandbox runs as. */
interface Identity {
  /** The uid of the host. None where the user namespace of the sandbox decides. */
  readonly uid: Option.Option<number>
  /** Numbers of the capabilities that it keeps inside of its user namespace. */
  readonly capabilities: ReadonlyArray<number>
}

/** A sandbox to enter. */
export interface Target {
  /** Paths of namespaces, in the order in which they are entered. A leading `parent:` means the parent of a user namespace. */
  readonly namespaces: ReadonlyArray<string>
  readonly identity: Identity
  readonly userNamespaces: boolean
}

/** Whether programs are entered by perl, with the filter of system calls. */
export const isRestricting = (): boolean => findPerl() !== undefined

/**
 * The kernel kills the process with the highest score when memory runs out. Programs of sandboxes come before the server
 * and everything else of the host.
 */
const OOM_SCORE = 700

// 3 and 4 are the control pipes. What the server has inherited itself ends here.
const shared = (call: NonNullable<typeof calls>) => `
use strict; syscall(${call.close_range}, 5, 0x7fffffff, 0) == 0 or map { syscall(${call.close}, $_) } 5 .. 1023;
my (@groups, @namespaces, @parents, %set);
while ((my $word = shift) ne "--") {
  my ($key, $value) = split /=/, $word, 2;
  if ($key eq "group") { push @groups, $value } elsif ($key eq "ns") { push @namespaces, $value } else { $set{$key} = $value }
}
sub fail { print STDERR "$_[0]: $!\\n"; exit 125 }
if (open(my $score, ">", "/proc/self/oom_score_adj")) { print $score ${OOM_SCORE}; close $score }
for (@groups) { open(my $group, ">", "$_/cgroup.procs") or fail($_); print $group 0; close $group or fail($_) }
# A session keyring of its own, in place of the one that the server was started with.
syscall(${call.keyctl}, 1, 0);
# Dies with the server.
syscall(${call.prctl}, 1, 9, 0, 0, 0);`

/** Becomes the command that builds the sandbox. */
const outerProgram = (call: NonNullable<typeof calls>) => `${shared(call)}
exec { $ARGV[0] } @ARGV or fail($ARGV[0]);`

/** The filter of system calls of a sandbox. Undefined where it is not known. */
export const filterOf = (cgroup: CgroupScope, userNamespaces: boolean): Buffer | undefined =>
  calls === undefined
    ? undefined
    : SystemCalls.filter(process.arch === "arm64" ? "arm64" : "x64", {
        userNamespaces,
        pausedBySignals: Option.isNone(cgroup.freezer)
      })

/** Enters the namespaces and becomes the command in a child. Ends as the child ends. */
const entryProgram = (call: NonNullable<typeof calls>, filter: Buffer) => `${shared(call)}
my @opened = map {
  my ($parent, $path) = /^(parent:)?(.*)$/; open(my $file, "<", $path) or fail($path);
  if ($parent) { my $number = ioctl($file, 0xb702, 0) or fail("parent of $path"); open($file, "<&=", $number + 0) or fail($path) }
  $file
} @namespaces;
for (@opened) { syscall(${call.setns}, fileno $_, 0) == 0 or fail("setns") }
my $child = fork; defined $child or fail("fork");
if ($child) {
  waitpid $child, 0; my $signal = $? & 127;
  if ($signal) { kill $signal, $$; exit 128 + $signal }
  exit $? >> 8;
}
# No program of the sandbox can look into this process before it has become the command.
syscall(${call.prctl}, 4, 0, 0, 0, 0);
my %kept = map { $_ => 1 } split /,/, $set{keep} // "";
for my $capability (0 .. 63) { next if $kept{$capability}; last if syscall(${call.prctl}, 24, $capability, 0, 0, 0) != 0 }
if (defined $set{uid}) {
  my $uid = $set{uid} + 0;
  syscall(${call.setgroups}, 0, 0) == 0 and syscall(${call.setresgid}, $uid, $uid, $uid) == 0
    and syscall(${call.setresuid}, $uid, $uid, $uid) == 0 or fail("setresuid");
  # A change of the user may have opened it again (fs.suid_dumpable).
  syscall(${call.prctl}, 4, 0, 0, 0, 0);
}
syscall(${call.prctl}, 38, 1, 0, 0, 0) == 0 or fail("no_new_privs");
my $filter = pack("H*", "${filter.toString("hex")}");
my $program = pack("S x6 P", length($filter) / 8, $filter);
syscall(${call.prctl}, 22, 2, $program, 0, 0) == 0 or fail("seccomp");
unless (%kept) {
  my $header = pack("LL", 0x20080522, 0); my $nothing = "\\0" x 24;
  syscall(${call.capset}, $header, $nothing) == 0 or fail("capset");
}
syscall(${call.prctl}, 1, 9, 0, 0, 0);
exec { $ARGV[0] } @ARGV or fail($ARGV[0]);`

/**
 * PID 1 prints one line and lives for as long as the pipe from the server is open. It is closed to the other programs of
 * its user, which could otherwise continue in it while the sandbox is paused.
 */
const initProgram = (call: NonNullable<typeof calls>) => `
syscall(${call.prctl}, 4, 0, 0, 0, 0) == 0 or exit 1; $SIG{CHLD} = "IGNORE"; $| = 1; print "READY\\n"; close STDOUT;
while (1) { my $read = sysread(STDIN, my $buffer, 4096); exit 0 if defined $read ? $read == 0 : $! != 4 }`

// It replaces a `cat` that a command of the sandbox has killed.
const initScript =
  'exec 3<&0; echo READY; while :; do cat <&3 >/dev/null; code=$?; [ "$code" -gt 128 ] || exit 0; done'

const noPrivileges = ["--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"]

/**
 * The command that becomes PID 1.
 *
 * **Details**
 *
 * When the server is root, it stays uid 0 without any capability: the sandbox cannot signal it, and the kernel lets a
 * parent without capabilities deliver the death signal to it.
 */
export const init = (isRoot: boolean, path: string): ReadonlyArray<string> => [
  "setpriv",
  "--pdeathsig",
  "KILL",
  ...(isRoot ? ["--bounding-set=-all"] : []),
  ...noPrivileges,
  "env",
  "-i",
  `PATH=${path}`,
  ...(calls === undefined || findPerl() === undefined
    ? ["sh", "-c", initScript]
    : ["perl", "-e", initProgram(calls)])
]

const groupsOf = (cgroup: CgroupScope) => cgroup.groups.map((group) => `group=${group}`)

/** The command line that builds a sandbox with `command`. */
export const build = (cgroup: CgroupScope, command: ReadonlyArray<string>): CommandLine => {
  const perl = findPerl()
  return calls === undefined || perl === undefined
    ? cgroup.wrap({ command: "setpriv", args: ["--pdeathsig", "KILL", ...command] })
    : { command: perl, args: ["-e", outerProgram(calls), "--", ...groupsOf(cgroup), "--", ...command] }
}

const namespaceFlags: Readonly<Record<string, string>> = {
  mnt: "mount",
  pid: "pid",
  ipc: "ipc",
  uts: "uts",
  net: "net",
  cgroup: "cgroup"
}

// Capabilities by number, as far as `root` of a sandbox may keep them.
const names = ["chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid"]

/** The same with `nsenter` and `setpriv`, without a filter of system calls and a keyring of its own. */
const enterByTools = ({ identity, namespaces }: Target, argv: ReadonlyArray<string>): CommandLine => ({
  command: "setpriv",
  args: [
    "--pdeathsig",
    "KILL",
    "nsenter",
    ...namespaces.map((path) => {
      const kind = namespaceFlags[path.slice(path.lastIndexOf("/") + 1)]
      return `--${kind ?? "user"}=${path}`
    }),
    ...(Option.isNone(identity.uid) && identity.capabilities.length === 0 ? ["--preserve-credentials"] : []),
    "setpriv",
    "--pdeathsig",
    "KILL",
    ...Option.match(identity.uid, {
      onNone: () => [],
      onSome: (id) => ["--reuid", `${id}`, "--regid", `${id}`, "--clear-groups", "--bounding-set=-all"]
    }),
    ...(identity.capabilities.length === 0
      ? []
      : [`--bounding-set=-all,${identity.capabilities.map((number) => `+${names[number]}`).join(",")}`]),
    ...noPrivileges,
    ...argv
  ]
})

/** The command line that enters a sandbox and runs `argv` there. */
export const enter = (cgroup: CgroupScope, target: Target, argv: ReadonlyArray<string>): CommandLine => {
  const perl = findPerl()
  const filter = filterOf(cgroup, target.userNamespaces)
  if (calls === undefined || perl === undefined || filter === undefined) {
    return cgroup.wrap(enterByTools(target, argv))
  }
  const { capabilities, uid } = target.identity
  return {
    command: perl,
    args: [
      "-e",
      entryProgram(calls, filter),
      "--",
      ...groupsOf(cgroup),
      ...target.namespaces.map((path) => `ns=${path}`),
      ...Option.match(uid, { onNone: () => [], onSome: (id) => [`uid=${id}`] }),
      // In its own user namespace it is 0.
      ...(capabilities.length === 0 ? [] : ["uid=0", `keep=${capabilities.join(",")}`]),
      "--",
      ...argv
    ]
  }
}
