/**
 * The program of a guest, in Perl: its loop, how it starts commands, and how it gives up privileges.
 *
 * It is one program because Node.js cannot enter a namespace. Perl can make a system call by its number and is on most
 * systems that have a shell.
 *
 * @since 0.1.0
 */
import { perlCalls } from "../host/kernel.ts"
import { fileProgram } from "./fileProgram.ts"

/**
 * The kernel kills the process with the highest score when memory runs out. Programs of sandboxes come before the server
 * and everything else of the host.
 */
const OOM_SCORE = 700

/**
 * Enters the namespaces. The folder of the server's descriptors and the list of the children of this process are opened
 * before, because they are not in the sandbox.
 */
const enter = String.raw`
sub fatal { print STDERR "$_[0]: $!\n"; exit 125 }
# What the server has inherited itself is not for a sandbox.
syscall($call{close_range}, 3, 0x7fffffff, 0) == 0 or map { closing($_) } 3 .. 1023;
umask 022;
# What the server has inherited itself ends here.
unless (syscall($call{close_range}, 3, 0x7fffffff, 0) == 0) { closing($_) for 3 .. 1023 }
for (@groups) { open(my $group, ">", "$_/cgroup.procs") or fatal($_); print $group 0; close $group or fatal($_) }
if (open(my $score, ">", "/proc/self/oom_score_adj")) { print $score ${OOM_SCORE}; close $score }
# A session keyring of its own, in place of the one that the server was started with.
syscall($call{keyctl}, 1, 0);
# Dies with the server, and no program of the sandbox can look into it or into what it forks.
syscall($call{prctl}, 1, 9, 0, 0, 0); syscall($call{prctl}, 4, 0, 0, 0, 0);
my $folder = "/proc/$set{server}/fd"; $descriptors = syscall($call{openat}, -100, $folder, 012000000, 0); $descriptors >= 0 or fatal("server");
open($children, "<", "/proc/$$/task/$$/children") or fatal("children");
{
  my @opened = map {
    my ($parent, $path) = /^(parent:)?(.*)$/; open(my $file, "<", $path) or fatal($path);
    if ($parent) {
      my $number = ioctl($file, 0xb702, 0) or fatal("parent of $path"); open($file, "<&=", $number + 0) or fatal($path);
    }
    $file
  } @namespaces;
  for (@opened) { syscall($call{setns}, fileno $_, 0) == 0 or fatal("setns") }
}
chdir "/" or fatal("root");
$mask = pack("Q", 1 << 16); $none = pack("Q", 0);
syscall($call{rt_sigprocmask}, 0, $mask, 0, 8) == 0 or fatal("signals");
$signals = syscall($call{signalfd4}, -1, $mask, 8, 02004000); $signals >= 0 or fatal("signals");
open($exits, "<&=", $signals) or fatal("signals");`

/** Becomes the user of the sandbox, without any privilege. */
const drop = String.raw`
sub drop {
  for my $capability (0 .. 63) { last if syscall($call{prctl}, 24, $capability, 0, 0, 0) != 0 }
  if (defined $set{uid}) {
    my $uid = $set{uid} + 0;
    syscall($call{setgroups}, 0, 0) == 0 and syscall($call{setresgid}, $uid, $uid, $uid) == 0
      and syscall($call{setresuid}, $uid, $uid, $uid) == 0 or return 0;
    # A change of the user may have opened the process to others of that user (fs.suid_dumpable).
    syscall($call{prctl}, 4, 0, 0, 0, 0);
  }
  syscall($call{prctl}, 38, 1, 0, 0, 0) == 0 or return 0;
  syscall($call{prctl}, 47, 4, 0, 0, 0);
  my $header = pack("LL", 0x20080522, 0); my $nothing = "\0" x 24;
  syscall($call{capset}, $header, $nothing) == 0 or return 0;
  syscall($call{prctl}, 1, 9, 0, 0, 0);
  syscall($call{rt_sigprocmask}, 2, $none, 0, 8) == 0;
}
# Refuses system calls, for programs that the sandbox chooses.
sub restrict {
  defined $set{filter} or return 1;
  my $filter = pack("H*", $set{filter}); my $program = pack("S x6 P", length($filter) / 8, $filter);
  syscall($call{prctl}, 22, 2, $program, 0, 0) == 0;
}
# A limit that the host does not allow is skipped.
sub limit { my ($which, $value) = @_; my $both = pack("QQ", $value, $value); syscall($call{prlimit64}, 0, $which, $both, 0) }
sub leave { syscall($call{exit_group}, $_[0]) }`

