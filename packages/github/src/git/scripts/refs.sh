#!/bin/sh
# Included by the scripts that create refs. git cannot hold a ref and another one below its name, such as `release` and
# `release/1.0`.

# Prints the refs that cannot exist beside ref $1.
beside() {
  above=$1
  while above=${above%/*} && [ "${above#refs/*/}" != "$above" ]; do
    G for-each-ref --format='%(refname)' "$above" | grep -Fx -e "$above"
  done
  G for-each-ref --format='%(refname)' "$1/"
}

# Removes the record of branches that the server cannot have any more, since it has $1.
make_way() {
  case $1 in
    refs/remotes/origin/*) beside "$1" | grep '^refs/remotes/origin/' | sed 's/^/delete /' | G update-ref --stdin ;;
  esac
}

# The same for every ref in bundle $1.
make_way_for_bundle() {
  G bundle list-heads "$1" | sed 's/^[^ ]* //' | while IFS= read -r name; do make_way "$name"; done
}

# Exits when branch $1 cannot be created beside another one, which may hold commits.
branch_is_free() {
  existing=$(beside "refs/heads/$1" | sed -n '1s:^refs/heads/:existing :p')
  refuse "$REF_CONFLICT" "$existing"
}
