#!/bin/sh
# Included by the scripts that change a repository.
# shellcheck disable=SC2154 # prelude.sh sets $dir.

# Whether a git process runs in the working tree, or any process has one of the locks $1 open.
held() {
  top=$(cd -- "$dir" && pwd -P) || return 0
  # Without /proc it is not known, and a lock that may be in use must stay.
  [ -r /proc/self/comm ] || return 0
  for process in /proc/[0-9]*; do
    read -r program 2>/dev/null <"$process/comm" || continue
    case $program in
      git | git-*)
        case $(readlink "$process/cwd" 2>/dev/null)/ in
          "$top"/*) return 0 ;;
        esac
        ;;
    esac
  done
  find /proc/[0-9]*/fd -type l -exec readlink {} + 2>/dev/null | grep -Fxq -e "$1"
}

# Removes the locks that a killed git left. Exits when a git that runs keeps one for more than some seconds.
unlock() {
  git_dir=$(G rev-parse --absolute-git-dir) || return
  common=$(G rev-parse --path-format=absolute --git-common-dir 2>/dev/null) || common=$git_dir
  tries=0
  while
    locks=$({ find "$git_dir" "$common" -maxdepth 1 -name '*.lock' && find "$common/refs" -name '*.lock'; } 2>/dev/null | sort -u)
    [ -n "$locks" ]
  do
    # A lock that is younger than a minute gets two seconds to disappear.
    young=$(printf '%s\n' "$locks" | tr '\n' '\0' | xargs -0 sh -c 'find "$@" -prune ! -mmin +0' sh 2>/dev/null)
    if { [ -z "$young" ] || [ $tries -ge 10 ]; } && ! held "$locks"; then
      printf '%s\n' "$locks" | tr '\n' '\0' | xargs -0 rm -f --
      return
    fi
    tries=$((tries + 1))
    [ $tries -lt 25 ] || refuse "$LOCKED" "$(printf '%s\n' "$locks" | sed 's:^.*/\.git/:.git/:')"
    sleep 0.2
  done
}
