#!/bin/sh
# Included by the scripts that push, after unfinished.sh. Sets $branch to $2 (the branch of HEAD when it is empty) and $new
# to its commit. Exits when the commits that the server lacks contain a file of more than $1 bytes, or what $permitted
# does not let through.
outgoing() {
  refuse_operation
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
  # Where the outgoing commits begin: what was so there is not their doing.
  bases=$(G rev-list --boundary "$new" --not --remotes=origin | sed -n 's/^-//p' | sed 5q)
  permits n || refuse_new "$NESTED_REPOSITORIES" "$(without "$(links "$new")" "$(declared "$new")")" links
  permits m || refuse_new "$CONFLICT_MARKERS" "$(marked_in "$new")" marked_in
}

# Exits with code $1 and the list $2, without what $3 prints for the commits in $bases.
refuse_new() {
  found=$2
  for base in $bases; do
    [ -n "$found" ] || return 0
    found=$(without "$found" "$("$3" "$base")")
  done
  refuse "$1" "$(printf '%s\n' "$found" | sed 20q)"
}

# Prints the outgoing files that have conflict markers in commit $1.
marked_in() {
  G rev-list --objects "$new" --not --remotes=origin | G cat-file --batch-check='%(objecttype) %(rest)' |
    sed -n 's/^blob //p' | sort -u | tr '\n' '\0' | marked "$1"
}
