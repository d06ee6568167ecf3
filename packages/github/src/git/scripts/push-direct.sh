#!/bin/sh
# Pushes branch $2 to the server's branch $3 (the same name when empty), with force when $4 is "yes". $1 is the largest
# file in bytes, and $5 lists what unfinished.sh lets through. The rest of the arguments are options of git.
. ./prelude.sh
. ./locks.sh
. ./refs.sh
. ./unfinished.sh
. ./outgoing.sh
target=$3 force=$4 permitted=$5
repository
unlock
outgoing "$1" "$2"
shift 5
target=${target:-$branch}
make_way "refs/remotes/origin/$target"
printf 'branch %s\nhead %s\n' "$branch" "$new"
if [ -n "$force" ]; then
  seen=$(commit "refs/remotes/origin/$target") || seen=
  set -- "$@" push --force-with-lease="refs/heads/$target:$seen"
else
  set -- "$@" push
fi
G "$@" --porcelain origin "refs/heads/$branch:refs/heads/$target"
