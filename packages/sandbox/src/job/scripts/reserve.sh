#!/bin/bash
# Takes the id of a job that does not exist, so that it can never be started, and prints the folder and the state of the
# job: `none` for an id that is reserved. Arguments: the folder of the job, a unique token.
dir=$1 new=${1%/*}/.new-$2
# shellcheck source=processes.sh
. ./processes.sh
# shellcheck source=state.sh
. ./state.sh
umask 077
mkdir -p "$new" && printf '0 0\n' >"$new/pid" || exit 73
# A rename either takes the id as a whole or finds it taken, as the supervisor does.
if ! mv -T "$new" "$dir" 2>/dev/null; then rm -rf -- "$new"; fi
pid=
read -r pid _ 2>/dev/null <"$dir/pid"
state=none
[ "$pid" = 0 ] || read_state "$dir"
printf '\n%s\n%s\n' "$dir" "$state"
