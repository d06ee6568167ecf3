/**
 * Notes on files as extended attributes `user.e2b.*`, as envd keeps them: they move with the file, and programs in the
 * sandbox can set them too.
 *
 * Neither Node.js nor a shell can read or set an attribute, and `setfattr` is rarely installed. perl is on most
 * systems, and can make a system call by its number. Without it files have no notes, and setting one is refused.
 *
 * @since 0.1.0
 */
import type { Metadata } from "./SandboxRuntime.ts"
import { quote } from "./shell.ts"

// setxattr, lgetxattr, llistxattr
const calls: Readonly<Record<string, readonly [number, number, number]>> = {
  x64: [188, 192, 195],
  arm64: [5, 9, 12]
}

const numbers = process.platform === "linux" ? calls[process.arch] : undefined
const missing = "command -v perl >/dev/null 2>&1"

// Reads records of fields that end with NUL; the first is a path, the last is replaced by its attributes in hex.
const readProgram = `
use strict; my ($count, $get, $list) = map { $_ + 0 } @ARGV; $/ = "\\0"; binmode STDIN; binmode STDOUT;
sub attributes {
  my $names = "\\0" x 65536; my $size = syscall($list, $_[0], $names, length $names);
  return "" if $size <= 0;
  my @found;
  for my $name (grep { /^user\\.e2b\\./ } split /\\0/, substr($names, 0, $size)) {
    my $value = "\\0" x 65536; my $length = syscall($get, $_[0], $name, $value, length $value);
    push @found, unpack("H*", substr($name, 9)) . "=" . unpack("H*", substr($value, 0, $length)) if $length >= 0;
  }
  return join ",", @found;
}
my @fields;
while (my $field = <STDIN>) {
  chomp $field; push @fields, $field; next if @fields < $count;
  $fields[-1] = attributes($fields[0]); print join("\\0", @fields), "\\0"; @fields = ();
}`

// A number among the arguments of syscall would not be taken for text, but arguments of a program always are text.
const setProgram = `
use strict; my $set = 0 + shift; my $path = shift;
while (@ARGV) {
  my $name = "user.e2b." . shift; my $value = shift;
  next if syscall($set, $path, $name, $value, length $value, 0) == 0;
  print STDERR "$!\\n"; exit 1;
}`

/** A shell command that fills the last of every `fields` fields with the attributes of the path in the first. */
export const fillIn = (fields: number): string =>
  numbers === undefined
    ? "cat"
    : `if ${missing}; then perl -e ${quote(readProgram)} ${fields} ${numbers[1]} ${numbers[2]}; else cat; fi`

/** A script that sets `$2` to `$3` and so on on the file `$1`. Exit status 49 where that is not possible. */
export const setScript =
  numbers === undefined
    ? "exit 49"
    : `${missing} || exit 49; exec perl -e ${quote(setProgram)} ${numbers[0]} "$@"`

const unhex = (hex: string): string => Buffer.from(hex, "hex").toString("utf8")

/** The notes from a field that {@link fillIn} filled. */
export const parse = (field: string): Metadata =>
  Object.fromEntries(
    field
      .split(",")
      .filter((pair) => pair !== "")
      .map((pair) => {
        const [name = "", value = ""] = pair.split("=")
        return [unhex(name), unhex(value)] as const
      })
  )
