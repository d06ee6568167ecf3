# shellcheck shell=bash
# Functions for the processes of a job, for bash on Linux. Only sweep starts a program.

# Sets `born` to the start time of a process. Fails when the process does not exist or is a zombie. Argument: its pid.
birth() {
  local line
  born=
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086 # the fields are words
  set -- ${line##*) }
  [ "$1" != Z ] || return 1
  born=${20}
}

# Tells whether the supervisor of a job is alive. Argument: the folder of the job.
alive() {
  local pid at
  { read -r pid at <"$1/pid"; } 2>/dev/null && birth "$pid" && [ "$born" = "$at" ]
}

# Kills a command with everything it started: its process group, then every process with its marker in the environment,
# until there is none. Arguments: the pid of its leader (empty when unknown), its mark.
sweep() {
  local found file round=0
  [ -z "$1" ] || kill -KILL -- "-$1" 2>/dev/null
  while [ "$round" -lt 200 ]; do
    found=$(grep -lzxF -- "REMOTE_AGENT_COMMAND=$2" /proc/[0-9]*/environ 2>/dev/null)
    [ -n "$found" ] || return 0
    for file in $found; do
      file=${file#/proc/}
      kill -KILL "${file%/environ}" 2>/dev/null
    done
    round=$((round + 1))
  done
}
