#!/bin/sh
# Makes a working tree from a bundle. $6 lists the placed files. Standard input is the content of the file `shallow`.
. ./prelude.sh
. ./destination.sh
. ./check-out.sh
bundle=$(absolute "$1") url=$2 kind=$3 name=$4 commit=$5 placed=$6
is_vacant || {
  rm -f -- "$bundle"
  exit "$FOLDER_NOT_EMPTY"
}
existed=
[ ! -d "$dir" ] || existed=yes

write_shallow() {
  cat >"$dir/.git/shallow.new" || return
  if [ -s "$dir/.git/shallow.new" ]; then
    mv -f -- "$dir/.git/shallow.new" "$dir/.git/shallow"
  else
    rm -f -- "$dir/.git/shallow.new"
  fi
}

fill() {
  mkdir -p -- "$dir" &&
    G init -q --template= &&
    write_shallow &&
    G remote add origin "$url" &&
    G fetch -q --no-write-fetch-head --end-of-options "$bundle" '+refs/*:refs/*' &&
    check_out "$kind" "$name" "$commit"
}

fill
code=$?
rm -f -- "$bundle"
[ $code = 0 ] || {
  remove_clone "$existed"
  exit $code
}
head
