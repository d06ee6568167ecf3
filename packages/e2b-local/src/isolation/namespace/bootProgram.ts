/**
 * Builds the root of a sandbox in one process, in Perl, which becomes PID 1 of it. The script in `unshare.ts` does the same with some eighty programs.
 *
 * @since 0.1.0
 */
import { findPerl, perlCalls } from "../../host/kernel.ts"

// Flags of mount: 1 read-only, 2 nosuid, 4 nodev, 8 noexec, 32 remount, 4096 bind, 16384 recursive.
const text = String.raw`
sub fatal { print STDERR "$_[0]: $!\n"; exit 1 }
umask 022;
my ($root, $net, $users) = splice @ARGV, 0, 3; my $none = "none";
if ($users eq "last" and open(my $most, ">", "/proc/sys/user/max_user_namespaces")) { syswrite($most, "0") }
sub attach { my ($source, $target, $type, $flags, $data) = @_; syscall($call{mount}, $source, $target, $type, $flags, $data) == 0 }
# In a user namespace a mount must keep restrictions such as noexec.
sub restrict {
  my ($target, $flags) = @_;
  attach($none, $target, $none, 4096 | 32 | 6 | $flags, $none) or attach($none, $target, $none, 4096 | 32 | 14 | $flags, $none)
    or fatal("remount $target");
}
sub folder {
  my ($folder) = @_; my $path = ".";
  for my $name (grep { $_ ne "" } split m{/}, $folder) { $path .= "/$name"; -d $path or mkdir $path or fatal($path) }
}
sub parent { my ($folder) = $_[0] =~ m{^(.*)/}; folder($folder // "") }
sub place {
  my ($source, $target) = @_; return folder($target) if -d $source;
  parent($target); -e ".$target" or open(my $file, ">", ".$target") or fatal($target);
}
sub mounts {
  open(my $list, "<", "/proc/self/mountinfo") or fatal("mountinfo");
  return map { my $at = (split / /)[4]; $at =~ s/\\([0-7]{3})/chr oct $1/ge; $at } <$list>;
}
my @before = mounts();
my %kinds = (
  ro => sub {
    my ($source, $target) = @_; place($source, $target);
    attach($source, ".$target", $none, 4096 | 16384, $none) or fatal("bind $source"); restrict(".$target", 1);
    # What is mounted below a folder comes with it and has restrictions of its own.
    return unless grep { index($_, "$source/") == 0 } @before;
    restrict($_, 1) for grep { index($_, "$root$target/") == 0 } mounts();
  },
  rw => sub {
    my ($source, $target) = @_; place($source, $target);
    attach($source, ".$target", $none, 4096, $none) or fatal("bind $source"); restrict(".$target", 0);
  },
  dev => sub {
    my ($source, $target) = @_; place($source, $target); attach($source, ".$target", $none, 4096, $none) or fatal("bind $source");
  },
  mask => sub { my $null = "/dev/null"; !-e ".$_[1]" or attach($null, ".$_[1]", $none, 4096, $none) or fatal("mask $_[1]") },
  link => sub { parent($_[1]); symlink($_[0], ".$_[1]") or fatal("link $_[1]") },
  # Without devpts in the kernel only terminals are missing.
  pts => sub {
    my ($type, $options) = ("devpts", "newinstance,ptmxmode=0666,mode=620"); folder("$_[1]/pts");
    attach($type, ".$_[1]/pts", $type, 10, $options); symlink("pts/ptmx", ".$_[1]/ptmx") or fatal("link ptmx");
  },
  proc => sub { my $type = "proc"; my $options = ""; folder($_[1]); attach($type, ".$_[1]", $type, 14, $options) or fatal("proc") },
  shm => sub { my ($type, $options) = ("tmpfs", "size=256m,mode=1777"); folder($_[1]); attach($type, ".$_[1]", $type, 6, $options) or fatal("shm") },
);
{
  my ($type, $options) = ("tmpfs", "size=4m,mode=755");
  attach($type, $root, $type, 0, $options) or fatal("root"); chdir $root or fatal("root");
}
until ((my $kind = shift) eq "--") { my ($source, $target) = splice @ARGV, 0, 2; $kinds{$kind}->($source, $target) }
my $name = "sandbox"; syscall($call{sethostname}, $name, length $name);
if ($net eq "net") {
  my $up = pack("a16 s x14", "lo", 65);
  my $socket; socket($socket, 2, 2, 0) and ioctl($socket, 0x8914, $up) or fatal("the loopback of a network namespace could not be brought up");
}
folder("run"); folder(".old"); my ($here, $old, $slash, $away) = (".", ".old", "/", "/.old");
syscall($call{pivot_root}, $here, $old) == 0 or fatal("pivot_root"); chdir "/" or fatal("root");
syscall($call{umount2}, $away, 2) == 0 or fatal("umount"); rmdir $away or fatal("rmdir");
attach($none, $slash, $none, 4096 | 32 | 1, $none) or attach($none, $slash, $none, 32 | 1, $none) or fatal("remount /");

# Becomes PID 1: without any privilege, closed to the other programs of its user, and without the words of the server.
%ENV = (); $0 = "init";
for my $capability (0 .. 63) { last if syscall($call{prctl}, 24, $capability, 0, 0, 0) != 0 }
syscall($call{prctl}, 47, 4, 0, 0, 0); syscall($call{prctl}, 38, 1, 0, 0, 0) == 0 or fatal("no_new_privs");
my $header = pack("LL", 0x20080522, 0); my $nothing = "\0" x 24;
syscall($call{capset}, $header, $nothing) == 0 or fatal("capset");
syscall($call{prctl}, 1, 9, 0, 0, 0); syscall($call{prctl}, 4, 0, 0, 0, 0) == 0 or fatal("dumpable");
$SIG{CHLD} = "IGNORE"; $| = 1; print "READY\n"; close STDOUT;
while (1) { my $read = sysread(STDIN, my $buffer, 4096); exit 0 if defined $read ? $read == 0 : $! != 4 }`

/** The program, or undefined where Perl is missing or the numbers of the system calls are not known. */
export const bootProgram = (): string | undefined =>
  findPerl() === undefined ? undefined : `use strict; ${perlCalls}${text}`
