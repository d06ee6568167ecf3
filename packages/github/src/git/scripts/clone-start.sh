#!/bin/sh
# Makes a repository without a commit and prints what the server has under $2, or its default branch when $2 is empty.
# The rest of the arguments are options of git.
. ./prelude.sh
url=$1 ref=$2
shift 2
[ ! -e "$dir" ] || { [ -d "$dir" ] && [ -z "$(ls -A -- "$dir")" ]; } || exit "$FOLDER_NOT_EMPTY"

undo() {
  rm -rf -- "$dir"
  exit "$1"
}

{ mkdir -p -- "$dir" && G init -q --template= && G remote add origin "$url"; } || undo $?
if [ -z "$ref" ]; then
  listed=$(G "$@" ls-remote --symref origin HEAD)
else
  listed=$(G "$@" ls-remote origin "refs/heads/$ref" "refs/tags/$ref")
fi || undo $?
printf '%s\n' "$listed"
