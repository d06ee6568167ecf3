/**
 * The file operations of a guest, in Perl. Each runs in a process of its own, as the user of the sandbox and in its
 * root, so that the kernel decides what it may do and no path leads out.
 *
 * An operation returns an exit status, a message and its output, in the form of the scripts of `namespace/files.ts`. The
 * status `again` asks the server to use such a script: the content is large, or the case is rare.
 *
 * @since 0.1.0
 */

/** The longest content of a file that is read or written here, and the longest output of a list. */
export const SMALL = 256 * 1024

/** The subroutine `operate`, which takes the name of an operation and its arguments. Needs `%call`. */
export const fileProgram = String.raw`
my $small = ${SMALL};
sub status {
  my ($path, $flags) = @_; my $found = "\0" x 256;
  syscall($call{statx}, -100, $path, $flags, 0x7ff, $found) == 0 or return;
  my ($uid, $gid, $mode) = unpack("x20 L L S", $found);
  my ($size, $seconds, $nanos) = unpack("x40 Q x64 q L", $found);
  return { uid => $uid, gid => $gid, mode => $mode, size => $size, modified => $seconds, nanos => $nanos };
}
my %letters = (0x8000 => "f", 0x4000 => "d", 0xa000 => "l", 0x1000 => "p", 0xc000 => "s", 0x2000 => "c", 0x6000 => "b");
sub letter { $letters{$_[0]{mode} & 0xf000} // "U" }
sub attribute_names {
  my ($path) = @_; my $names = "\0" x 65536; my $size = syscall($call{llistxattr}, $path, $names, length $names);
  return $size <= 0 ? () : grep { /^user\.e2b\./ } split /\0/, substr($names, 0, $size);
}
sub attributes {
  my ($path) = @_; my @found;
  for my $name (attribute_names($path)) {
    my $value = "\0" x 65536; my $length = syscall($call{lgetxattr}, $path, $name, $value, length $value);
    push @found, unpack("H*", substr($name, 9)) . "=" . unpack("H*", substr($value, 0, $length)) if $length >= 0;
  }
  return join ",", @found;
}
my (%users, %groups);
sub user_of { $users{$_[0]} //= scalar(getpwuid $_[0]) // $_[0] }
sub group_of { $groups{$_[0]} //= scalar(getgrgid $_[0]) // $_[0] }
# The fields that find prints in the scripts, and those that are filled in there.
sub entry {
  my ($path) = @_; my $own = status($path, 0x100) or return "";
  my ($type, $followed, $link, $real, $mode) = (letter($own), letter($own), "", "", "");
  if ($type eq "l") {
    $link = readlink $path; my $target = status($path, 0);
    require Cwd; my $resolved = $target ? Cwd::realpath($path) : undef;
    $real = $resolved // $path; $followed = $target ? letter($target) : "N";
    $mode = $target ? sprintf("%o", $target->{mode} & 0777) : "0";
  }
  return join "", map { "$_\0" } $path, $type, $followed, $own->{size}, sprintf("%o", $own->{mode} & 07777),
    user_of($own->{uid}), group_of($own->{gid}), sprintf("%d.%09d", $own->{modified}, $own->{nanos}), $link // "",
    $real, $mode, attributes($path);
}
sub ended { ($_[0], $_[1] // "", $_[2] // "") }
sub failed { ended(1, "$!") }
sub make_parents {
  my ($folder) = @_; my $path = "";
  for my $name (grep { $_ ne "" } split m{/}, $folder) {
    $path .= "/$name";
    mkdir $path or -d $path or return 0;
  }
  return 1;
}
sub walk {
  my ($folder, $depth, $found) = @_;
  opendir(my $names, $folder) or return;
  for my $name (readdir $names) {
    next if $name eq "." or $name eq "..";
    my $path = ($folder eq "/" ? "" : $folder) . "/$name";
    $$found .= entry($path);
    return if length $$found > $small;
    next unless $depth > 1; my $own = status($path, 0x100);
    walk($path, $depth - 1, $found) if $own and letter($own) eq "d";
  }
}
sub readable { -e $_[0] or return 44; -d _ or return 46; -r _ && -x _ or return 48; return 0 }
my %operations = (
  stat => sub { my $found = entry($_[0]); $found eq "" ? ended(44) : ended(0, "", $found) },
  list => sub {
    my ($path, $depth) = @_; my $refused = readable($path); return ended($refused) if $refused;
    my $found = ""; walk($path, $depth, \$found);
    length $found > $small ? ended("again") : ended(0, "", $found);
  },
  folder => sub {
    my $refused = readable($_[0]); return ended($refused) if $refused;
    require Cwd; my $real = Cwd::realpath($_[0]); defined $real ? ended(0, "", $real) : failed();
  },
  makeDir => sub {
    my ($path) = @_; return ended(45) if -d $path; return ended(46) if -e $path;
    make_parents($path) ? ended(0, "", entry($path)) : failed();
  },
  move => sub {
    my ($from, $to, $folder) = @_; status($from, 0x100) or return ended(44);
    make_parents($folder) or return failed();
    rename($from, $to) ? ended(0, "", entry($to)) : ended("again");
  },
  remove => sub {
    my ($path) = @_; my $own = status($path, 0x100) or return $!{ENOENT} ? ended(0) : ended("again");
    (letter($own) eq "d" ? rmdir $path : unlink $path) ? ended(0) : ended("again");
  },
  read => sub {
    my ($path) = @_; my $own = status($path, 0) or return ended(44);
    return ended(47) if letter($own) eq "d"; return ended("again") if letter($own) ne "f" or $own->{size} > $small;
    sysopen(my $file, $path, 04000) or return ended(48, "$!");
    my $content = "";
    while (length $content <= $small) {
      my $read = sysread($file, $content, 65536, length $content); defined $read or return failed(); last if $read == 0;
    }
    length $content > $small ? ended("again") : ended(0, "", pack("(N/a*)*", $own->{size}, $own->{modified}, $content));
  },
  write => sub {
    my ($path, $folder, $content, @metadata) = @_;
    make_parents($folder) or return failed();
    my $own = status($path, 0); return ended(47) if $own and letter($own) eq "d";
    return ended("again") if $own and letter($own) ne "f";
    # Without O_NONBLOCK a FIFO that has taken the place of the file could not be opened.
    sysopen(my $file, $path, 01 | 0100 | 01000 | 04000, 0666) or return failed();
    for (my $at = 0; $at < length $content; ) {
      my $written = syswrite($file, $content, 65536, $at); defined $written or return failed(); $at += $written;
    }
    close $file or return failed();
    return ended(0) unless $own or @metadata;
    syscall($call{removexattr}, $path, $_) for attribute_names($path);
    while (@metadata) {
      my $name = "user.e2b." . shift @metadata; my $value = shift @metadata;
      syscall($call{setxattr}, $path, $name, $value, length $value, 0) == 0 or return failed();
    }
    ended(0);
  },
);
sub operate { my $name = shift; $operations{$name}->(@_) }`
