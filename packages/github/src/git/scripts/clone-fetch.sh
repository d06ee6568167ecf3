#!/bin/sh
# Fetches what clone-start.sh found: $1 is its kind, $2 its name, $3 the number of commits or empty. $4 lists the
# placed files. The rest of the arguments are options of git. Prints the commit.
. ./prelude.sh
. ./destination.sh
kind=$1 name=$2 depth=$3 placed=$4
shift 4

undo() {
  remove_clone ''
  exit "$1"
}

case $kind in
  branch) spec=+refs/heads/$name:refs/remotes/origin/$name ref=refs/remotes/origin/$name ;;
  tag) spec=+refs/tags/$name:refs/tags/$name ref=refs/tags/$name ;;
  *) spec=$name ref=$name ;;
esac
if [ -n "$depth" ]; then
  G "$@" fetch -q --no-write-fetch-head --depth "$depth" origin "$spec"
else
  G "$@" fetch -q --no-write-fetch-head origin '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*'
fi || undo $?
commit "$ref" || undo $REF_NOT_FOUND
