/** Parses git's machine-readable output (`-z`). Pure. */

/**
 * A file that differs from the last commit, or is untracked.
 *
 * @category models
 * @since 0.1.0
 */
export interface StatusEntry {
  readonly path: string
  /** The path before a rename or copy. */
  readonly from?: string | undefined
  /** How the index differs from the last commit: a letter of git (A, M, D, R, …), or `.` for no difference. */
  readonly staged: string
  /** How the file differs from the index, in the same letters; `?` for an untracked file. */
  readonly unstaged: string
  readonly conflicted: boolean
}

/**
 * What is checked out, and the files that differ from it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Status {
  /** Absent when HEAD is detached. */
  readonly branch: string | undefined
  /** Absent before the first commit. */
  readonly commit: string | undefined
  readonly entries: ReadonlyArray<StatusEntry>
}

/**
 * A file that differs between two commits.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChangedFile {
  /** A letter of git: A, M, D, R, C, T, U. */
  readonly status: string
  readonly path: string
  readonly from?: string | undefined
}

/**
 * A commit in a log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Commit {
  readonly commit: string
  readonly parents: ReadonlyArray<string>
  readonly author: { readonly name: string; readonly email: string }
  /** The author date, in seconds since 1970. */
  readonly time: number
  readonly message: string
}

const fields = (text: string): Array<string> => {
  const all = text.split("\0")
  if (all.at(-1) === "") all.pop()
  return all
}

/** The text after the first `count` words, which are separated by single spaces. A path may contain spaces itself. */
const after = (line: string, count: number): string => {
  let at = 0
  for (let word = 0; word < count; word++) at = line.indexOf(" ", at) + 1
  return line.slice(at)
}

const entryOf = (line: string, from: string | undefined): StatusEntry | undefined => {
  const [staged = ".", unstaged = "."] = [line[2], line[3]]
  switch (line[0]) {
    case "1":
      return { path: after(line, 8), staged, unstaged, conflicted: false }
    case "2":
      return { path: after(line, 9), from, staged, unstaged, conflicted: false }
    case "u":
      return { path: after(line, 10), staged, unstaged, conflicted: true }
    case "?":
      return { path: after(line, 1), staged: ".", unstaged: "?", conflicted: false }
    default:
      return undefined
  }
}

/** Parses `git status --porcelain=v2 --branch -z`. */
export const status = (output: string): Status => {
  const lines = fields(output)
  const headers = new Map<string, string>()
  const entries: Array<StatusEntry> = []
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ""
    if (line.startsWith("# ")) headers.set(line.split(" ")[1] ?? "", after(line, 2))
    else {
      const entry = entryOf(line, line.startsWith("2 ") ? lines[++at] : undefined)
      if (entry !== undefined) entries.push(entry)
    }
  }
  const [head, commit] = [headers.get("branch.head"), headers.get("branch.oid")]
  return {
    branch: head === "(detached)" ? undefined : head,
    commit: commit === "(initial)" ? undefined : commit,
    entries
  }
}

/** Parses `git diff --name-status -z`. */
export const nameStatus = (output: string): ReadonlyArray<ChangedFile> => {
  const parts = fields(output)
  const files: Array<ChangedFile> = []
  for (let at = 0; at + 1 < parts.length;) {
    const letter = (parts[at++] ?? "").slice(0, 1)
    const first = parts[at++] ?? ""
    if (letter === "R" || letter === "C") files.push({ status: letter, from: first, path: parts[at++] ?? "" })
    else files.push({ status: letter, path: first })
  }
  return files
}

/** The format of `git log -z` that {@link log} parses. */
export const logFormat = "--format=tformat:%H%x00%P%x00%an%x00%ae%x00%at%x00%B"

/** Parses `git log -z` in {@link logFormat}. */
export const log = (output: string): ReadonlyArray<Commit> => {
  const parts = fields(output)
  const commits: Array<Commit> = []
  for (let at = 0; at + 5 < parts.length; at += 6) {
    const [commit = "", parents = "", name = "", email = "", time = "", message = ""] = parts.slice(
      at,
      at + 6
    )
    commits.push({
      commit,
      parents: parents.split(" ").filter((parent) => parent !== ""),
      author: { name, email },
      time: Number(time),
      message
    })
  }
  return commits
}

/** Parses paths that each end with NUL. */
export const paths = (output: string): ReadonlyArray<string> => fields(output)

/** The result of pushing one ref. */
export interface PushResult {
  readonly ref: string
  /** The flag of `git push --porcelain`: `!` for a refusal, `=` for an up-to-date ref. */
  readonly flag: string
  readonly summary: string
}

/** Parses `git push --porcelain`. */
export const push = (output: string): ReadonlyArray<PushResult> =>
  output.split("\n").flatMap((line): ReadonlyArray<PushResult> => {
    const [flag = "", refs, summary] = line.split("\t")
    if (flag.length !== 1 || refs === undefined || summary === undefined) return []
    return [{ flag, ref: refs.slice(refs.indexOf(":") + 1), summary }]
  })
