#!/bin/sh
# Included by the scripts that finish a clone. Checks out commit $3: as branch $2 when $1 is "branch", else detached.
check_out() {
  # In a subshell, because a refusal exits and the caller must remove the clone.
  (allowed "$3") || return
  case $1 in
    branch) G checkout -q -B "$2" --track "refs/remotes/origin/$2" ;;
    *) G checkout -q --detach "$3" -- ;;
  esac
}
