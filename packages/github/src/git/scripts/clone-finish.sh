#!/bin/sh
# Checks out what clone-fetch.sh fetched, or removes the clone. $4 lists the placed files.
. ./prelude.sh
. ./destination.sh
. ./check-out.sh
kind=$1 name=$2 commit=$3 placed=$4
check_out "$kind" "$name" "$commit" || {
  code=$?
  remove_clone ''
  exit $code
}
head
