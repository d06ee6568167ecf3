import { marker, quote } from "./shell.ts"

/**
 * The shell side of jobs, for bash on Linux with coreutils, grep and util-linux.
 *
 * What is in the folder of a job: `pid` (its supervisor and when that was born), `command`, `script` and `stdin` as
 * they were given, `leader` (the pid of the command), `stdout`, `stderr`, `wake` (a FIFO that wakes the watch),
 * `stop` (a request to end it, and the grace), `cause` (why it was killed, and the sizes of its output at that moment),
 * and `exit` once it is over.
 */

/** Whether the process with that pid and birth still runs, without starting a program. */
const alive = `
birth() {
  local line
  born=
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- \${line##*) }
  [ "$1" != Z ] || return 1
  born=\${20}
}
alive() {
  local pid at
  { read -r pid at <"$dir/pid"; } 2>/dev/null && birth "$pid" && [ "$born" = "$at" ]
}
`

/** Kills a job's command with everything it started: its group, then whatever carries its mark, until nothing does. */
const sweep = `
sweep() {
  local leader= found round=0
  { read -r leader <"$dir/leader"; } 2>/dev/null
  [ -z "$leader" ] || kill -KILL -- "-$leader" 2>/dev/null
  while [ "$round" -lt 200 ]; do
    found=$(grep -lzxF -- "${marker}=$mark" /proc/[0-9]*/environ 2>/dev/null)
    [ -n "$found" ] || return 0
    for found in $found; do found=\${found#/proc/}; kill -KILL "\${found%/environ}" 2>/dev/null; done
    round=$((round + 1))
  done
}
`

/**
 * Runs one job. It lives in a session of its own, without the mark of the command that launched it, so that nothing
 * that happens to that command reaches it. It claims the id by renaming its finished folder to it, which only one
 * can do, and only then runs anything; so a folder of a job always names the supervisor that had it.
 *
 * Arguments: the prepared folder, the folder of the job, the umask of the command, its folder, the mark, and the
 * limits for silence and in all in milliseconds (0 for none).
 */
export const supervisor = `
new=$1 dir=$2 mask=$3 cwd=$4 mark=$5 idle=$6 wall=$7
umask 077
${alive}${sweep}
birth $$
printf '%s %s\\n' $$ "$born" >"$new/pid"
printf '%s\\n' "$mark" >"$new/mark"
mkfifo "$new/wake" && : >"$new/stdout" && : >"$new/stderr" || exit 1
[ -e "$new/stdin" ] || : >"$new/stdin"
# Takes its place on the disk now: a job that fills it can still say how it ended.
printf '%127s\\n' '' >"$new/exit.part" || exit 1
trap '' PIPE
if ! mv -T "$new" "$dir" 2>/dev/null; then
  rm -rf -- "$new"
  [ ! -e "$dir/pid" ] || printf 'attached\\n'
  exit 0
fi
printf 'started\\n' 2>/dev/null
exec >/dev/null 2>&1
trap - PIPE

step=500
for limit in "$idle" "$wall"; do
  [ "$limit" -eq 0 ] || [ "$((limit / 4))" -ge "$step" ] || step=$((limit / 4))
done
[ "$step" -ge 20 ] || step=20
printf -v pause '%d.%03d' $((step / 1000)) $((step % 1000))

watch() {
  local ran=0 quiet=0 unseen=0 size= seen= now delta last=\${EPOCHREALTIME/[.,]/} grace=5000 cause= leader=
  exec 9<>"$dir/wake"
  while [ -z "$cause" ]; do
    read -r -t "$pause" -u 9
    now=\${EPOCHREALTIME/[.,]/}
    delta=$(((now - last) / 1000))
    last=$now
    # Time that the sandbox slept through, and leaps of the clock, are not the command's.
    [ "$delta" -ge 0 ] && [ "$delta" -le "$((step * 4 + 1000))" ] || delta=$step
    ran=$((ran + delta))
    if [ "$idle" -gt 0 ]; then
      # Each look takes a program.
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
    # Without its folder or its supervisor nobody could ever learn what becomes of it.
    alive || { sweep; exit 0; }
  done
  set -- $(stat -c %s "$dir/stdout" "$dir/stderr")
  printf '%s\\n' "$cause $1 $2" >"$dir/cause"
  { read -r grace <"$dir/stop"; } 2>/dev/null
  { read -r leader <"$dir/leader"; } 2>/dev/null
  if [ -n "$leader" ] && [ "$grace" -gt 0 ]; then
    kill -TERM -- "-$leader" 2>/dev/null || kill -TERM "$leader" 2>/dev/null
    # When the command ends by then, this watch is ended too.
    printf -v pause '%d.%03d' $((grace / 1000)) $((grace % 1000))
    exec 8<> <(:)
    read -r -t "$pause" -u 8
  fi
  sweep
}
watch &
watcher=$!
printf -v script '. %q' "$dir/script"
(
  cd -- "$cwd" || exit 126
  unset OLDPWD
  printf '%s\\n' "$BASHPID" >"$dir/leader"
  umask "$mask"
  . "$dir/command"
) <"$dir/stdin" >>"$dir/stdout" 2>>"$dir/stderr"
code=$?
kill -KILL "$watcher"
wait "$watcher"
cause=exited before=
if [ -e "$dir/cause" ]; then
  read -r cause before <"$dir/cause"
  sweep
fi
set -- $(stat -c %s "$dir/stdout" "$dir/stderr")
printf '%-127s\\n' "$code $cause $1 $2 $before" 1<>"$dir/exit.part" && mv -T "$dir/exit.part" "$dir/exit"
`

