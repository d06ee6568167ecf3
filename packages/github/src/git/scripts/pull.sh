#!/bin/sh
# Takes the bundle $1 (empty when the commits are here) and moves the branch to commit $3, which the server has as
# branch $2. $4 says what to do when the branch has diverged: "fail", "merge" as $5 with address $6, or "reset".
. ./prelude.sh
. ./locks.sh
. ./refs.sh
. ./in-the-way.sh
bundle=$1 remote=$2 new=$3 diverged=$4 name=$5 email=$6
repository
unlock
if [ -n "$bundle" ]; then
  bundle=$(absolute "$bundle")
  make_way_for_bundle "$bundle"
  G fetch -q --no-tags --no-write-fetch-head --end-of-options "$bundle" '+refs/*:refs/*'
  code=$?
  rm -f -- "$bundle"
  [ $code = 0 ] || exit $code
else
  make_way "refs/remotes/origin/$remote"
  G update-ref "refs/remotes/origin/$remote" "$new" || exit
fi

# Merges $new, or prints the files in conflict and restores the state before the merge.
merge() {
  G -c "user.name=$name" -c "user.email=$email" merge -q --no-edit "$new" >&2 && return
  G rev-parse -q --verify MERGE_HEAD >/dev/null || in_the_way "$new"
  # The shell cannot hold NULs in a variable.
  conflicts=$(G diff --name-only -z --diff-filter=U -- | tr '\0\n' '\n\0' | base64 | tr -d '\n')
  G merge --abort
  printf '%s' "$conflicts" | base64 -d | tr '\n\0' '\0\n'
  exit "$CONFLICT"
}

allowed "$new"
if [ "$diverged" != reset ] && G merge-base --is-ancestor "$new" HEAD; then
  head
  exit 0
fi
if [ "$diverged" = reset ]; then
  G reset -q --hard "$new" || exit
elif G merge-base --is-ancestor HEAD "$new"; then
  G merge -q --ff-only "$new" >&2 || in_the_way "$new"
elif [ "$diverged" = merge ]; then
  merge
else
  exit "$NON_FAST_FORWARD"
fi
head
