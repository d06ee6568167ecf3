#!/bin/bash
# Prints the output of a job from two offsets on, and follows it. The first line is `remote-agent-output`, because the
# shell profile of the sandbox may have printed anything before. Each block is a line `o <offset> <length>=<text>`, or
# `o <offset> <length>:<base64>` for bytes that are not all ASCII (`e` instead of `o` for stderr). `beat` appears every
# few seconds without output. The last line is `exit` with the rest of the state, `lost`, `none`, or `turn` when the reader has
# printed enough and has to be started again.
#
# The shell alone reads and prints small amounts of text. It starts programs only for large amounts, for bytes that it
# cannot hold, to begin at an offset, and once to be told of changes.
#
# Arguments: the folder of the job, the offsets in stdout and stderr, how many bytes and seconds to go on for.
dir=$1 left=$4 end=$((SECONDS + $5)) beat=$SECONDS delay=30 sent='' opened='' heard='' burst=0
at=([6]=$2 [7]=$3) size=() much=()
LC_ALL=C
# shellcheck source=processes.sh
. ./processes.sh
# shellcheck source=state.sh
. ./state.sh
exec 8<> <(:)
printf '\nremote-agent-output\n'
little=65536 block=4194304
open() {
  { exec 6<"$dir/stdout" 7<"$dir/stderr"; } 2>/dev/null || return
  local fd
  for fd in 6 7; do
    [ "${at[$fd]}" -eq 0 ] || dd skip="${at[$fd]}" iflag=skip_bytes count=0 status=none <&"$fd"
  done
  opened=yes
}
# Copies a block from the file itself, which leaves the position of the shell in the file unchanged.
copy() { dd if="$dir/$1" bs=65536 iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none; }
# Prints the next block of one output. Arguments: its file descriptor, its letter, its file.
send() {
  local fd=$1 from=${at[$1]} text='' length
  if [ -n "${much[$fd]}" ] && [ "$state" = running ]; then size[fd]=$(stat -c %s "$dir/$3"); fi
  length=$((${size[$fd]:-from + little} - from))
  [ "$length" -le "$left" ] || length=$left
  [ "$length" -gt 0 ] || return
  if [ -n "${much[$fd]}" ] && [ "$length" -gt "$little" ]; then
    [ "$length" -le "$block" ] || length=$block
    dd skip="$length" iflag=skip_bytes count=0 status=none <&"$fd"
    if copy "$3" "$from" "$length" | tr -d '\000-\177' | read -r -N 1 text; then text=; else text=yes; fi
  else
    much[fd]=
    [ "$length" -le "$little" ] || length=$little
    IFS= read -r -N "$length" -u "$fd" text
    { read -r _ length; } <"/proc/self/fdinfo/$fd"
    length=$((length - from))
    [ "$length" -gt 0 ] || return
    [ "$length" -lt "$little" ] || much[fd]=yes
    [ "${#text}" -eq "$length" ] && [[ $text != *[!$'\001'-$'\177']* ]] || text=
  fi
  if [ -n "${much[$fd]}" ] && [ -n "$text" ]; then
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
  at[fd]=$((from + length))
  left=$((left - length))
  if [ -n "${much[$fd]}" ]; then sent=much; else sent=${sent:-little}; fi
}
# Starts a program that prints a line for every change in the folder of the job, as the kernel reports it, and one at
# first. Its lines only wake this script, which reads the files themselves. Without Perl, or on another processor, there
# is no bell, and the script looks again and again.
bell=''
listen() {
  local calls
  case $HOSTTYPE in
    x86_64) calls='294 254 157' ;;
    aarch64) calls='26 27 167' ;;
    *) calls='' ;;
  esac
  heard=yes
  [ -n "$calls" ] && command -v perl >/dev/null || return
  # shellcheck disable=SC2016,SC2086 # the text is Perl; the numbers are words
  exec 9< <(exec perl -e '
    my ($init, $watch, $prctl, $parent) = map { $_ + 0 } splice(@ARGV, 0, 4);
    syscall($prctl, 1, 9, 0, 0, 0);
    exit if getppid() != $parent;
    my $queue = syscall($init, 02000000);
    # Writing, renaming into the folder, and the end of the folder.
    exit if $queue < 0 || syscall($watch, $queue, $ARGV[0], 0xc82) < 0;
    open(my $changes, "<&=", $queue) or exit;
    1 while syswrite(STDOUT, "\n") && sysread($changes, my $batch, 4096);
  ' $calls $$ "$dir" 2>/dev/null)
  bell=$!
}
hush() {
  [ -n "$bell" ] || return
  kill "$bell" 2>/dev/null
  exec 9<&-
  bell=
}
# Waits for a change. Without a bell, each wait is a little longer than the one before.
await_change() {
  local pause
  [ -n "$heard" ] || listen
  printf -v pause '%d.%03d' $((delay / 1000)) $((delay % 1000))
  if [ -z "$bell" ]; then
    read -r -t "$pause" -u 8
    [ "$delay" -ge 60 ] || delay=$((delay + 10))
  elif read -r -t 0 -u 9 || { burst=0 && read -r -t 1 -u 9; }; then
    # The outputs are read after this, so one look is enough for all lines until now.
    while read -r -t 0 -u 9 && read -r -u 9; do :; done
  elif [ $? -le 128 ]; then
    hush
  fi
}
while :; do
  read_state "$dir"
  [ "$state" = none ] || [ -n "$opened" ] || open || state=none
  case $state in
    none)
      printf 'none\n'
      exit
      ;;
    exit*)
      # shellcheck disable=SC2086 # the state is words
      set -- $state
      size=([6]=$4 [7]=$5)
      ;;
    *) size=() ;;
  esac
  sent=
  send 6 o stdout
  send 7 e stderr
  if [ "$left" -le 0 ] || [ "$SECONDS" -ge "$end" ]; then
    hush
    printf 'turn\n'
    exit
  fi
  if [ -n "$sent" ]; then
    delay=30
    if [ "$sent" = much ] || [ "$state" != running ]; then continue; fi
    # Output that goes on in small pieces is sent in fewer ones.
    burst=$((burst + 1))
    [ "$burst" -lt 8 ] || read -r -t 0.015 -u 8
  else
    case $state in
      exit*)
        hush
        printf 'exit %s\n' "$2 $3 $4 $5 $6 $7"
        exit
        ;;
      lost)
        hush
        printf 'lost\n'
        exit
        ;;
    esac
    burst=0
  fi
  if [ "$((SECONDS - beat))" -ge 5 ]; then
    beat=$SECONDS
    printf 'beat\n'
  fi
  await_change
done
