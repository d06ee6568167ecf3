#!/bin/sh
# Fetches branch $1 from the server and prints its commit. The rest of the arguments are options of git.
. ./prelude.sh
. ./locks.sh
. ./refs.sh
remote=$1
shift
repository
unlock
make_way "refs/remotes/origin/$remote"
G "$@" fetch -q --no-tags --no-write-fetch-head origin "+refs/heads/$remote:refs/remotes/origin/$remote" || exit
commit "refs/remotes/origin/$remote"
