#!/bin/bash
# Removes the folder of a job. It is renamed first, so that its id is free at once. Arguments: the folder, a unique token.
old=${1%/*}/.old-$2
mv -T -- "$1" "$old" 2>/dev/null
rm -rf -- "$old"
# Interrupted launches and removals leave these.
find "${1%/*}" -mindepth 1 -maxdepth 1 -name '.[no]*-*' -mmin +60 -exec rm -rf -- {} + 2>/dev/null
[ ! -e "$1" ]
