#!/bin/sh
# Sets $1 in the configuration of the repository to $2, or removes it when $2 is empty.
. ./prelude.sh
. ./locks.sh
repository
unlock
if [ -n "$2" ]; then
  G config --replace-all "$1" "$2"
else
  # 5 says that it was not set.
  G config --unset-all "$1" || [ $? = 5 ]
fi
