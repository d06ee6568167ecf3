import { OrchestratorError, Profile, type SandboxError, Placeholders } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Duration, Effect, Option } from "effect"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { stripVTControlCharacters } from "node:util"
import * as LocalRepository from "../../profiles/localRepository.ts"
import * as AgentVersion from "./agentVersion.ts"

/** A sandbox with the program of an agent. */
export interface AgentSandbox {
  readonly sandbox: Sandbox.Sandbox
  readonly profile: Profile.Profile
  /** The home folder in the sandbox. */
  readonly home: string
  /** Redacts secrets. Without it the output of a command that failed is not shown. */
  readonly redact?: ((text: string) => string) | undefined
}

/** The time limit of a command, unless the profile says otherwise. */
const commandTimeout = Duration.minutes(5)

/** The time limit of a program that prints its version. */
const versionTimeout = Duration.minutes(1)

const placesOf = ({ home, profile }: AgentSandbox) => Profile.placeholders(profile, home)

/** How much of the output of a command that failed is shown. */
const shown = { lines: 12, characters: 1500 } as const

/** The end of what a command printed, without secrets and escape sequences. */
const endOf = (stdout: string, stderr: string, redact: (text: string) => string): string =>
  stripVTControlCharacters(redact([stdout, stderr].map((text) => text.trim()).join("\n")))
    .split(/\r?\n/)
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .slice(-shown.lines)
    .join("\n")
    .slice(-shown.characters)

/**
 * Runs a command of the profile and returns its output. Fails with `CommandFailed`, which has the end of the output,
 * unless it exits with 0.
 */
export const command = Effect.fnUntraced(function* (place: AgentSandbox, spec: Profile.ProfileCommand) {
  const values = placesOf(place)
  const [program, ...rest] = spec.argv
  const path = Placeholders.expand(program, values)
  const { exitCode, stderr, stdout } = yield* place.sandbox.exec({
    argv: [path, ...rest.map((argument) => Placeholders.expand(argument, values))],
    cwd: Placeholders.expand(spec.cwd ?? "{home}", values),
    timeouts: { wall: spec.timeout ?? commandTimeout },
    ...(spec.env === undefined ? {} : { env: Placeholders.expandAll(spec.env, values) })
  })
  if (exitCode === 0 || spec.optional === true) return stdout
  const output = place.redact === undefined ? "" : endOf(stdout, stderr, place.redact)
  return yield* new OrchestratorError.CommandFailed({
    program: path,
    exitCode,
    ...(output === "" ? {} : { output })
  })
})

/** Runs several commands, one after the other. */
export const commands = (place: AgentSandbox, specs: ReadonlyArray<Profile.ProfileCommand>) =>
  Effect.forEach(specs, (spec) => command(place, spec), { discard: true })

const contentOf = (
  asset: Profile.Asset
): Effect.Effect<string | Uint8Array, OrchestratorError.AssetUnreadable> => {
  const { content = "", file } = asset
  return file === undefined
    ? Effect.succeed(content)
    : Effect.tryPromise({
        try: (signal) => readFile(file, { signal }),
        catch: () => new OrchestratorError.AssetUnreadable({ file })
      })
}

/** The files of the profile. Fails with `AssetUnreadable` for a local file that cannot be read. */
export const assetsOf = (profile: Profile.Profile, values: Parameters<typeof Placeholders.expand>[1]) =>
  Effect.forEach(
    profile.assets,
    (asset) =>
      Effect.map(contentOf(asset), (content) => ({
        path: Placeholders.expand(asset.path, values),
        content,
        mode: asset.mode
      })),
    { concurrency: 4 }
  )

/**
 * Writes the files of the profile, each with its mode. Fails with `AssetUnreadable` for a local file that cannot be
 * read.
 */
export const prepareAssets = Effect.fnUntraced(function* (place: AgentSandbox) {
  const { profile, sandbox } = place
  const values = placesOf(place)
  yield* Effect.forEach(
    profile.assets,
    Effect.fnUntraced(function* (asset) {
      const path = Placeholders.expand(asset.path, values)
      yield* sandbox.files.write(path, yield* contentOf(asset))
      if (asset.mode === undefined) return
      const { exitCode } = yield* sandbox.exec({ argv: ["chmod", asset.mode, path] })
      if (exitCode !== 0) return yield* new OrchestratorError.CommandFailed({ program: "chmod", exitCode })
    }),
    { concurrency: 4, discard: true }
  )
})

