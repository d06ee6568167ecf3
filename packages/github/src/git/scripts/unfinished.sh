#!/bin/sh
# Included by the scripts that commit and push. $permitted lists what is let through: "n" for nested repositories, "m"
# for conflict markers, "p" for an operation in progress.
# shellcheck disable=SC2154 # prelude.sh sets $dir, and the script $permitted.

permits() { case $permitted in *"$1"*) ;; *) return 1 ;; esac; }

# Exits when a merge, a rebase or the like has stopped half-way, and prints its name.
refuse_operation() {
  ! permits p || return 0
  git_dir=$(G rev-parse --absolute-git-dir) || return
  operation=
  if [ -e "$git_dir/rebase-apply/applying" ]; then
    operation=am
  elif [ -d "$git_dir/rebase-merge" ] || [ -d "$git_dir/rebase-apply" ]; then
    operation=rebase
  elif [ -e "$git_dir/MERGE_HEAD" ]; then
    operation=merge
  elif [ -e "$git_dir/CHERRY_PICK_HEAD" ]; then
    operation=cherry-pick
  elif [ -e "$git_dir/REVERT_HEAD" ]; then
    operation=revert
  elif [ -e "$git_dir/sequencer/todo" ]; then
    case $(sed 1q "$git_dir/sequencer/todo") in
      revert*) operation=revert ;;
      *) operation=cherry-pick ;;
    esac
  fi
  refuse "$OPERATION_IN_PROGRESS" "$operation"
}

# Prints those of the paths on standard input, which NULs separate, that have a whole set of conflict markers in a
# commit ($1), or in the index when it is --cached.
marked() {
  xargs -0 -r git -C "$dir" -c safe.directory='*' -c core.fsmonitor=false -c core.hooksPath=/dev/null \
    -c core.quotePath=false --literal-pathspecs grep -I -l -z --all-match \
    -e '^<<<<<<< .' -e '^=======' -e '^>>>>>>> .' "$1" -- 2>/dev/null |
    lines | { if [ "$1" = --cached ]; then cat; else sed 's/^[^:]*://'; fi; }
}

# Prints the lines of $1 that are not in $2.
without() { printf '%s\n' "$1" | grep -Fxv -e "$2" | sed '/^$/d'; }
