#!/bin/sh
# Fetches everything from bundle $1 and removes it.
. ./prelude.sh
bundle=$(absolute "$1")
repository
G fetch -q --no-write-fetch-head --end-of-options "$bundle" '+refs/*:refs/*'
code=$?
rm -f -- "$bundle"
exit $code
