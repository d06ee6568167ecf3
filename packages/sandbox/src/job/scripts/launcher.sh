#!/bin/bash
# Prepares a job and starts its supervisor, unless a job of that id exists. Prints `started` or `attached` and the folder
# of the job, or exits with one of the codes in scripts.ts. A launch that is interrupted leaves nothing that is a job.
#
# Arguments: the text of the supervisor, the id, a unique token, the working folder, the text of `command`, the text of
# `script`, the source of the input (`none`, `here` for the next argument, or `stdin`), that input, the idle and wall
# timeouts, and the prefix of the ids of ended jobs to remove.
unset REMOTE_AGENT_COMMAND
supervisor=$1 id=$2 token=$3 cwd=$4 command=$5 script=$6 input=$7 idle=$9 wall=${10} clear=${11}
mask=$(umask)
umask 077
for tool in setsid mkfifo stat base64; do command -v "$tool" >/dev/null || exit 69; done
[ -r /proc/self/stat ] && [ -r /proc/self/fdinfo/0 ] && [ -n "$EPOCHREALTIME" ] || exit 69
jobs=$PWD/.remote-agent/jobs
[ -d "$jobs" ] || mkdir -p "$jobs" || exit 73
answer=attached
if [ ! -e "$jobs/$id/pid" ]; then
  cd -- "$cwd" 2>/dev/null || exit 66
  new=$jobs/.new-$token
  mkdir "$new" && printf '%s\n' "$command" >"$new/command" && printf '%s\n' "$script" >"$new/script" || exit 73
  case $input in
    here) printf '%s' "$8" >"$new/stdin" || exit 73 ;;
    stdin) cat >"$new/stdin" || exit 73 ;;
  esac
  answer=$(setsid -f bash -c "$supervisor" remote-agent-job \
    "$new" "$jobs/$id" "$mask" "$PWD" "$token" "$idle" "$wall" </dev/null 2>/dev/null)
  [ -n "$answer" ] || exit 73
  if [ -n "$clear" ]; then
    for old in "$jobs/$clear"*/exit; do
      old=${old%/exit}
      [ ! -e "$old/exit" ] || [ "$old" = "$jobs/$id" ] || rm -rf -- "$old"
    done
  fi
fi
printf '\n%s %s\n' "$answer" "$jobs/$id"
