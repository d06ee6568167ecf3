#!/bin/sh
# Creates branch $1 at $2 (HEAD when empty) and checks it out.
. ./prelude.sh
. ./locks.sh
. ./refs.sh
. ./in-the-way.sh
name=$1 from=$2
repository
unlock
G show-ref -q --verify "refs/heads/$name" && exit "$BRANCH_EXISTS"
branch_is_free "$name"
if [ -z "$from" ]; then
  start=$(commit HEAD)
else
  start=$(resolve "$from")
fi || exit "$REF_NOT_FOUND"
G checkout -q --no-track -b "$name" "$start" -- || in_the_way "$start"
head