/**
 * Prepares a job and starts its supervisor, unless there is a job of that id. Says `started` or `attached` and the
 * folder of the job, or ends with one of {@link refusals}. Nothing it leaves when it is cut short is a job.
 *
 * Arguments: the supervisor, the id, a name that nobody else has, the folder to run in, the text of `command`, the
 * text of `script`, where the input is (`none`, `here` in the next argument, or `stdin`), that input, the limits, and
 * with which letters the ids of those jobs begin that are removed when they have ended.
 */
export const launcher = `
unset ${marker}
supervisor=$1 id=$2 token=$3 cwd=$4 command=$5 script=$6 input=$7 idle=$9 wall=\${10} clear=\${11}
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
  mkdir "$new" && printf '%s\\n' "$command" >"$new/command" && printf '%s\\n' "$script" >"$new/script" || exit 73
  case $input in
    here) printf '%s' "$8" >"$new/stdin" || exit 73 ;;
    stdin) cat >"$new/stdin" || exit 73 ;;
  esac
  answer=$(setsid -f bash -c "$supervisor" remote-agent-job \\
    "$new" "$jobs/$id" "$mask" "$PWD" "$token" "$idle" "$wall" </dev/null 2>/dev/null)
  [ -n "$answer" ] || exit 73
  if [ -n "$clear" ]; then
    for old in "$jobs/$clear"*/exit; do
      old=\${old%/exit}
      [ ! -e "$old/exit" ] || [ "$old" = "$jobs/$id" ] || rm -rf -- "$old"
    done
  fi
fi
printf '\\n%s %s\\n' "$answer" "$jobs/$id"
`

/** What the exit codes of {@link launcher} mean. */
export const refusals = { folder: 66, tools: 69, disk: 73 } as const

/** How a job is: `none`, `running`, `lost`, or `exit` with its code, the cause, the sizes of its output, and those when it was killed. */
const look = `
state() {
  if [ -e "$dir/exit" ]; then :
  elif alive; then state=running; return
  # Asked again, now that nothing more can come.
  elif [ -e "$dir/exit" ]; then :
  elif [ -e "$dir/pid" ]; then state=lost; return
  else state=none; return
  fi
  read -r state <"$dir/exit" && state="exit $state"
}
`

/** Says how a job is, and where. Argument: its folder. */
export const status = `
dir=$1
${alive}${look}
state
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
printf '\\n%s\\n%s\\n' "$dir" "$state"
`

/**
 * Asks the supervisor to end its job, waits for that, and says how it ended. Ends what a lost job left.
 * Arguments: the folder, the grace in milliseconds.
 */
export const kill = `
dir=$1 grace=$2
${alive}${look}${sweep}
umask 077
state
if [ "$state" = running ]; then
  printf '%s\\n' "$grace" >"$dir/stop.$$" && mv -T "$dir/stop.$$" "$dir/stop"
  printf '\\n' 1<>"$dir/wake"
  exec 8<> <(:)
  while alive; do read -r -t 0.02 -u 8; done
  state
fi
# The watch of a supervisor that died does the same, if it lives.
[ "$state" != lost ] || { read -r mark <"$dir/mark" && sweep; }
printf '\\n%s\\n%s\\n' "$dir" "$state"
`

/** Takes a folder out of the way in one step, so that its id is free at once, and then removes it. Arguments: it, a name. */
export const remove = `
old=\${1%/*}/.old-$2
mv -T -- "$1" "$old" 2>/dev/null
rm -rf -- "$old"
# What launches that were cut short have left.
find "\${1%/*}" -mindepth 1 -maxdepth 1 -name '.[no]*-*' -mmin +60 -exec rm -rf -- {} + 2>/dev/null
[ ! -e "$1" ]
`

