#!/bin/sh
# Runs one git command, given as the arguments.
. ./prelude.sh
repository
G "$@"
