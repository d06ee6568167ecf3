#!/bin/sh
# Included by every script. $1 is the folder of the working tree, $2 is "yes" when the repository's hooks may run, and
# $3 lists what its commits may contain: "s" for submodules, "l" for files in Git LFS. The rest is up to the script.
# shellcheck disable=SC2034 # The scripts that include this file use the codes.
set -u

# The reasons for which git itself has no exit code. The same list is in internal/scripts.ts.
GIT_MISSING=90
NOT_A_REPOSITORY=91
FOLDER_NOT_EMPTY=92
NON_FAST_FORWARD=93
CONFLICT=94
REF_NOT_FOUND=95
NOTHING_TO_COMMIT=96
DETACHED_HEAD=97
BRANCH_EXISTS=98
FILE_TOO_LARGE=99
SUBMODULES_FOUND=100
LFS_FOUND=101

dir=$1 hooks=$2 allow=$3
shift 3
command -v git >/dev/null 2>&1 || exit "$GIT_MISSING"

# Runs git without programs that the repository or the sandbox configured.
G() {
  [ "$hooks" = yes ] || set -- -c core.hooksPath=/dev/null "$@"
  git -C "$dir" -c safe.directory='*' -c core.fsmonitor=false -c core.quotePath=false \
    -c advice.detachedHead=false -c gc.auto=0 -c commit.gpgSign=false -c i18n.logOutputEncoding=UTF-8 "$@"
}

absolute() {
  case $1 in
    /*) printf '%s' "$1" ;;
    *) printf '%s/%s' "$PWD" "$1" ;;
  esac
}

# Exits when the folder is not the top of a working tree.
repository() {
  { [ -e "$dir/.git" ] && G rev-parse --git-dir >/dev/null 2>&1; } || exit "$NOT_A_REPOSITORY"
}

# Prints the commit that a name stands for, or fails.
commit() { G rev-parse --verify --quiet --end-of-options "$1^{commit}"; }

# Prints the commit of a branch, of the server's branch, of a tag or of an id, in that order, or fails.
resolve() {
  commit "refs/heads/$1" || commit "refs/remotes/origin/$1" || commit "refs/tags/$1" || commit "$1"
}

# Exits with code $1 and the list $2, unless the list is empty.
refuse() {
  [ -z "$2" ] || {
    printf '%s\n' "$2"
    exit "$1"
  }
}

# Exits when a commit contains submodules or files in Git LFS that are not allowed.
allowed() {
  case $allow in
    *s*) ;;
    *) refuse "$SUBMODULES_FOUND" "$(G ls-tree -r -z --full-tree "$1" | tr '\0\n' '\n?' | sed -n 's/^160000 [^	]*	//p' | sed 20q)" ;;
  esac
  case $allow in
    *l*) ;;
    *) refuse "$LFS_FOUND" "$(G grep -l -e 'filter=lfs' "$1" -- '.gitattributes' '*/.gitattributes' | sed 's/^[^:]*://; 20q')" ;;
  esac
}

# Prints the branch and the commit that are checked out; either may be empty.
head() {
  branch=$(G symbolic-ref -q HEAD) || branch=
  tip=$(commit HEAD) || tip=
  printf 'branch %s\nhead %s\n' "${branch#refs/heads/}" "$tip"
}
