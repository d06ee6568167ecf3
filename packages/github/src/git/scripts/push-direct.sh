#!/bin/sh
# Pushes branch $2 to the server's branch $3. When $4 is "yes", replaces it if it is at commit $5 (if it does not exist when
# $5 is empty). $1 is the largest file in bytes, and $6 lists what unfinished.sh lets through. The rest of the arguments are
# options of git.
. ./prelude.sh
. ./locks.sh
. ./refs.sh
. ./unfinished.sh
. ./outgoing.sh
target=$3 force=$4 seen=$5 permitted=$6
repository
unlock
outgoing "$1" "$2"
shift 6
make_way "refs/remotes/origin/$target"
printf 'branch %s\nhead %s\n' "$branch" "$new"
if [ -n "$force" ]; then
  set -- "$@" push --force-with-lease="refs/heads/$target:$seen"
else
  set -- "$@" push
fi
G "$@" --porcelain origin "refs/heads/$branch:refs/heads/$target"
