/**
 * What runs in a sandbox where one git command is not enough, so that a trip to the sandbox does a whole step. The
 * texts are constant: names, paths and messages arrive as positional parameters or on standard input and are never
 * part of a script. A reason that git has no exit code for has one here.
 */

/** The exit codes of the scripts; those of git are below. */
export const exits = {
  gitMissing: 90,
  notARepository: 91,
  folderNotEmpty: 92,
  nonFastForward: 93,
  conflict: 94,
  refNotFound: 95,
  nothingToCommit: 96,
  detachedHead: 97,
  branchExists: 98,
  fileTooLarge: 99,
  submodulesFound: 100,
  lfsFound: 101
} as const

// `$1` is the folder, `$2` says whether the hooks of the repository may run, and `$3` what its commits may have: `s` for
// submodules and `l` for files in Git LFS.
const prelude = `
set -u
dir=$1 hooks=$2 allow=$3
shift 3
command -v git >/dev/null 2>&1 || exit ${exits.gitMissing}
if [ "$hooks" = yes ]; then hooks=core.hooksPath; else hooks=core.hooksPath=/dev/null; fi
G() {
  if [ "$hooks" = core.hooksPath ]; then set -- -c core.fsmonitor=false "$@"; else set -- -c "$hooks" -c core.fsmonitor=false "$@"; fi
  git -C "$dir" -c safe.directory='*' -c core.quotePath=false -c advice.detachedHead=false -c gc.auto=0 -c commit.gpgSign=false -c i18n.logOutputEncoding=UTF-8 "$@"
}
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s/%s' "$PWD" "$1" ;; esac; }
repository() { { [ -e "$dir/.git" ] && G rev-parse --git-dir >/dev/null 2>&1; } || exit ${exits.notARepository}; }
commit() { G rev-parse --verify --quiet --end-of-options "$1^{commit}"; }
found() { [ -z "$2" ] || { printf '%s\\n' "$2"; exit "$1"; }; }
allowed() {
  case $allow in *s*) ;; *) found ${exits.submodulesFound} "$(G ls-tree -r -z --full-tree "$1" | tr '\\0\\n' '\\n?' | sed -n 's/^160000 [^\t]*\t//p' | sed 20q)" ;; esac
  case $allow in *l*) ;; *) found ${exits.lfsFound} "$(G grep -l -e 'filter=lfs' "$1" -- '.gitattributes' '*/.gitattributes' | sed 's/^[^:]*://; 20q')" ;; esac
}
head() { b=$(G symbolic-ref -q HEAD) || b=; c=$(commit HEAD) || c=; printf 'branch %s\\nhead %s\\n' "\${b#refs/heads/}" "$c"; }
`

/** One git command, in `$@`. */
export const plain = `${prelude}
repository
G "$@"
`

/** What a transfer must know. */
export const state = `${prelude}
repository
head
branch=\${b#refs/heads/}
if [ -n "$branch" ]; then
  upstream=$(G config --get "branch.$branch.merge") || upstream=refs/heads/$branch
  upstream=\${upstream#refs/heads/}
  tracking=$(commit "refs/remotes/origin/$upstream") || tracking=
  printf 'upstream %s\\ntracking %s\\n' "$upstream" "$tracking"
fi
shallow=$(absolute "$(G rev-parse --absolute-git-dir)")/shallow
[ ! -f "$shallow" ] || sed 's/^/shallow /' "$shallow"
G for-each-ref --count=512 --sort=-committerdate --format='have %(objectname)' refs/remotes/origin refs/heads
`

// $1 bundle, $2 address, $3 kind, $4 name, $5 commit; standard input is the content of the file `shallow`.
const checkOut = `
(allowed "$commit") || return
case $kind in
  branch) G checkout -q -B "$name" --track "refs/remotes/origin/$name" ;;
  *) G checkout -q --detach "$commit" -- ;;
esac
`

