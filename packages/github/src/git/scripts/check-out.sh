#!/bin/sh
# Included by the scripts that finish a clone, after destination.sh. Checks out commit $3: as branch $2 when $1 is
# "branch", else detached.
check_out() {
  # In a subshell, because a refusal exits and the caller must remove the clone.
  (allowed "$3") || return
  exclude_placed || return
  # Only placed files can be in the way.
  case $1 in
    branch) G checkout -q -f -B "$2" --track "refs/remotes/origin/$2" ;;
    *) G checkout -q -f --detach "$3" -- ;;
  esac
}
