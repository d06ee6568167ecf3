/** Trees of files that are made to lead a program astray, and a process that changes them all the time. */
import { Effect } from "effect"
import { spawn } from "node:child_process"

const renameat2 = process.arch === "arm64" ? 276 : 316
const mknodat = process.arch === "arm64" ? 33 : 259

/**
 * A perl program: its arguments are a folder, the first seed, the number of trees, a folder outside, and `race` to swap
 * folders for links until it is killed. It prints `made` once the trees are there.
 */
export const maker = `
use strict; my ($root, $seed, $count, $outside, $race) = @ARGV; my @pairs; $| = 1;
my @names = ("plain", "-rf", "a b", "new\\nline", "quote'\\"", "\\xff\\xfe", "*", '$HOME', "n" x 255, "\\x{e4}", ".hidden", "--", "a\\\\b");
sub pick { $_[int rand @_] }
sub name { my ($at) = @_; my $name = pick(@names); $name .= int rand 1000 if length $name < 200; "$at/$name" }
sub tree {
  my ($at, $depth) = @_; mkdir $at;
  my @files;
  for (1 .. 1 + int rand 3) { my $file = name($at); open(my $handle, ">", $file) or next; print $handle "own $_"; close $handle; push @files, $file }
  for (1 .. 1 + int rand 4) {
    my $new = name($at); my $kind = int rand 11;
    if ($kind == 0) { symlink $outside, $new } elsif ($kind == 1) { symlink "$outside/file", $new }
    elsif ($kind == 2) { symlink(("../" x 40) . substr($outside, 1), $new) } elsif ($kind == 3) { symlink "/proc/self/root$outside", $new }
    elsif ($kind == 4) { link pick(@files), $new if @files } elsif ($kind == 5) { link "$outside/file", $new }
    elsif ($kind == 6) { syscall(${mknodat}, -100, $new, 010644, 0) } elsif ($kind == 7) { syscall(${mknodat}, -100, $new, 020666, 0x103) }
    elsif ($kind == 8) { syscall(${mknodat}, -100, $new, 0140644, 0) } elsif ($kind == 9) { symlink $new, $new }
    else { chmod pick(0, 04755, 02755, 0400), pick(@files) if @files }
  }
  my ($folder, $link) = ("$at/folder", "$at/link"); mkdir $folder; open(my $own, ">", "$folder/file"); print $own "own"; close $own;
  symlink $outside, $link; push @pairs, [$folder, $link];
  tree("$at/d" . int rand 9, $depth - 1) if $depth > 0 and rand() < 0.6;
  my $deep = $at; if (rand() < 0.05) { for (1 .. 60) { $deep .= "/deep"; mkdir $deep } }
  chmod 0, $folder if !$race and rand() < 0.1;
}
for my $one ($seed .. $seed + $count - 1) { srand $one; tree("$root/t$one", 4) }
print "made\\n"; exit 0 unless $race;
while (1) { for (@pairs) { my ($one, $two) = @$_; syscall(${renameat2}, -100, $one, -100, $two, 2) } }`

/** Makes trees on the host and swaps their folders for the duration of the scope. */
export const changing = (root: string, seed: number, count: number, outside: string) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof spawn>>((resume) => {
      const child = spawn("perl", ["-e", maker, root, String(seed), String(count), outside, "race"], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      child.stdout.once("data", () => resume(Effect.succeed(child)))
      child.once("exit", (code) => resume(Effect.die(new Error(`the maker of trees ended with ${code}`))))
    }),
    (child) =>
      Effect.callback<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )
