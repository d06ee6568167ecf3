import { OrchestratorError, type Profile } from "@remote-agent/domain"
import { Effect, type Option, type Scope } from "effect"
import { execFile } from "node:child_process"
import { access, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** A commit of a repository on this machine, with all that git needs of it in one file. */
interface Bundle {
  /** The id of the commit. */
  readonly commit: string
  readonly content: Uint8Array
}

/** The folder of a repository on this machine, if the source is one. */
export const folderOf = (source: Profile.Source): string | undefined => {
  const { repository } = source
  if (repository.startsWith("/")) return repository
  if (!repository.startsWith("file:///") || !URL.canParse(repository)) return undefined
  return fileURLToPath(repository)
}

/** An address without the name and the password in it. */
export const withoutPassword = (repository: string): string =>
  repository.replace(/^([a-z+]+:\/\/)[^/@]*@/i, "$1")

/** The code of the source could not be fetched. */
export const unavailable = ({ ref, repository }: Profile.Source): OrchestratorError.SourceUnavailable =>
  new OrchestratorError.SourceUnavailable({ repository: withoutPassword(repository), ref })

const git = (folder: string, ...args: ReadonlyArray<string>) =>
  Effect.callback<string, string>((resume) => {
    const child = execFile("git", ["-C", folder, ...args], { maxBuffer: 1024 * 1024 }, (error, stdout) => {
      resume(error === null ? Effect.succeed(stdout.trim()) : Effect.fail(error.message))
    })
    return Effect.sync(() => child.kill())
  })

const commitIn = (folder: string, ref: string) =>
  git(folder, "rev-parse", "--verify", "--end-of-options", `${ref}^{commit}`)

/**
 * The commit that a source on this machine names now; empty for one elsewhere or none at all, and nothing when it
 * cannot be told.
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

/** Whether there is something at the folder of a source on this machine. */
export const exists = (folder: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    access(folder).then(
      () => true,
      () => false
    )
  )

/**
 * Packs a repository of this machine for a sandbox, which cannot see it. A bare one will do as well. Fails with
 * `SourceUnavailable` when it is none, or does not have the ref.
 */
export const bundle = Effect.fn("LocalRepository.bundle")(
  function* (source: Profile.Source, folder: string): Effect.fn.Return<Bundle, string, Scope.Scope> {
    const commit = yield* commitIn(folder, source.ref)
    const file = join(yield* temporary, "source.bundle")
    // All refs and the head: a bundle cannot be made of a bare commit.
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