const git = Effect.fnUntraced(function* (
  place: AgentSandbox,
  source: Profile.Source,
  ...args: ReadonlyArray<string>
) {
  const { exitCode, stdout } = yield* place.sandbox.exec({
    argv: ["git", ...args],
    cwd: place.home,
    env: { GIT_TERMINAL_PROMPT: "0" },
    timeouts: { wall: commandTimeout }
  })
  if (exitCode === 127) return yield* new OrchestratorError.ToolMissing({ tool: "git", needed: "" })
  return exitCode === 0 ? stdout.trim() : yield* LocalRepository.unavailable(source)
})

/** The commit that is checked out, if there is one. */
export const commitOf = Effect.fnUntraced(function* (place: AgentSandbox) {
  const { source } = place.profile
  if (source === undefined) return undefined
  const { source: folder = "" } = placesOf(place)
  const { exitCode, stdout } = yield* place.sandbox.exec({
    argv: ["git", "-C", folder, "rev-parse", "--verify", "--quiet", "HEAD"]
  })
  return exitCode === 0 ? stdout.trim() : undefined
})

const checkoutCommit = (place: AgentSandbox, source: Profile.Source, commit: string) =>
  git(place, source, "-C", placesOf(place).source ?? "", "checkout", "--quiet", "--force", "--detach", commit)

/**
 * Fetches the code of the agent and checks out its ref. Code that is there already is fetched again only with `anew`.
 */
export const checkout = Effect.fnUntraced(function* (place: AgentSandbox, anew: boolean) {
  const { source } = place.profile
  if (source === undefined) return
  const { run, source: folder = "" } = placesOf(place)
  const { files } = place.sandbox
  const mark = `${run}/source`
  const wanted = `${LocalRepository.withoutPassword(source.repository)} ${source.ref}\n`
  const there = yield* Effect.catchReason(files.readString(mark), "SandboxError", "FileNotFound", () =>
    Effect.succeed("")
  )
  if (!anew && there === wanted && (yield* commitOf(place)) !== undefined) return
  yield* git(place, source, "init", "--quiet", folder)
  const local = LocalRepository.folderOf(source)
  if (local === undefined) {
    const depth = source.depth === undefined ? [] : ["--depth", String(source.depth)]
    yield* git(place, source, "-C", folder, "fetch", "--quiet", ...depth, source.repository, source.ref)
    yield* checkoutCommit(place, source, "FETCH_HEAD")
  } else {
    const { commit, content } = yield* LocalRepository.bundle(source, local)
    const packed = `${run}/source.bundle`
    yield* files.write(packed, content)
    yield* git(place, source, "-C", folder, "fetch", "--quiet", packed, "+refs/*:refs/source/*", "HEAD")
    yield* files.remove(packed)
    yield* checkoutCommit(place, source, commit)
  }
  yield* files.write(mark, wanted)
})

const linkOf = (place: AgentSandbox, tool: Profile.Tool): string => `${placesOf(place).run}/bin/${tool.name}`

const suits = Effect.fnUntraced(function* (place: AgentSandbox, tool: Profile.Tool, program: string) {
  const { exitCode, stdout } = yield* place.sandbox.exec({
    argv: [program, ...(tool.versionArgv ?? ["--version"])],
    timeouts: { wall: versionTimeout }
  })
  return exitCode === 0 && AgentVersion.suits(stdout, tool)
})

/** The path of a program on the `PATH` of the sandbox. */
const onPath = Effect.fnUntraced(function* (place: AgentSandbox, name: string) {
  const { exitCode, stdout } = yield* place.sandbox.exec({
    argv: ["sh", "-c", 'command -v -- "$1"', "sh", name]
  })
  const found = stdout.trim()
  return exitCode === 0 && found.startsWith("/") ? Option.some(found) : Option.none()
})

