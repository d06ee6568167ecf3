#!/bin/sh
# Pushes branch $2 to the server's branch $3 (the same name when empty), with force when $4 is "yes". $1 is the largest
# file in bytes. The rest of the arguments are options of git.
. ./prelude.sh
. ./outgoing.sh
target=$3 force=$4
repository
outgoing "$1" "$2"
shift 4
target=${target:-$branch}
printf 'branch %s\nhead %s\n' "$branch" "$new"
if [ -n "$force" ]; then
  seen=$(commit "refs/remotes/origin/$target") || seen=
  set -- "$@" push --force-with-lease="refs/heads/$target:$seen"
else
  set -- "$@" push
fi
G "$@" --porcelain origin "refs/heads/$branch:refs/heads/$target"
