#!/bin/sh
# Records that the server has commit $3 as branch $2, and removes bundle $1.
. ./prelude.sh
. ./locks.sh
. ./refs.sh
rm -f -- "$1"
repository
unlock
make_way "refs/remotes/origin/$2"
G update-ref "refs/remotes/origin/$2" "$3" || exit
G config "branch.$2.remote" >/dev/null || {
  G config "branch.$2.remote" origin && G config "branch.$2.merge" "refs/heads/$2"
}
