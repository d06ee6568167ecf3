#!/bin/sh
# Included by the scripts that move the working tree to another commit. Prints the files that differ in commit $1, a
# NUL, and the files that differ here, and exits: a file in both lists is in the way.
in_the_way() {
  G diff --name-only -z HEAD "$1" --
  printf '\0'
  G diff --name-only -z HEAD --
  G ls-files -z -o --exclude-standard
  exit "$CONFLICT"
}
