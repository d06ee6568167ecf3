#!/bin/sh
# Makes a repository without a commit and prints what the server has under $2, or its default branch when $2 is empty.
# $3 lists the placed files. The rest of the arguments are options of git.
. ./prelude.sh
. ./destination.sh
url=$1 ref=$2 placed=$3
shift 3
is_vacant || exit "$FOLDER_NOT_EMPTY"

undo() {
  remove_clone ''
  exit "$1"
}

{ mkdir -p -- "$dir" && G init -q --template= && G remote add origin "$url"; } || undo $?
if [ -z "$ref" ]; then
  listed=$(G "$@" ls-remote --symref origin HEAD)
else
  listed=$(G "$@" ls-remote origin "refs/heads/$ref" "refs/tags/$ref")
fi || undo $?
printf '%s\n' "$listed"
