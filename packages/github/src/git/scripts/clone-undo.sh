#!/bin/sh
# Removes a clone that cannot be finished. $1 lists the placed files.
. ./prelude.sh
. ./destination.sh
placed=$1
remove_clone ''
