#!/bin/sh
# Commits as $1 with address $2 and the message on standard input; $3 is "yes" when the commit may be empty. The rest of
# the arguments are the paths to commit; none stands for every change.
. ./prelude.sh
name=$1 email=$2 empty=$3
shift 3
repository
if [ $# = 0 ]; then
  G add -A
else
  G --literal-pathspecs add -A -- "$@"
fi || exit
if [ -z "$empty" ] && ! G rev-parse -q --verify MERGE_HEAD >/dev/null; then
  if commit HEAD >/dev/null; then
    G diff --cached --quiet && exit "$NOTHING_TO_COMMIT"
  else
    [ -n "$(G ls-files --cached | sed -n 1p)" ] || exit "$NOTHING_TO_COMMIT"
  fi
fi
GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email \
  G commit -q --allow-empty --cleanup=verbatim -F - >&2 || exit
head
