import { Agent, GitError, OrchestratorError, Profile, type SandboxError } from "@remote-agent/domain"
import { GitHub, type GitHubModel, GitWorkspace } from "@remote-agent/github"
import { Effect, Option } from "effect"
import type { AgentSandbox } from "../runtime/AgentRuntime.ts"
import * as LocalRepository from "../profiles/localRepository.ts"
import * as AgentStore from "../state/AgentStore.ts"

type Git = GitWorkspace.GitWorkspace["Service"]

type Repository = Pick<Agent.Repository, "url" | "ref" | "submodules" | "lfs">

/** `owner/name`. */
export const fullName = ({ name, owner }: GitHubModel.Repo): string => `${owner}/${name}`

const hostOf = (text: string): { readonly host: string; readonly secret: boolean } | undefined => {
  const [, address] = /^git@([^:/]+):/.exec(text) ?? []
  if (address !== undefined) return { host: address, secret: false }
  if (!/^[a-z][a-z0-9+.-]*:/i.test(text)) return undefined
  const url = URL.parse(text)
  return {
    host: url === null ? "" : url.protocol === "ssh:" ? url.hostname : url.host,
    secret: url !== null && (url.password !== "" || (url.username !== "" && url.protocol !== "ssh:"))
  }
}

const invalid = (name: string, rule: string) =>
  GitError.fail("clone", new GitError.InvalidName({ kind: "repository", name, rule }))

const refuse = (name: string, rule: string) => Effect.fail(invalid(name, rule))

/**
 * Parses the name or the address of a repository of a server. Fails with `InvalidName` for a repository of another
 * server, which must not receive the credentials, and for an address with credentials in it, which is not shown.
 */
export const parse = (server: string, text: string): Effect.Effect<GitHubModel.Repo, GitError.GitError> => {
  const place = hostOf(text.trim())
  if (place?.secret === true) return refuse(place.host, "it has credentials in it; set GITHUB_TOKEN instead")
  const ours = new URL(server)
  if (place !== undefined && place.host !== ours.host && place.host !== ours.hostname) {
    return refuse(text, `it is not at ${server}`)
  }
  return Option.match(GitHub.parseRepo(text), {
    onNone: () => refuse(text, "it must be owner/name or its address"),
    onSome: Effect.succeed
  })
}

/** The repository as it is recorded: its address without credentials. */
export const canonical = Effect.fnUntraced(function* (
  server: string,
  { lfs, ref, submodules, url }: Repository
): Effect.fn.Return<Repository, GitError.GitError> {
  const isFolder = LocalRepository.folderOf({ repository: url }) !== undefined
  return {
    url: isFolder ? url : `${server}/${fullName(yield* parse(server, url))}`,
    ...(ref === undefined ? {} : { ref }),
    ...(submodules === undefined ? {} : { submodules }),
    ...(lfs === undefined ? {} : { lfs })
  }
})

/** The most branches that the record of an agent keeps. */
const mostBranches = 64

/** The record of a repository after the host dealt with a branch, which comes last. */
export const withBranch = (
  repository: Agent.Repository,
  name: string,
  news: Partial<Pick<Agent.Branch, "commit" | "created" | "pushed">>
): Agent.Repository => {
  const { branches = [] } = repository
  const known = branches.find((one) => one.name === name)
  const branch = new Agent.Branch({ ...known, ...news, name })
  const rest = branches.filter((one) => one.name !== name)
  return new Agent.Repository({ ...repository, branches: [...rest, branch].slice(-mostBranches) })
}

/** Fails with `GitRequired` unless there is a `GitWorkspace`. */
export const required = (
  operation: string,
  git: Option.Option<Git>,
  { url }: Repository
): Effect.Effect<Git, OrchestratorError.OrchestratorError> =>
  Effect.mapError(Effect.fromOption(git), () =>
    AgentStore.failure(
      operation,
      new OrchestratorError.GitRequired({ repository: url.replace(/\/\/[^/]*@/, "//") })
    )
  )

