#!/bin/bash
# Asks the supervisor to kill its job, waits for that, and prints how the job ended. Kills the remains of a lost job.
# Arguments: the folder of the job, the grace period in milliseconds.
dir=$1 grace=$2
# shellcheck source=processes.sh
. ./processes.sh
# shellcheck source=state.sh
. ./state.sh
umask 077
read_state "$dir"
if [ "$state" = running ]; then
  printf '%s\n' "$grace" >"$dir/stop.$$" && mv -T "$dir/stop.$$" "$dir/stop"
  printf '\n' 1<>"$dir/wake"
  exec 8<> <(:)
  while alive "$dir"; do read -r -t 0.02 -u 8; done
  read_state "$dir"
fi
# The watch of a dead supervisor does the same, if it is alive.
if [ "$state" = lost ] && read -r mark <"$dir/mark"; then
  leader=
  { read -r leader <"$dir/leader"; } 2>/dev/null
  sweep "$leader" "$mark"
fi
printf '\n%s\n%s\n' "$dir" "$state"
