/** A profile's source that is a repository on this machine: which commit a ref names, and a bundle for the sandbox. */
import { OrchestratorError, type Profile } from "@remote-agent/domain"
import { HostGit } from "@remote-agent/github"
import { Effect, type Option, type Scope } from "effect"
import { execFile } from "node:child_process"
import { access, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** A commit of a repository on this machine, and a git bundle that contains it. */
interface Bundle {
  /** The id of the commit. */
  readonly commit: string
  readonly content: Uint8Array
}

/** The folder of a repository on this machine; none for a source elsewhere. */
export const folderOf = ({ repository }: Pick<Profile.Source, "repository">): string | undefined => {
  if (repository.startsWith("/")) return repository
  if (!repository.startsWith("file:///") || !URL.canParse(repository)) return undefined
  return fileURLToPath(repository)
}

/** An address without the user name and password. */
export const withoutPassword = (repository: string): string =>
  repository.replace(/^([a-z+]+:\/\/)[^/@]*@/i, "$1")

/** The reason for a source that cannot be fetched. */
export const unavailable = ({ ref, repository }: Profile.Source): OrchestratorError.SourceUnavailable =>
  new OrchestratorError.SourceUnavailable({ repository: withoutPassword(repository), ref })

// Of the caller's environment only PATH reaches git. A hook of git sets GIT_DIR and others, which name another repository.
const clean = 'exec env -i PATH="$PATH" "$@"'

const git = (folder: string, ...args: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.callback<string, string>((resume) => {
    const { args: all, env } = HostGit.invocation({ args, folder })
    const settings = Object.entries(env).flatMap(([name, value]) =>
      name === "PATH" ? [] : [`${name}=${value}`]
    )
    // By hand, because the runtime requires no platform services.
    const child = execFile(
      "sh",
      ["-c", clean, "sh", ...settings, "git", ...all],
      { maxBuffer: 1024 * 1024 },
      (error, stdout) => {
        resume(error === null ? Effect.succeed(stdout.trim()) : Effect.fail(error.message))
      }
    )
    return Effect.sync(() => child.kill())
  })

const commitIn = (folder: string, ref: string) =>
  git(folder, "rev-parse", "--verify", "--end-of-options", `${ref}^{commit}`)

/**
 * The commit that a source names now: empty for a source elsewhere or no source, none when it cannot be resolved.
 */
export const commitOf = (source: Profile.Source | undefined): Effect.Effect<Option.Option<string>> => {
  const folder = source === undefined ? undefined : folderOf(source)
  return source === undefined || folder === undefined
    ? Effect.succeedSome("")
    : Effect.option(commitIn(folder, source.ref))
}

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "remote-agent-source-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/** Whether the folder of a source exists on this machine. */
export const exists = (folder: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    access(folder).then(
      () => true,
      () => false
    )
  )

/**
 * Packs a repository on this machine, bare or not, for a sandbox, which cannot see it. Fails with `SourceUnavailable`
 * when the folder is not a repository or lacks the ref.
 */
export const bundle = Effect.fn("LocalRepository.bundle")(
  function* (source: Profile.Source, folder: string): Effect.fn.Return<Bundle, string, Scope.Scope> {
    const commit = yield* commitIn(folder, source.ref)
    const file = join(yield* temporary, "source.bundle")
    // All refs and HEAD: a bundle of a bare commit id is not possible.
    yield* git(folder, "bundle", "create", "--quiet", file, "--all", "HEAD")
    const content: Uint8Array = yield* Effect.promise(() => readFile(file))
    return { commit, content }
  },
  Effect.scoped,
  (effect, source) =>
    effect.pipe(
      Effect.tapError((detail) => Effect.logDebug("A repository could not be packed", detail)),
      Effect.mapError(() => unavailable(source))
    )
)
