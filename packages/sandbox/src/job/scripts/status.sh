#!/bin/bash
# Prints the folder of a job and its state. Argument: its folder.
dir=$1
# shellcheck source=processes.sh
. ./processes.sh
# shellcheck source=state.sh
. ./state.sh
read_state "$dir"
case $dir in
  /*) ;;
  *) dir=$PWD/$dir ;;
esac
printf '\n%s\n%s\n' "$dir" "$state"