/** A new working tree from a bundle. */
export const cloneBundle = `${prelude}
bundle=$(absolute "$1") url=$2 kind=$3 name=$4 commit=$5
[ ! -e "$dir" ] || { [ -d "$dir" ] && [ -z "$(ls -A -- "$dir")" ]; } || { rm -f -- "$bundle"; exit ${exits.folderNotEmpty}; }
made=
[ -d "$dir" ] || made=yes
fill() {
  mkdir -p -- "$dir" &&
  G init -q --template= &&
  cat >"$dir/.git/shallow.new" &&
  if [ -s "$dir/.git/shallow.new" ]; then mv -f -- "$dir/.git/shallow.new" "$dir/.git/shallow"; else rm -f -- "$dir/.git/shallow.new"; fi &&
  G remote add origin "$url" &&
  G fetch -q --no-write-fetch-head --end-of-options "$bundle" '+refs/*:refs/*' || return
  ${checkOut.trim()}
}
fill
code=$?
rm -f -- "$bundle"
[ $code = 0 ] || { rm -rf -- "$dir"; [ -n "$made" ] || mkdir -- "$dir"; exit $code; }
head
`

/** A new repository without a commit, and what the server has under `$2`, or as its default branch. */
export const cloneStart = `${prelude}
url=$1 ref=$2
shift 2
[ ! -e "$dir" ] || { [ -d "$dir" ] && [ -z "$(ls -A -- "$dir")" ]; } || exit ${exits.folderNotEmpty}
undo() { rm -rf -- "$dir"; exit "$1"; }
mkdir -p -- "$dir" && G init -q --template= && G remote add origin "$url" || undo $?
if [ -z "$ref" ]; then listed=$(G "$@" ls-remote --symref origin HEAD)
else listed=$(G "$@" ls-remote origin "refs/heads/$ref" "refs/tags/$ref")
fi || undo $?
printf '%s\\n' "$listed"
`

/** Fetches what `cloneStart` has found: `$1` is its kind, `$2` its name, `$3` how many commits, or nothing. */
export const cloneFetch = `${prelude}
kind=$1 name=$2 depth=$3
shift 3
undo() { rm -rf -- "$dir"; exit "$1"; }
case $kind in
  branch) spec=+refs/heads/$name:refs/remotes/origin/$name ref=refs/remotes/origin/$name ;;
  tag) spec=+refs/tags/$name:refs/tags/$name ref=refs/tags/$name ;;
  *) spec=$name ref=$name ;;
esac
if [ -n "$depth" ]; then G "$@" fetch -q --no-write-fetch-head --depth "$depth" origin "$spec"
else G "$@" fetch -q --no-write-fetch-head origin '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*'
fi || undo $?
commit "$ref" || undo ${exits.refNotFound}
`

/** Puts a working tree on what `cloneFetch` has brought, or takes it away again. */
export const finishDirect = `${prelude}
kind=$1 name=$2 commit=$3
fill() {
  ${checkOut.trim()}
}
fill
code=$?
[ $code = 0 ] || { rm -rf -- "$dir"; exit $code; }
head
`

/**
 * Takes a bundle (`$1`, or nothing when the commits are there) and moves the branch to `$4`, the commit of `$3` on
 * the server; `$5` says what to do when the branch has gone apart.
 */
