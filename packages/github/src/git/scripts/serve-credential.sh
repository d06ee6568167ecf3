#!/bin/sh
# Gives a credential to one reader. It comes in the file `token` of folder $1, which is removed as soon as this shell has
# read it. A FIFO in the same folder, which only this user can open, gives it to the first reader. After $2 seconds the
# credential is dropped.
set -u
folder=$1 seconds=$2
# The x keeps the line break at the end, which a substitution would cut off.
token=$(cat "$folder/token" && printf x) || exit
rm -f -- "$folder/token"
mkfifo -m 600 "$folder/pipe" || exit
printf '%s' "${token%x}" >"$folder/pipe" &
writer=$!
token=
sleep "$seconds" &
timer=$!
printf 'ready\n'
while kill -0 "$writer" 2>/dev/null && kill -0 "$timer" 2>/dev/null; do sleep 0.1; done
kill "$writer" "$timer" 2>/dev/null
rm -rf -- "$folder"
