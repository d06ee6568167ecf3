#!/bin/sh
# Included by the scripts that push. Sets $branch to $2 (the branch of HEAD when it is empty) and $new to its commit, and
# exits when the commits that the server lacks contain a file of more than $1 bytes.
outgoing() {
  branch=$2
  if [ -z "$branch" ]; then
    branch=$(G symbolic-ref -q HEAD) || exit "$DETACHED_HEAD"
    branch=${branch#refs/heads/}
  fi
  new=$(commit "refs/heads/$branch") || exit "$REF_NOT_FOUND"
  refuse "$FILE_TOO_LARGE" "$(
    G rev-list --objects "$new" --not --remotes=origin |
      G cat-file --batch-check='%(objecttype) %(objectsize) %(rest)' |
      awk -v limit="$1" '$1 == "blob" && $2 + 0 > limit + 0 {
        size = $2
        sub(/^blob [0-9]+ /, "")
        print "blob", size, limit, $0
        exit
      }'
  )"
}
