#!/bin/sh
# Creates branch $1 at $2 (HEAD when empty) and checks it out.
. ./prelude.sh
name=$1 from=$2
repository
G show-ref -q --verify "refs/heads/$name" && exit "$BRANCH_EXISTS"
if [ -z "$from" ]; then
  start=$(commit HEAD)
else
  start=$(resolve "$from")
fi || exit "$REF_NOT_FOUND"
G checkout -q --no-track -b "$name" "$start" -- || exit "$CONFLICT"
head
