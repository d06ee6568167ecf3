#!/bin/sh
# Commits as $1 with address $2 and the message on standard input; $3 is "yes" when the commit may be empty, and $4 lists
# what unfinished.sh lets through. The rest of the arguments are the paths to commit; none stands for every change.
. ./prelude.sh
. ./locks.sh
. ./unfinished.sh
name=$1 email=$2 empty=$3 permitted=$4
shift 4
repository
unlock
refuse_operation

# git lists a nested repository as a folder, and cannot add one without a commit.
permits n || refuse "$NESTED_REPOSITORIES" "$(
  G --literal-pathspecs ls-files -o --exclude-standard -z -- "$@" | lines | sed -n 's:/$::p' | sed 20q
)"

index=$(G rev-parse --absolute-git-dir)/index
rm -f -- "$index.remote-agent"
[ ! -e "$index" ] || cp -p -- "$index" "$index.remote-agent" || exit

# Restores the index and exits with code $1 and the list $2, unless the list is empty.
give_back() {
  [ -n "$2" ] || return 0
  if [ -e "$index.remote-agent" ]; then
    mv -f -- "$index.remote-agent" "$index"
  else
    rm -f -- "$index"
  fi
  refuse "$1" "$(printf '%s\n' "$2" | sed 20q)"
}

if [ $# = 0 ]; then
  G add -A
else
  G --literal-pathspecs add -A -- "$@"
fi || exit

# Links that are new and that .gitmodules does not declare.
permits n || give_back "$NESTED_REPOSITORIES" "$(
  without "$(
    G diff --cached --raw -z --no-renames --ignore-submodules=none | lines |
      awk 'NR % 2 { isLink = $2 == "160000" && $1 != ":160000" } NR % 2 == 0 && isLink'
  )" "$(declared '')"
)"
changed() { G diff --cached --name-only -z --no-renames --diff-filter=AMT; }
permits m || {
  found=$(changed | marked --cached)
  [ -z "$found" ] || ! commit HEAD >/dev/null || found=$(without "$found" "$(changed | marked HEAD)")
  give_back "$CONFLICT_MARKERS" "$found"
}
rm -f -- "$index.remote-agent"

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
