/**
 * File metadata in extended attributes `user.e2b.*`, where envd keeps it: it moves with the file, and programs in the
 * sandbox can set it too.
 *
 * Neither Node.js nor a shell can read or set an attribute, and `setfattr` is rarely installed. perl is on most systems
 * and can make a system call by its number. Without perl files have no metadata, and setting it is refused.
 *
 * @since 0.1.0
 */
import { calls } from "../host/kernel.ts"
import type { Metadata } from "./SandboxRuntime.ts"
import { quote } from "./shell.ts"

const hasPerl = "command -v perl >/dev/null 2>&1"

const listing = `
sub names {
  my ($list, $path) = @_;
  my $names = "\\0" x 65536; my $size = syscall($list, $path, $names, length $names);
  return $size <= 0 ? () : grep { /^user\\.e2b\\./ } split /\\0/, substr($names, 0, $size);
}`

/** Number of fields of a record that {@link fillIn} completes with the target of a link. */
export const LINK_FIELDS = 12

// Reads records of fields that end with NUL. The first field is a path; the last one is replaced by its attributes in
// hex. In long records the two fields before it become the target of a link and the mode of the target.
const readProgram = `
use strict; use Cwd (); my ($count, $get, $list) = map { $_ + 0 } @ARGV; $/ = "\\0"; binmode STDIN; binmode STDOUT;
${listing}
sub attributes {
  my @found;
  for my $name (names($list, $_[0])) {
    my $value = "\\0" x 65536; my $length = syscall($get, $_[0], $name, $value, length $value);
    push @found, unpack("H*", substr($name, 9)) . "=" . unpack("H*", substr($value, 0, $length)) if $length >= 0;
  }
  return join ",", @found;
}
my @fields;
while (my $field = <STDIN>) {
  chomp $field; push @fields, $field; next if @fields < $count;
  if ($count == ${LINK_FIELDS} and $fields[1] eq "l") {
    my @target = stat $fields[0];
    my $real = @target ? Cwd::realpath($fields[0]) : undef;
    $fields[-3] = defined $real ? $real : $fields[0];
    $fields[-2] = @target ? sprintf("%o", $target[2] & 0777) : "0";
  }
  $fields[-1] = attributes($fields[0]); print join("\\0", @fields), "\\0"; @fields = ();
}`

// perl passes a number to a system call as a number, but program arguments are always text.
const replaceProgram = `
use strict; my ($set, $list, $remove) = map { $_ + 0 } splice @ARGV, 0, 3; my $path = shift;
${listing}
for my $name (names($list, $path)) { syscall($remove, $path, $name) }
while (@ARGV) {
  my $name = "user.e2b." . shift; my $value = shift;
  next if syscall($set, $path, $name, $value, length $value, 0) == 0;
  print STDERR "$!\\n"; exit 1;
}`

/** A shell command that completes every record of `fields` fields with the attributes of the path in the first. */
export const fillIn = (fields: number): string =>
  calls === undefined
    ? "cat"
    : `if ${hasPerl}; then perl -e ${quote(readProgram)} ${fields} ${calls.lgetxattr} ${calls.llistxattr}; else cat; fi`

/**
 * A script that replaces the metadata of the file `$1` by the pairs of name and value that follow. Exits with status 49
 * when there are pairs and they cannot be kept.
 */
export const replaceScript = ((): string => {
  const unsupported = "[ $# -lt 2 ] || exit 49"
  return calls === undefined
    ? unsupported
    : `if ${hasPerl}; then perl -e ${quote(replaceProgram)} ${calls.setxattr} ${calls.llistxattr} ${calls.removexattr} "$@"; else ${unsupported}; fi`
})()

const unhex = (hex: string): string => Buffer.from(hex, "hex").toString("utf8")

/** The metadata in a field that {@link fillIn} completed. */
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
