#!/bin/sh
# Prints what a transfer needs to know: the branch, its upstream, where the history ends, and commits that are here.
. ./prelude.sh
repository
head
branch=${branch#refs/heads/}
if [ -n "$branch" ]; then
  upstream=$(G config --get "branch.$branch.merge") || upstream=refs/heads/$branch
  upstream=${upstream#refs/heads/}
  tracking=$(commit "refs/remotes/origin/$upstream") || tracking=
  printf 'upstream %s\ntracking %s\n' "$upstream" "$tracking"
fi
shallow=$(absolute "$(G rev-parse --absolute-git-dir)")/shallow
[ ! -f "$shallow" ] || sed 's/^/shallow /' "$shallow"
G for-each-ref --count=512 --sort=-committerdate --format='have %(objectname)' refs/remotes/origin refs/heads