// The characters with a meaning in the patterns of git.
const literal = (path: string): string => path.replaceAll(/[\\*?[\]#! ]/g, (character) => `\\${character}`)

/** The files that the agent program keeps in the work folder. They do not belong in a commit. */
const ownFiles = ({ home, profile }: AgentSandbox): ReadonlyArray<string> => {
  const folders = Profile.placeholders(profile, home)
  return (profile.session?.files ?? []).flatMap((file) =>
    file.startsWith("{work}/") && folders.work !== "" ? [`/${literal(file.slice("{work}/".length))}`] : []
  )
}

/** The assets of the profile in the work folder, which are there before the repository is. */
const placedFiles = ({ profile }: AgentSandbox): ReadonlyArray<string> =>
  profile.assets.flatMap(({ path }) => (path.startsWith("{work}/") ? [path.slice("{work}/".length)] : []))

/** The work tree of an agent, which is its work folder. Plain data, made whenever it is needed. */
export const workspaceOf = (
  place: AgentSandbox,
  repository: GitHubModel.Repo,
  mode: GitWorkspace.Mode,
  { lfs, submodules }: Pick<Repository, "lfs" | "submodules"> = {}
): GitWorkspace.Workspace => ({
  sandbox: place.sandbox,
  dir: Profile.placeholders(place.profile, place.home).work,
  repository: fullName(repository),
  mode,
  submodules,
  lfs
})

const inSandbox = <A>(effect: Effect.Effect<A, SandboxError.SandboxError>) =>
  Effect.mapError(effect, (cause) => GitError.fail("clone", new GitError.SandboxFailed({ cause })))

const excludeOwnFiles = (place: AgentSandbox) => {
  const { files } = place.sandbox
  const exclude = `${Profile.placeholders(place.profile, place.home).work}/.git/info/exclude`
  return files.readString(exclude).pipe(
    Effect.catchReason("SandboxError", "FileNotFound", () => Effect.succeed("")),
    Effect.flatMap((there) => files.write(exclude, [there, ...ownFiles(place), ""].join("\n"))),
    inSandbox
  )
}

/** The branch of an agent that works on a folder of this machine. */
const localBranch = "remote-agent"

const unpackFolder = `mkdir -p -- "$1" && cd -- "$1" && git init --quiet &&
git fetch --quiet "$2" '+refs/*:refs/source/*' HEAD && git checkout --quiet -B "$3" "$4"`

/**
 * Clones a repository in a folder of this machine, with all its refs. The sandbox cannot see the folder, so it gets a
 * bundle of what is committed there.
 */
const cloneFolder = Effect.fnUntraced(function* (
  place: AgentSandbox,
  { lfs, ref, submodules, url }: Repository,
  folder: string
) {
  const { work } = Profile.placeholders(place.profile, place.home)
  const { exec, files } = place.sandbox
  const notFound = () => invalid(url, "it must be a folder with a git repository that has the ref")
  const source = new Profile.Source({ repository: url, ref: ref ?? "HEAD", folder: work })
  const { commit, content } = yield* Effect.mapError(LocalRepository.bundle(source, folder), notFound)
  const packed = `${place.home}/.remote-agent-repository.bundle`
  yield* inSandbox(files.write(packed, content))
  const words = [work, packed, localBranch, commit]
  const { exitCode } = yield* inSandbox(exec({ argv: ["sh", "-c", unpackFolder, "sh", ...words] }))
  yield* inSandbox(files.remove(packed))
  if (exitCode !== 0) return yield* notFound()
  yield* excludeOwnFiles(place)
  return new Agent.Repository({
    url,
    commit,
    ...(ref === undefined ? {} : { ref }),
    ...(submodules === undefined ? {} : { submodules }),
    ...(lfs === undefined ? {} : { lfs })
  })
})

/**
 * Clones a repository into the work folder of an agent: one of the server, or a folder of this machine, as an absolute
 * path or a `file://` address. Git ignores the sessions that the agent program keeps there.
 * Fails like `GitWorkspace.clone`.
 */
export const clone: (
  git: Git,
  place: AgentSandbox,
  repository: Repository,
  depth?: number
) => Effect.Effect<Agent.Repository, GitError.GitError> = Effect.fn("AgentRepository.clone")(function* (
  git: Git,
  place: AgentSandbox,
  repository: Repository,
  depth?: number
) {
  const folder = LocalRepository.folderOf({ repository: repository.url })
  if (folder !== undefined) return yield* cloneFolder(place, repository, folder)
  const repo = yield* parse(git.server, repository.url)
  const { work } = Profile.placeholders(place.profile, place.home)
  const { lfs, ref, submodules } = repository
  const { commit, seen } = yield* git.clone(place.sandbox, {
    repository: fullName(repo),
    ref,
    submodules,
    lfs,
    dir: work,
    depth,
    placed: placedFiles(place)
  })
  yield* excludeOwnFiles(place)
  const cloned = new Agent.Repository({ ...(yield* canonical(git.server, repository)), commit })
  return seen === undefined ? cloned : withBranch(cloned, seen.branch, { commit: seen.commit })
})