/**
 * Tells the output of a job from two offsets on, and follows it. Each block is a line `o <offset> <length>=<text>`, or
 * `o <offset> <length>:<base64>` for what is not only ASCII (`e` for stderr); `beat` comes now and then while there is
 * nothing; and the last line is `exit` with what `state` says of it, `lost`, `none`, or `turn` when it has told enough and wants to
 * be asked again.
 *
 * A little text is read and told by the shell alone. Programs are started only for much at once, for what the shell
 * cannot hold, and to begin elsewhere than at the start.
 *
 * Arguments: the folder, the offsets in stdout and stderr, how many bytes and seconds to go on for.
 */
export const reader = `
dir=$1 left=$4 end=$((SECONDS + $5)) beat=$SECONDS delay=30 sent= opened=
at=([6]=$2 [7]=$3) size=() much=()
LC_ALL=C
${alive}${look}
exec 8<> <(:)
little=65536 block=4194304
open() {
  { exec 6<"$dir/stdout" 7<"$dir/stderr"; } 2>/dev/null || return
  local fd
  for fd in 6 7; do
    [ "\${at[$fd]}" -eq 0 ] || dd skip="\${at[$fd]}" iflag=skip_bytes count=0 status=none <&"$fd"
  done
  opened=yes
}
# Copies a block from the file itself; where the shell has got to in it is left alone.
copy() { dd if="$dir/$1" bs=65536 iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none; }
send() {
  local fd=$1 from=\${at[$1]} text= length
  if [ -n "\${much[$fd]}" ] && [ "$state" = running ]; then size[$fd]=$(stat -c %s "$dir/$3"); fi
  length=$((\${size[$fd]:-from + little} - from))
  [ "$length" -le "$left" ] || length=$left
  [ "$length" -gt 0 ] || return
  if [ -n "\${much[$fd]}" ] && [ "$length" -gt "$little" ]; then
    [ "$length" -le "$block" ] || length=$block
    dd skip="$length" iflag=skip_bytes count=0 status=none <&"$fd"
    if copy "$3" "$from" "$length" | tr -d '\\000-\\177' | read -r -N 1 text; then text=; else text=yes; fi
  else
    much[$fd]=
    [ "$length" -le "$little" ] || length=$little
    IFS= read -r -N "$length" -u "$fd" text
    { read -r _ length; } <"/proc/self/fdinfo/$fd"
    length=$((length - from))
    [ "$length" -gt 0 ] || return
    [ "$length" -lt "$little" ] || much[$fd]=yes
    [ "\${#text}" -eq "$length" ] && [[ $text != *[!$'\\001'-$'\\177']* ]] || text=
  fi
  if [ -n "\${much[$fd]}" ] && [ -n "$text" ]; then
    printf '%s %s %s=' "$2" "$from" "$length"
    copy "$3" "$from" "$length"
    printf '\n'
  elif [ -n "$text" ]; then
    printf '%s %s %s=%s\n' "$2" "$from" "$length" "$text"
  else
    printf '%s %s %s:' "$2" "$from" "$length"
    copy "$3" "$from" "$length" | base64 -w 0
    printf '\n'
  fi
  at[$fd]=$((from + length))
  left=$((left - length))
  [ -n "\${much[$fd]}" ] && sent=much || sent=\${sent:-little}
}
while :; do
  state
  [ "$state" = none ] || [ -n "$opened" ] || open || state=none
  case $state in
    none) printf 'none\n'; exit ;;
    exit*) set -- $state; size=([6]=$4 [7]=$5) ;;
    *) size=() ;;
  esac
  sent=
  send 6 o stdout
  send 7 e stderr
  if [ "$left" -le 0 ] || [ "$SECONDS" -ge "$end" ]; then printf 'turn\n'; exit; fi
  if [ -n "$sent" ]; then
    # What is written bit by bit is told in fewer pieces.
    delay=30
    [ "$sent" = little ] && [ "$state" = running ] || continue
  else case $state in
    exit*) printf 'exit %s\n' "$2 $3 $4 $5 $6 $7"; exit ;;
    lost) printf 'lost\n'; exit ;;
  esac; fi
  if [ "$((SECONDS - beat))" -ge 5 ]; then beat=$SECONDS; printf 'beat\n'; fi
  slept=0
  while [ "$slept" -lt "$delay" ] && [ ! -e "$dir/exit" ]; do
    read -r -t 0.030 -u 8
    slept=$((slept + 30))
  done
  [ "$delay" -ge 120 ] || delay=$((delay + 10))
done
`

/**
 * Does what {@link launcher} does and then what {@link reader} does, from the beginning. Arguments: those of the
 * launcher, then how many bytes and seconds to go on for.
 */
export const runner = `${launcher}
set -- "$jobs/$id" 0 0 "\${12}" "\${13}"
${reader}`

/** A script with its arguments. Together they may be of any length. */
export const withWords = (script: string, words: ReadonlyArray<string | number>): string =>
  `set -- ${words.map((word) => quote(String(word))).join(" ")}\n${script}`