/** How many seconds a process may take to become its command. Meanwhile the guest does nothing else. */
const PATIENCE = 10

/** Starts a command. */
const run = String.raw`
sub become {
  my ($status, $files, $cwd, $missing, $argv, $env) = @_;
  syscall($call{dup3}, $files->[$_], $_, 0) for 0 .. 2;
  unless (drop() && restrict()) { syswrite($status, "failed $!\n"); leave(126) }
  limit(4, 0); limit(7, $set{files} + 0); limit(1, $set{bytes} + 0); limit(6, $set{processes} + 0) if defined $set{processes};
  unless (chdir $cwd) { syswrite($status, "cwd\n"); leave(126) }
  %ENV = (PATH => $ENV{PATH}, PWD => $cwd, %$env);
  syswrite($status, "pid $$\n");
  exec { $argv->[0] } @$argv;
  my $denied = $!{EACCES};
  if ($missing eq "exit") {
    syswrite(STDERR, $argv->[0] . ": " . ($denied ? "Permission denied" : "No such file or directory") . "\n");
    leave($denied ? 126 : 127);
  }
  syswrite($status, $!{E2BIG} ? "failed $!\n" : "command\n"); leave(127);
}
# The pid, as the server knows it, of the child that is not known yet.
sub unknown_child {
  my $list = "";
  sysseek($children, 0, 0); while (sysread($children, $list, 4096, length $list)) {}
  my ($pid) = grep { !exists $pids{$_} } split / /, $list;
  return $pid;
}
sub run {
  my ($id, $stdin, $stdout, $stderr, $cwd, $missing, $count, @rest) = @_;
  my @argv = splice @rest, 0, $count; my %env = @rest; my @files;
  for ([$stdin, 0], [$stdout, 1], [$stderr, 1]) {
    my ($name, $mode) = @$_;
    my $file = $name eq "" ? syscall($call{openat}, -100, $device, 02000000, 0)
      : syscall($call{openat}, $descriptors, $name, $mode | 02000000, 0);
    if ($file < 0) { answer($id, "refused", "failed", "pipe: $!"); closing($_) for @files; return }
    push @files, $file;
  }
  pipe(my $said, my $status) or fatal("pipe");
  my $leader = fork;
  if (defined $leader && $leader == 0) {
    # The command belongs to a group of its own, and does not lead it: setsid would fork in a leader.
    syscall($call{setsid});
    my $child = syscall($call{clone}, 0x8000 | 17, 0, 0, 0, 0);
    if ($child != 0) { syswrite($status, "failed $!\n") if $child < 0; leave(0) }
    become($status, \@files, $cwd, $missing, \@argv, \%env);
  }
  my $error = "$!"; close $status; closing($_) for @files;
  return answer($id, "refused", "failed", "fork: $error") unless defined $leader;
  waitpid($leader, 0);
  my $pid = unknown_child();
  my $words = "";
  while (1) {
    my $wait = ""; vec($wait, fileno $said, 1) = 1; my $ready = select($wait, undef, undef, ${PATIENCE});
    # A program of the sandbox can stop the process while it is about to become the command.
    if ($ready == 0) { kill 9, $pid if defined $pid; $words = "failed no answer in ${PATIENCE} seconds\n"; last }
    last unless $ready < 0 || sysread($said, $words, 4096, length $words);
  }
  my @lines = split /\n/, $words; my ($inner) = ($lines[0] // "") =~ /^pid (\d+)$/;
  if (@lines == 1 && defined $inner && defined $pid) { $pids{$pid} = $id; return answer($id, "started", $inner) }
  waitpid($pid, 0) if defined $pid;
  my ($word, $detail) = split / /, $lines[-1] // "failed", 2;
  answer($id, "refused", $word, $detail // "");
}`