export const pull = `${prelude}
bundle=$1 remote=$2 new=$3 diverged=$4 name=$5 email=$6
repository
if [ -n "$bundle" ]; then
  bundle=$(absolute "$bundle")
  G fetch -q --no-tags --no-write-fetch-head --end-of-options "$bundle" '+refs/*:refs/*'
  code=$?
  rm -f -- "$bundle"
  [ $code = 0 ] || exit $code
else
  G update-ref "refs/remotes/origin/$remote" "$new" || exit
fi
changes() { G diff --name-only -z HEAD "$new" --; printf '\\0'; G diff --name-only -z HEAD --; G ls-files -z -o --exclude-standard; exit ${exits.conflict}; }
allowed "$new"
if G merge-base --is-ancestor "$new" HEAD && [ "$diverged" != reset ]; then head; exit 0; fi
if [ "$diverged" = reset ]; then G reset -q --hard "$new" || exit
elif G merge-base --is-ancestor HEAD "$new"; then G merge -q --ff-only "$new" >&2 || changes
elif [ "$diverged" = merge ]; then
  if ! G -c "user.name=$name" -c "user.email=$email" merge -q --no-edit "$new" >&2; then
    G rev-parse -q --verify MERGE_HEAD >/dev/null || changes
    conflicts=$(G diff --name-only -z --diff-filter=U -- | tr '\\0\\n' '\\n\\0' | base64 | tr -d '\\n')
    G merge --abort
    printf '%s' "$conflicts" | base64 -d | tr '\\n\\0' '\\0\\n'
    exit ${exits.conflict}
  fi
else exit ${exits.nonFastForward}
fi
head
`

/** Asks the server itself for a branch, in `$1`; the rest are settings of git. */
export const fetchDirect = `${prelude}
remote=$1
shift
repository
G "$@" fetch -q --no-tags --no-write-fetch-head origin "+refs/heads/$remote:refs/remotes/origin/$remote" || exit
commit "refs/remotes/origin/$remote"
`

/** Checks out `$1`: a branch, the branch of the server of that name, a tag, or a commit. */
export const checkout = `${prelude}
ref=$1
repository
if found=$(commit "refs/heads/$ref"); then set -- "$ref"
elif found=$(commit "refs/remotes/origin/$ref"); then set -- -b "$ref" --track "refs/remotes/origin/$ref"
else
  found=$(commit "refs/tags/$ref") || found=$(commit "$ref") || exit ${exits.refNotFound}
  set -- --detach "$found"
fi
allowed "$found"
G checkout -q "$@" -- || { G diff --name-only -z HEAD "$found" --; printf '\\0'; G diff --name-only -z HEAD --; G ls-files -z -o --exclude-standard; exit ${exits.conflict}; }
head
`

/** The commit of a branch, of the server's branch, of a tag, or of an id. */
export const find = `${prelude}
repository
commit "refs/heads/$1" || commit "refs/remotes/origin/$1" || commit "refs/tags/$1" || commit "$1" || exit ${exits.refNotFound}
`

/** Takes what a bundle has. */
export const take = `${prelude}
bundle=$(absolute "$1")
repository
G fetch -q --no-write-fetch-head --end-of-options "$bundle" '+refs/*:refs/*'
code=$?
rm -f -- "$bundle"
exit $code
`

/** Makes a branch `$1` at `$2` (or where we are) and checks it out. */
export const createBranch = `${prelude}
name=$1 from=$2
repository
G show-ref -q --verify "refs/heads/$name" && exit ${exits.branchExists}
if [ -z "$from" ]; then start=$(commit HEAD)
else start=$(commit "refs/heads/$from") || start=$(commit "refs/remotes/origin/$from") || start=$(commit "refs/tags/$from") || start=$(commit "$from")
fi || exit ${exits.refNotFound}
G checkout -q --no-track -b "$name" "$start" -- || exit ${exits.conflict}
head
`

/** Commits with the message of standard input; the paths are what follows, everything when none does. */
export const commit = `${prelude}
name=$1 email=$2 empty=$3
shift 3
repository
if [ $# = 0 ]; then G add -A; else G --literal-pathspecs add -A -- "$@"; fi || exit
if [ -z "$empty" ] && ! G rev-parse -q --verify MERGE_HEAD >/dev/null; then
  if commit HEAD >/dev/null; then G diff --cached --quiet && exit ${exits.nothingToCommit}
  else [ -n "$(G ls-files --cached | sed -n 1p)" ] || exit ${exits.nothingToCommit}
  fi
fi
GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email \\
  G commit -q --allow-empty --cleanup=verbatim -F - >&2 || exit
head
`

