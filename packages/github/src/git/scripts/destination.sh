#!/bin/sh
# Included by the scripts that clone. $placed lists, one a line, the files that may be in the folder before: those of the
# agent's profile. Where the repository has a file of the same path, the repository's wins.
# shellcheck disable=SC2154 # prelude.sh sets $dir, and the script $placed.

# Whether the folder is absent, empty, or contains only files that were placed there.
is_vacant() {
  [ -e "$dir" ] || return 0
  [ -d "$dir" ] || return 1
  [ -z "$placed" ] || { [ -z "$(others)" ] && return; }
  [ -z "$(ls -A -- "$dir")" ]
}

# Prints the files that were not placed.
others() { (cd -- "$dir" && find . ! -type d | sed 's:^\./::' | grep -Fxv -e "$placed"); }

# Removes what a clone has made so far. The folder itself stays when it was there before the clone ($1).
remove_clone() {
  if [ -n "$placed" ]; then
    rm -rf -- "$dir/.git"
    others | tr '\n' '\0' | (cd -- "$dir" && xargs -0 -r rm -f --)
  else
    rm -rf -- "$dir"
    [ -z "$1" ] || mkdir -- "$dir"
  fi
}

# Keeps the placed files out of commits.
exclude_placed() {
  [ -n "$placed" ] || return 0
  mkdir -p -- "$dir/.git/info" &&
    printf '%s\n' "$placed" | sed 's/[][*?\\]/\\&/g; s:^:/:; s/ $/\\ /' >>"$dir/.git/info/exclude"
}