/** Runs file operations in processes of their own, and collects what they print. */
const work = String.raw`
sub work {
  my ($id, @operation) = @_;
  pipe(my $result, my $out) or fatal("pipe");
  my $pid = fork;
  return answer($id, "failed", "fork: $!") unless defined $pid;
  if ($pid == 0) {
    # Nothing of the server stays open, because a path such as /proc/self/fd/3 may be the one that is asked for.
    my $null = syscall($call{openat}, -100, $device, 2, 0);
    syscall($call{dup3}, fileno $out, 1, 0); syscall($call{dup3}, $null, $_, 0) for 0, 2;
    unless (syscall($call{close_range}, 3, 0x7fffffff, 0) == 0) { closing($_) for 3 .. 1023 }
    $SIG{XFSZ} = "IGNORE";
    my @answer = drop() ? do { limit(1, $set{bytes} + 0); eval { operate(@operation) } } : (1, "$!");
    @answer = (1, "$@") unless @answer;
    my $text = pack("(N/a*)*", @answer);
    for (my $at = 0; $at < length $text; ) { my $written = syswrite(STDOUT, $text, 65536, $at) or last; $at += $written }
    leave(0);
  }
  close $out; $pids{$pid} = ""; $workers{$id} = { pid => $pid, pipe => $result, text => "" };
}
sub collect {
  my ($id, $worker) = @_;
  my $read = sysread($worker->{pipe}, $worker->{text}, 65536, length $worker->{text});
  return if !defined $read and $!{EINTR}; return if $read;
  answer($id, "done", $worker->{text}); delete $workers{$id};
}`

const loop = String.raw`
# The processes that are not reaped yet: a command has an id, a file operation has none.
my (@namespaces, @groups, %set, %pids, %workers, $descriptors, $children, $signals, $exits, $mask, $none);
for (@ARGV) { my ($key, $value) = split /=/, $_, 2; if ($key eq "ns") { push @namespaces, $value } elsif ($key eq "group") { push @groups, $value } else { $set{$key} = $value } }
my $device = "/dev/null";
sub closing { open(my $file, "<&=", $_[0]) }
sub answer {
  my $body = pack("(N/a*)*", @_); my $frame = pack("N", length $body) . $body;
  for (my $at = 0; $at < length $frame; ) {
    my $written = syswrite(STDOUT, $frame, length($frame) - $at, $at); exit 0 unless defined $written; $at += $written;
  }
}
sub handle {
  my ($id, $name, @rest) = @_;
  if ($name eq "run") { run($id, @rest) }
  elsif ($name eq "signal") { for (grep { $pids{$_} eq $id } keys %pids) { kill $rest[0], $_ } }
  elsif ($name eq "cancel") { my $worker = $workers{$id}; kill 9, $worker->{pid} if $worker && exists $pids{$worker->{pid}} }
  else { work($id, $name, @rest) }
}
sub reap {
  sysread($exits, my $ignored, 65536);
  while ((my $pid = waitpid(-1, 1)) > 0) {
    my $id = delete $pids{$pid};
    answer($id, "exited", $? & 127 ? "" : $? >> 8, $? & 127) if defined $id && $id ne "";
  }
}`

const main = String.raw`
answer("", "ready"); my $in = "";
while (1) {
  my $wait = ""; vec($wait, $_, 1) = 1 for 0, $signals, map { fileno $_->{pipe} } values %workers;
  select($wait, undef, undef, undef) > 0 or next;
  reap() if vec($wait, $signals, 1);
  for my $id (keys %workers) { collect($id, $workers{$id}) if vec($wait, fileno $workers{$id}{pipe}, 1) }
  next unless vec($wait, 0, 1);
  my $read = sysread(STDIN, $in, 65536, length $in);
  exit 0 unless $read or !defined $read && $!{EINTR};
  while (length $in >= 4 and length $in >= 4 + (my $size = unpack("N", $in))) {
    my $body = substr($in, 4, $size); substr($in, 0, 4 + $size) = "";
    handle(unpack("(N/a*)*", $body));
  }
}`

/** The text of the program. Undefined on other systems than Linux on x86-64 and arm64. */
export const program: string | undefined =
  perlCalls === undefined
    ? undefined
    : [`use strict; use Errno (); ${perlCalls}`, loop, enter, drop, run, work, fileProgram, main].join("\n")
