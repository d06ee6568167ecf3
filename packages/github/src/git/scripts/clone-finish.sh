#!/bin/sh
# Checks out what clone-fetch.sh fetched, or removes the clone.
. ./prelude.sh
kind=$1 name=$2 commit=$3
. ./check-out.sh
check_out "$kind" "$name" "$commit" || {
  code=$?
  rm -rf -- "$dir"
  exit $code
}
head
