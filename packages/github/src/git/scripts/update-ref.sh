#!/bin/sh
# Sets ref $1, under which the server's refs are kept, to commit $2.
. ./prelude.sh
. ./locks.sh
. ./refs.sh
repository
unlock
make_way "$1"
G update-ref "$1" "$2"
