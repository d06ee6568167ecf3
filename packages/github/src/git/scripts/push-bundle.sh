#!/bin/sh
# Writes the commits of branch $2 to bundle $3: those that the server did not have when it was last asked, or all of them
# when $4 is "yes". $1 is the largest file in bytes, and $5 lists what unfinished.sh lets through.
. ./prelude.sh
. ./unfinished.sh
. ./outgoing.sh
bundle=$(absolute "$3") all=$4 permitted=$5
repository
outgoing "$1" "$2"
printf 'branch %s\nhead %s\n' "$branch" "$new"
set -- --not --remotes=origin
[ -z "$all" ] || set --
if [ -n "$all" ] || [ -n "$(G rev-list -n 1 "$new" "$@" --)" ]; then
  { mkdir -p -- "${bundle%/*}" && (umask 077 && G bundle create -q "$bundle" "refs/heads/$branch" "$@"); } || {
    code=$?
    rm -f -- "$bundle"
    exit $code
  }
  printf 'size %s\n' "$(wc -c <"$bundle" | tr -d ' ')"
fi
