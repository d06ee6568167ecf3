import { NodeServices } from "@effect/platform-node"
import type { GitError, SandboxError } from "@remote-agent/domain"
import { GitWorkspace } from "@remote-agent/github"
import { Effect, FileSystem, Layer, Redacted, Stream, ManagedRuntime } from "effect"
import { LocalSandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { env } from "node:process"
import { afterAll } from "vitest"
import * as GitServer from "./gitServer.ts"

/** Looks like nothing else, so that a search finds it wherever it is. */
export const canary = "ghp_fakeCanary7Qz41xWv"

export const author = { name: "Ada Lovelace", email: "ada@example.invalid" }

/** A sandbox whose calls are counted. */
export const counted = (sandbox: Sandbox.Sandbox) => {
  const calls: Array<string> = []
  const sizes: Array<number> = []
  const one = <A, E>(name: string, call: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      calls.push(name)
      return call
    })
  const { files } = sandbox
  const watched: Sandbox.Sandbox = {
    ...sandbox,
    exec: (command) => one("exec", sandbox.exec(command)),
    spawn: (command) => Stream.suspend(() => (calls.push("spawn"), sandbox.spawn(command))),
    files: {
      read: (path, options) => one("read", files.read(path, options)),
      readString: (path, options) => one("readString", files.readString(path, options)),
      stream: files.stream,
      write: (path, content) => {
        sizes.push(content.length)
        return one("write", files.write(path, content))
      },
      list: (path) => one("list", files.list(path)),
      stat: (path) => one("stat", files.stat(path)),
      remove: (path) => one("remove", files.remove(path)),
      rename: (from, to) => one("rename", files.rename(from, to)),
      makeDir: (path) => one("makeDir", files.makeDir(path)),
      prepare: (all) => one("prepare", files.prepare(all)),
      watch: files.watch
    }
  }
  return { sandbox: watched, calls, sizes }
}

/** A server with a private repository, a cache folder, and `GitWorkspace` over them. */
export const setUp = Effect.fnUntraced(function* (
  options: Partial<GitWorkspace.Options> & { readonly anonymous?: boolean } = {}
) {
  const fs = yield* FileSystem.FileSystem
  const server: GitServer.GitServer = yield* GitServer.make({ token: canary })
  const cache = yield* fs.makeTempDirectoryScoped({ prefix: "git-cache-" })
  const { anonymous = false, ...rest } = options
  const git = yield* GitWorkspace.make({
    cache: { directory: cache },
    baseUrl: server.url,
    token: () => Effect.succeed(anonymous ? undefined : Redacted.make(canary)),
    host: { path: env["PATH"] },
    ...rest
  })
  const sandboxes = yield* Sandboxes.Sandboxes
  const sandbox = yield* sandboxes.create({ ttl: "10 minutes" })
  yield* server.createRepository("octo/hello", { protectedBranches: ["protected"] })
  const first = yield* server.commit("octo/hello", "main", {
    "README.md": "# Hello\n",
    "src/a file.txt": "one\n",
    "ünïcode ✓.txt": "two\n"
  })
  const clone = (more: Partial<GitWorkspace.CloneOptions> = {}) =>
    git.clone(sandbox, { repository: "octo/hello", dir: "work", ...more })
  /** Runs a program in the sandbox, in the working tree. */
  const sh = (script: string, cwd = "work"): Effect.Effect<Sandbox.ExecResult, SandboxError.SandboxError> =>
    sandbox.exec({
      script: `cd ${cwd} && ${script}`,
      env: {
        GIT_AUTHOR_NAME: "A",
        GIT_AUTHOR_EMAIL: "a@example.invalid",
        GIT_COMMITTER_NAME: "A",
        GIT_COMMITTER_EMAIL: "a@example.invalid",
        GIT_CONFIG_GLOBAL: "/dev/null"
      }
    })
  const out = (script: string, cwd?: string): Effect.Effect<string, SandboxError.SandboxError> =>
    Effect.map(sh(script, cwd), ({ exitCode, stderr, stdout }) =>
      exitCode === 0 ? stdout.trimEnd() : `exit ${exitCode}: ${stderr}`
    )
  return { git, server, sandbox, sandboxes, cache, first, clone, sh, out }
})

/** The tag of the reason with which it fails. */
export const reasonOf = <A, R>(effect: Effect.Effect<A, GitError.GitError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

/** One server of sandboxes for all tests of a file. */
const runtime = ManagedRuntime.make(Layer.fresh(Layer.merge(NodeServices.layer, LocalSandboxes.layer())))

afterAll(() => runtime.dispose())

/** What every test here stands on. */
export const layer: Layer.Layer<Sandboxes.Sandboxes | NodeServices.NodeServices, SandboxError.SandboxError> =
  Layer.effectContext(runtime.contextEffect)
