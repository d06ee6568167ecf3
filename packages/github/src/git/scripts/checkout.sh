#!/bin/sh
# Checks out $1: a branch, else the server's branch of that name, else a tag, else a commit.
. ./prelude.sh
. ./locks.sh
. ./refs.sh
. ./in-the-way.sh
ref=$1
repository
unlock
if found=$(commit "refs/heads/$ref"); then
  set -- "$ref"
elif found=$(commit "refs/remotes/origin/$ref"); then
  branch_is_free "$ref"
  set -- -b "$ref" --track "refs/remotes/origin/$ref"
else
  found=$(commit "refs/tags/$ref") || found=$(commit "$ref") || exit "$REF_NOT_FOUND"
  set -- --detach "$found"
fi
allowed "$found"
G checkout -q "$@" -- || in_the_way "$found"
head