const find = Effect.fnUntraced(function* (
  place: AgentSandbox,
  tool: Profile.Tool
): Effect.fn.Return<
  string,
  SandboxError.SandboxError | OrchestratorError.CommandFailed | OrchestratorError.ToolMissing
> {
  const found = yield* onPath(place, tool.name)
  if (Option.isSome(found) && (yield* suits(place, tool, found.value))) return found.value
  const { install } = tool
  if (install !== undefined) {
    const program = Placeholders.expand(install.program, placesOf(place))
    if (yield* suits(place, tool, program)) return program
    yield* commands(place, install.commands)
    if (yield* suits(place, tool, program)) return program
  }
  return yield* new OrchestratorError.ToolMissing({ tool: tool.name, needed: AgentVersion.needed(tool) })
})

const link = Effect.fnUntraced(function* (place: AgentSandbox, tool: Profile.Tool, program: string) {
  yield* place.sandbox.files.makeDir(`${placesOf(place).run}/bin`)
  yield* command(place, new Profile.ProfileCommand({ argv: ["ln", "-sfn", program, linkOf(place, tool)] }))
})

const linked = Effect.fnUntraced(function* (place: AgentSandbox, tool: Profile.Tool) {
  const { exitCode, stdout } = yield* place.sandbox.exec({ argv: ["readlink", linkOf(place, tool)] })
  return exitCode === 0 ? Option.some(stdout.trim()) : Option.none()
})

/** Finds or installs the tools that the profile needs. Fails with `ToolMissing`. */
export const tools = (place: AgentSandbox) =>
  Effect.forEach(
    place.profile.needs ?? [],
    (tool) => Effect.flatMap(find(place, tool), (program) => link(place, tool, program)),
    { discard: true }
  )

/** What an update restores when it fails. */
export interface Before {
  /** The files of the profile; `undefined` for a file that did not exist. */
  readonly files: ReadonlyArray<readonly [string, Uint8Array | undefined]>
  readonly commit: string | undefined
  readonly tools: ReadonlyArray<readonly [Profile.Tool, string]>
}

/** Records what is in use now. */
export const remember = Effect.fnUntraced(function* (
  place: AgentSandbox
): Effect.fn.Return<Before, SandboxError.SandboxError> {
  const all = yield* Effect.forEach(place.profile.needs ?? [], (tool) =>
    Effect.map(linked(place, tool), (program) =>
      Option.toArray(Option.map(program, (path) => [tool, path] as const))
    )
  )
  const { files } = place.sandbox
  const kept = yield* Effect.forEach(
    place.profile.assets,
    ({ path }) => {
      const at = Placeholders.expand(path, placesOf(place))
      return files.read(at).pipe(
        Effect.catchReason("SandboxError", "FileNotFound", () => Effect.undefined),
        Effect.map((content) => [at, content] as const)
      )
    },
    { concurrency: 4 }
  )
  return { files: kept, commit: yield* commitOf(place), tools: all.flat() }
})

/** Restores what was in use. */
export const restore = Effect.fnUntraced(function* (place: AgentSandbox, before: Before) {
  const { profile, sandbox } = place
  yield* Effect.forEach(
    before.files,
    ([path, content]) =>
      content === undefined ? sandbox.files.remove(path) : sandbox.files.write(path, content),
    { discard: true }
  )
  yield* Effect.forEach(before.tools, ([tool, program]) => link(place, tool, program), { discard: true })
  if (profile.source !== undefined && before.commit !== undefined) {
    yield* checkoutCommit(place, profile.source, before.commit)
    yield* sandbox.files.remove(`${placesOf(place).run}/source`)
  }
  yield* commands(place, profile.update ?? profile.setup)
})

/**
 * Identifies what the setup of a profile leaves in a sandbox: profiles with the same fingerprint share a snapshot.
 * `undefined` for a profile that is not cacheable or that writes local files.
 */
export const fingerprint = (profile: Profile.Profile): string | undefined => {
  if (profile.cacheable !== true || profile.assets.some(({ file }) => file !== undefined)) return undefined
  const { assets, needs, setup, source, work } = profile
  const parts = [assets, needs, setup, source, work].map((part) => JSON.stringify(part) ?? "")
  return createHash("sha256").update(parts.join("\n")).digest("hex")
}
