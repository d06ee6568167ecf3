#!/bin/bash
# Kills every process that began within the last $1 hundredths of a second and that no command of the provider started,
# until there is none. Exits with 0 only when there is none left.
#
# A program may have stopped the supervisor of its job, left its session, cleared its environment and rewritten the files
# of the job. So none of these counts here: only what the kernel says of a process, which the process cannot change.
# A process is kept when its ancestors lead out of the sandbox or to envd, because a command of the provider started it.
# What an earlier command left in the background is older, and is kept too.
age=$1
# Sets `phase`, `parent`, `session` and `start` of process $1. A name may contain line breaks and brackets.
inspect() {
  local text
  IFS= read -r -d '' text <"/proc/$1/stat"
  [ -n "$text" ] || return 1
  # shellcheck disable=SC2086 # the fields are words
  set -- ${text##*) }
  phase=$1 parent=$2 session=$4 start=${20}
} 2>/dev/null

# Sets `owner` to the effective user of process $1.
owned() {
  local key _ effective rest
  owner=
  while read -r key _ effective rest; do
    [ "$key" != Uid: ] || { owner=$effective; break; }
  done <"/proc/$1/status"
} 2>/dev/null

# Whether a command of the provider started process $1.
started_by_provider() {
  local at=$1 name depth=0
  while [ "$depth" -lt 1000 ]; do
    inspect "$at" || return 1
    [ "$parent" != 0 ] || { [ "$at" != 1 ]; return; }
    [ "$parent" != 1 ] || return 1
    at=$parent depth=$((depth + 1)) name=
    { IFS= read -r name <"/proc/$at/comm"; } 2>/dev/null
    if [ "$name" = envd ]; then
      owned "$at"
      [ "$owner" != 0 ] || return 0
    fi
  done
  return 1
}

group() { IFS= read -r -d '' cgroup <"/proc/$1/cgroup"; } 2>/dev/null

# Sets `found` to the processes to kill.
scan() {
  local path pid
  found=()
  for path in /proc/[0-9]*; do
    pid=${path#/proc/}
    if [ "$pid" = 1 ] || [ "$pid" = $$ ] || ! inspect "$pid"; then continue; fi
    if [ "$phase" = Z ] || [ "$phase" = X ] || [ "$start" -lt "$since" ] || [ "$start" -le "$boot" ]; then continue; fi
    [ "$session" != 0 ] || [ "$parent" != 1 ] || continue
    owned "$pid"
    if [ "$EUID" = 0 ]; then
      # The services of a machine have control groups of their own.
      cgroup='' && group "$pid"
      [ "$cgroup" = "$own" ] || continue
    else
      [ "$owner" = "$EUID" ] || continue
    fi
    started_by_provider "$pid" || found+=("$pid")
  done
}

# What began with the sandbox belongs to it. Its session may be one from outside, which no other process can join.
inspect 1 || exit 1
boot=$((start + 5))
inspect $$ || exit 1
since=$((start - age))
cgroup='' && group $$
own=$cgroup
exec 8<> <(:)
for ((round = 0; round < 40; round++)); do
  scan
  if [ "${#found[@]}" -eq 0 ]; then
    # The program may have become root, where the sandbox lets it.
    if [ "$EUID" = 0 ] || ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then exit 0; fi
    [ -n "$2" ] || exit 0
    exec sudo -n bash --noprofile --norc -c "$2" force-kill "$age" ''
  fi
  # A process that is stopped starts no others while the rest is found.
  [ "$round" -ge 10 ] || kill -STOP "${found[@]}" 2>/dev/null
  kill -KILL "${found[@]}" 2>/dev/null
  # One that starts others faster than they are found: everything of this user, at once.
  if [ "$round" -eq 20 ] && [ "$EUID" != 0 ]; then kill -KILL -1 2>/dev/null; fi
  read -r -t 0.05 -u 8
done
exit 1
