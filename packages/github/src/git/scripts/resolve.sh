#!/bin/sh
# Prints the commit of branch, tag or id $1.
. ./prelude.sh
repository
resolve "$1" || exit "$REF_NOT_FOUND"
