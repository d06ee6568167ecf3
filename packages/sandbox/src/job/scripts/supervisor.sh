#!/bin/bash
# Runs one job. It lives in a session of its own, without the marker of the command that launched it, so that nothing
# that happens to that command reaches it. It claims the id by renaming its prepared folder, which only one supervisor
# can do, and runs the command after that. So the folder of a job always names the supervisor that ran it.
#
# Arguments: the prepared folder, the folder of the job, the umask and the working folder of the command, the mark, and
# the idle and wall timeouts in milliseconds (0 for none).
new=$1 dir=$2 mask=$3 cwd=$4 mark=$5 idle=$6 wall=$7
umask 077
# shellcheck source=processes.sh
. ./processes.sh
birth $$
printf '%s %s\n' $$ "$born" >"$new/pid"
printf '%s\n' "$mark" >"$new/mark"
mkfifo "$new/wake" && : >"$new/stdout" && : >"$new/stderr" || exit 1
[ -e "$new/stdin" ] || : >"$new/stdin"
# Reserve the space now, so that a job that fills the disk can still record its exit.
printf '%127s\n' '' >"$new/exit.part" || exit 1
trap '' PIPE
if ! mv -T "$new" "$dir" 2>/dev/null; then
  rm -rf -- "$new"
  [ ! -e "$dir/pid" ] || printf 'attached\n'
  exit 0
fi
printf 'started\n' 2>/dev/null
exec >/dev/null 2>&1
trap - PIPE

step=500
for limit in "$idle" "$wall"; do
  [ "$limit" -eq 0 ] || [ "$((limit / 4))" -ge "$step" ] || step=$((limit / 4))
done
[ "$step" -ge 20 ] || step=20
printf -v pause '%d.%03d' $((step / 1000)) $((step % 1000))

# Kills the command with everything it started.
sweep_job() {
  local leader=
  { read -r leader <"$dir/leader"; } 2>/dev/null
  sweep "$leader" "$mark"
}

# Watches over the timeouts and over requests to kill the job.
watch() {
  local ran=0 quiet=0 unseen=0 size='' seen='' now delta last=${EPOCHREALTIME/[.,]/} grace=5000 cause='' leader=''
  exec 9<>"$dir/wake"
  while [ -z "$cause" ]; do
    read -r -t "$pause" -u 9
    now=${EPOCHREALTIME/[.,]/}
    delta=$(((now - last) / 1000))
    last=$now
    # A pause of the sandbox, or a change of the clock, does not count towards the timeouts.
    [ "$delta" -ge 0 ] && [ "$delta" -le "$((step * 4 + 1000))" ] || delta=$step
    ran=$((ran + delta))
    if [ "$idle" -gt 0 ]; then
      # Reading the sizes starts a program, so do it only a few times within the timeout.
      unseen=$((unseen + delta))
      if [ "$((unseen * 8))" -ge "$idle" ]; then
        size=$(stat -c %s "$dir/stdout" "$dir/stderr" 2>/dev/null)
        if [ "$size" = "$seen" ]; then quiet=$((quiet + unseen)); else quiet=0 seen=$size; fi
        unseen=0
        [ "$quiet" -lt "$idle" ] || cause=idle
      fi
    fi
    [ "$wall" -eq 0 ] || [ "$ran" -lt "$wall" ] || cause=wall
    [ ! -e "$dir/stop" ] || cause=killed
    # Without its folder or its supervisor, no client could learn how the job ends.
    alive "$dir" || { sweep_job; exit 0; }
  done
  size=$(stat -c %s "$dir/stdout" "$dir/stderr")
  # The supervisor may kill this watch at any moment, so the file is there whole or not at all.
  printf '%s\n' "$cause ${size/$'\n'/ }" >"$dir/cause.part" && mv -T "$dir/cause.part" "$dir/cause"
  { read -r grace <"$dir/stop"; } 2>/dev/null
  { read -r leader <"$dir/leader"; } 2>/dev/null
  if [ -n "$leader" ] && [ "$grace" -gt 0 ]; then
    kill -TERM -- "-$leader" 2>/dev/null || kill -TERM "$leader" 2>/dev/null
    # When the command ends within the grace period, the supervisor kills this watch.
    printf -v pause '%d.%03d' $((grace / 1000)) $((grace % 1000))
    exec 8<> <(:)
    read -r -t "$pause" -u 8
  fi
  sweep_job
}
watch &
watcher=$!
# The text in `command` runs this; see commandText in Job.ts.
# shellcheck disable=SC2034
printf -v script '. %q' "$dir/script"
(
  cd -- "$cwd" || exit 126
  unset OLDPWD
  printf '%s\n' "$BASHPID" >"$dir/leader"
  umask "$mask"
  # shellcheck source=/dev/null
  . "$dir/command"
) <"$dir/stdin" >>"$dir/stdout" 2>>"$dir/stderr"
code=$?
kill -KILL "$watcher"
wait "$watcher"
cause=exited before=
if [ -e "$dir/cause" ]; then
  # The sizes of the output when the job was told to end come after the cause.
  read -r cause before <"$dir/cause"
  [ -n "$cause" ] || cause=exited
  sweep_job
fi
sizes=$(stat -c %s "$dir/stdout" "$dir/stderr")
printf '%-127s\n' "$code $cause ${sizes/$'\n'/ } $before" 1<>"$dir/exit.part" && mv -T "$dir/exit.part" "$dir/exit"
