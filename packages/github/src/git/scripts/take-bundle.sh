#!/bin/sh
# Fetches everything from bundle $1 and removes it.
. ./prelude.sh
. ./locks.sh
. ./refs.sh
bundle=$(absolute "$1")
repository
unlock
make_way_for_bundle "$bundle"
G fetch -q --no-write-fetch-head --end-of-options "$bundle" '+refs/*:refs/*'
code=$?
rm -f -- "$bundle"
exit $code