// Prints the files beyond the limit among the commits that the server does not have.
const outgoing = `
limit=$1 branch=$2
repository
if [ -z "$branch" ]; then
  branch=$(G symbolic-ref -q HEAD) || exit ${exits.detachedHead}
  branch=\${branch#refs/heads/}
fi
new=$(commit "refs/heads/$branch") || exit ${exits.refNotFound}
large=$(G rev-list --objects "$new" --not --remotes=origin | G cat-file --batch-check='%(objecttype) %(objectsize) %(rest)' | awk -v limit="$limit" '$1 == "blob" && $2 + 0 > limit + 0 { size = $2; sub(/^blob [0-9]+ /, ""); print "blob", size, limit, $0; exit }')
[ -z "$large" ] || { printf '%s\\n' "$large"; exit ${exits.fileTooLarge}; }
`

/** Puts the commits of a branch into a bundle: those that the server did not have when last asked, or all of them. */
export const pushBundle = `${prelude}
bundle=$3 all=$4
${outgoing}
bundle=$(absolute "$bundle")
printf 'branch %s\\nhead %s\\n' "$branch" "$new"
G for-each-ref --format='tracking %(objectname) %(refname)' "refs/remotes/origin/"
set -- --not --remotes=origin
[ -z "$all" ] || set --
if [ -n "$all" ] || [ -n "$(G rev-list -n 1 "$new" "$@" --)" ]; then
  mkdir -p -- "\${bundle%/*}" && (umask 077 && G bundle create -q "$bundle" "refs/heads/$branch" "$@") || { code=$?; rm -f -- "$bundle"; exit $code; }
  printf 'size %s\\n' "$(wc -c <"$bundle" | tr -d ' ')"
fi
`

/** Remembers what the server has now, and takes the bundle away. */
export const pushed = `${prelude}
rm -f -- "$1"
repository
G update-ref "refs/remotes/origin/$2" "$3" || exit
G config "branch.$2.remote" >/dev/null || { G config "branch.$2.remote" origin && G config "branch.$2.merge" "refs/heads/$2"; }
`

/** Pushes from within the sandbox. */
export const pushDirect = `${prelude}
target=$3 force=$4
${outgoing}
shift 4
target=\${target:-$branch}
printf 'branch %s\\nhead %s\\n' "$branch" "$new"
if [ -n "$force" ]; then
  seen=$(commit "refs/remotes/origin/$target") || seen=
  set -- "$@" push --force-with-lease="refs/heads/$target:$seen"
else set -- "$@" push
fi
G "$@" --porcelain origin "refs/heads/$branch:refs/heads/$target"
`

/** Puts branch, index and files back to a commit. Files that git does not know stay. */
export const restore = `${prelude}
repository
found=$(commit "$1") || exit ${exits.refNotFound}
G reset -q --hard "$found" || exit
head
`

/**
 * Hands a credential out once. The token comes in a file, is taken into the memory of this shell and the file is
 * removed before anybody is told; a FIFO in a folder of the user alone gives it to the first who reads. `$1` is that
 * folder, `$2` the seconds after which it is over.
 */
export const serveCredential = `
set -u
d=$1 seconds=$2
token=$(cat "$d/token" && printf x) || exit
rm -f -- "$d/token"
mkfifo -m 600 "$d/pipe" || exit
printf '%s' "\${token%x}" >"$d/pipe" &
w=$!
token=
sleep "$seconds" &
s=$!
printf 'ready\\n'
while kill -0 "$w" 2>/dev/null && kill -0 "$s" 2>/dev/null; do sleep 0.1; done
kill "$w" "$s" 2>/dev/null
rm -rf -- "$d"
`

/** Writes (`$2`) or takes away the setting `$1` of a repository. */
export const setting = `${prelude}
repository
if [ -n "$2" ]; then G config --replace-all "$1" "$2"
else G config --unset-all "$1" || [ $? = 5 ]
fi
`
