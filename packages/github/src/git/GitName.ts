/**
 * Checks the names that git and GitHub accept. Pure. Every name is checked before anything runs, so that an invalid one
 * is refused everywhere in the same way, and a valid one arrives unchanged.
 */
import { GitError } from "@remote-agent/domain"
import { Result } from "effect"

type Kind = GitError.InvalidName["kind"]

/**
 * The unchanged name, or the rule that it breaks.
 *
 * @category models
 * @since 0.1.0
 */
export type Checked = Result.Result<string, GitError.InvalidName>

/**
 * The author of a commit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Author {
  readonly name: string
  readonly email: string
}

const checked = (kind: Kind, name: string, rule: string | undefined): Checked =>
  rule === undefined ? Result.succeed(name) : Result.fail(new GitError.InvalidName({ kind, name, rule }))

const unencodable = (text: string): string | undefined => {
  if (text.includes("\0")) return "it contains a NUL"
  return text.isWellFormed() ? undefined : "it is not valid Unicode"
}

const bytes = (text: string): number => Buffer.byteLength(text)

const refRule = (name: string): string | undefined => {
  const encoding = unencodable(name)
  if (encoding !== undefined) return encoding
  if (name === "") return "it is empty"
  if (name === "@" || name === "HEAD") return "it means something else to git"
  if (name.startsWith("-")) return "it starts with a dash"
  if (name.endsWith(".")) return "it ends with a dot"
  if (name.includes("..")) return "it contains two dots in a row"
  if (name.includes("@{")) return "it contains @{"
  // oxlint-disable-next-line no-control-regex -- git forbids control characters
  if (/[\u0000-\u0020\u007f~^:?*[\\]/.test(name))
    return "it contains a space, a control character or one of ~^:?*[\\"
  for (const part of name.split("/")) {
    if (part === "") return "it has an empty part between slashes"
    if (part.startsWith(".")) return "a part of it starts with a dot"
    if (part.endsWith(".lock")) return "a part of it ends with .lock"
    // The file `<part>.lock` must fit into the 255 bytes of a file name.
    if (bytes(part) > 250) return "a part of it is longer than 250 bytes"
  }
  return bytes(name) > 1000 ? "it is longer than 1000 bytes" : undefined
}

/**
 * Checks the name of a branch or tag: the rules of `git check-ref-format --branch`, and a length that any file system
 * accepts.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ref = (name: string): Checked => checked("ref", name, refRule(name))

/**
 * Checks a full commit id.
 *
 * @category constructors
 * @since 0.1.0
 */
export const commitId = (id: string): Checked =>
  checked("commit", id, /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(id) ? undefined : "it is not a full commit id")

/**
 * Whether a text is a full commit id.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCommitId = (id: string): boolean => Result.isSuccess(commitId(id))

/**
 * Checks `owner/name` by the rules of GitHub.
 *
 * @category constructors
 * @since 0.1.0
 */
export const repository = (name: string): Checked =>
  checked(
    "repository",
    name,
    /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98})\/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/.test(name) &&
      !/\.git$/i.test(name)
      ? undefined
      : "it must be owner/name in letters, digits, dots, dashes and underscores, without .git"
  )

/**
 * Checks the path of a folder in a sandbox.
 *
 * @category constructors
 * @since 0.1.0
 */
export const folder = (path: string): Checked =>
  checked(
    "path",
    path,
    unencodable(path) ??
      (path === "" ? "it is empty" : bytes(path) > 3000 ? "it is longer than 3000 bytes" : undefined)
  )

/**
 * Checks the path of a file, relative to the working tree.
 *
 * @category constructors
 * @since 0.1.0
 */
export const file = (path: string): Checked => {
  const parts = path.split("/")
  return checked(
    "path",
    path,
    unencodable(path) ??
      (parts.some((part) => part === "" || part === "." || part === "..")
        ? "it is not a plain path below the repository"
        : parts.some((part) => part.toLowerCase() === ".git")
          ? "it has a part that is .git"
          : undefined)
  )
}

/** Checks the path of a file, relative to the working tree, that must fit into one line. */
export const line = (path: string): Checked =>
  Result.andThen(file(path), () =>
    checked("path", path, path.includes("\n") ? "it contains a line break" : undefined)
  )

// oxlint-disable-next-line no-control-regex -- git cuts off control characters
const crud = /^[\u0000-\u0020.,:;<>"\\']|[\u0000-\u0020.,:;<>"\\']$/

const identityRule = (text: string): string | undefined => {
  const encoding = unencodable(text)
  if (encoding !== undefined) return encoding
  if (text === "") return "it is empty"
  if (/[<>\n]/.test(text)) return "it contains <, > or a line break"
  return crud.test(text) ? "git cuts off spaces and punctuation at its start and end" : undefined
}

/**
 * Checks an author. git silently cuts characters off invalid names and addresses.
 *
 * @category constructors
 * @since 0.1.0
 */
export const author = ({ email, name }: Author): Result.Result<Author, GitError.InvalidName> =>
  Result.map(
    Result.andThen(checked("author", name, identityRule(name)), () =>
      checked("author", email, identityRule(email))
    ),
    () => ({ name, email })
  )

/**
 * Checks the message of a commit.
 *
 * @category constructors
 * @since 0.1.0
 */
export const message = (text: string): Checked =>
  checked("message", text, unencodable(text) ?? (text.trim() === "" ? "it is empty" : undefined))
