#!/bin/sh
# Resets branch, index and files to commit $1. Untracked files stay.
. ./prelude.sh
. ./locks.sh
repository
unlock
found=$(commit "$1") || exit "$REF_NOT_FOUND"
G reset -q --hard "$found" || exit
head
