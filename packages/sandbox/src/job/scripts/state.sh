# shellcheck shell=bash
# The state of a job. Needs processes.sh.

# Sets `state`: `none`, `running`, `lost`, or `exit` with the exit code, the cause, the sizes of the two outputs, and
# their sizes when the job was told to end, if it was killed.
# Argument: the folder of the job.
read_state() {
  if [ -e "$1/exit" ]; then
    :
  elif alive "$1"; then
    state=running
    return
  # Look again: a supervisor that has just ended wrote its exit before.
  elif [ -e "$1/exit" ]; then
    :
  elif [ -e "$1/pid" ]; then
    state=lost
    return
  else
    state=none
    return
  fi
  read -r state <"$1/exit" && state="exit $state"
}
