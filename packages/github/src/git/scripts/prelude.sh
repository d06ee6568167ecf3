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
NESTED_REPOSITORIES=102
CONFLICT_MARKERS=103
OPERATION_IN_PROGRESS=104
LOCKED=105
REF_CONFLICT=106

dir=$1 hooks=$2 allow=$3
shift 3
command -v git >/dev/null 2>&1 || exit "$GIT_MISSING"
# The agent's environment may name another repository, index, configuration or program.
unset GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CONFIG GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT GIT_OBJECT_DIRECTORY GIT_DIR \
  GIT_WORK_TREE GIT_IMPLICIT_WORK_TREE GIT_GRAFT_FILE GIT_INDEX_FILE GIT_NO_REPLACE_OBJECTS GIT_REPLACE_REF_BASE \
  GIT_PREFIX GIT_SHALLOW_FILE GIT_COMMON_DIR GIT_NAMESPACE GIT_CEILING_DIRECTORIES GIT_TEMPLATE_DIR GIT_EXTERNAL_DIFF \
  GIT_SSH GIT_SSH_COMMAND GIT_ASKPASS GIT_PROXY_COMMAND GIT_LITERAL_PATHSPECS GIT_GLOB_PATHSPECS GIT_ICASE_PATHSPECS \
  GIT_TRACE GIT_TRACE_CURL GIT_TRACE_PACKET GIT_CURL_VERBOSE

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

# Separates records by lines instead of NULs; a line break in a path becomes "?".
lines() { tr '\0\n' '\n?'; }

# Prints the paths that commit $1, or the index when it is empty, declares as submodules.
declared() {
  G config --blob "$1:.gitmodules" -z --get-regexp '^submodule\..*\.path$' 2>/dev/null | tr '\n\0' '\t\n' | cut -f2-
}

# Prints the links to other repositories in commit $1.
links() { G ls-tree -r -z --full-tree "$1" | lines | sed -n 's/^160000 [^	]*	//p'; }

# Prints the files of commit $1 whose contents Git LFS keeps: pointers to which a rule for LFS applies.
lfs_files() {
  [ -n "$(G grep -l -e '^[^#]*filter=lfs' "$1" -- '.gitattributes' '*/.gitattributes' | sed 1q)" ] || return 0
  pointers=$(G grep -I -l -z --all-match -e '^version https://git-lfs\.github\.com/spec/v1$' \
    -e '^oid sha256:[0-9a-f]\{64\}$' -e '^size [0-9][0-9]*$' "$1" -- | lines | sed 's/^[^:]*://')
  [ -n "$pointers" ] || return 0
  # The rules of a commit apply in an index of their own.
  index=$(G rev-parse --absolute-git-dir)/remote-agent.index
  (
    export GIT_INDEX_FILE="$index"
    G read-tree "$1" && printf '%s\n' "$pointers" | tr '\n' '\0' | G check-attr --cached --stdin -z filter
  ) | lines | awk 'NR % 3 == 1 { path = $0 } NR % 3 == 0 && $0 == "lfs" { print path }'
  rm -f -- "$index"
}

# Exits when a commit contains submodules or files in Git LFS that are not allowed. A link that is not declared as a
# submodule cannot be fetched by anyone, so it is no reason.
allowed() {
  case $allow in
    *s*) ;;
    *) refuse "$SUBMODULES_FOUND" "$(links "$1" | grep -Fx -e "$(declared "$1")" | sed '/^$/d; 20q')" ;;
  esac
  case $allow in
    *l*) ;;
    *) refuse "$LFS_FOUND" "$(lfs_files "$1" | sed 20q)" ;;
  esac
}

# Prints the branch and the commit that are checked out; either may be empty.
head() {
  branch=$(G symbolic-ref -q HEAD) || branch=
  tip=$(commit HEAD) || tip=
  printf 'branch %s\nhead %s\n' "${branch#refs/heads/}" "$tip"
}
