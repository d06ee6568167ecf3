import { NodeServices } from "@effect/platform-node"
import { assert, it, vi } from "@effect/vitest"
import { Profile } from "@remote-agent/domain"
import { GitWorkspace } from "@remote-agent/github"
import { AgentRuntime } from "@remote-agent/orchestrator"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Effect, FileSystem, Layer } from "effect"
import { execFileSync } from "node:child_process"
import { env } from "node:process"
import * as GitServer from "../../../github/test/support/gitServer.ts"
import * as AgentRepository from "../../src/agents/AgentRepository.ts"
import { tiny } from "../support/support.ts"

// Real processes take as long as the machine needs.
vi.setConfig({ testTimeout: 120_000 })

const layer = Layer.fresh(Layer.mergeAll(AgentRuntime.layer, LocalSandboxes.layer(), NodeServices.layer))

it.live("an asset of the profile in the work folder goes together with a repository", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const server = yield* GitServer.make()
    yield* server.createRepository("octo/hello")
    const commit = yield* server.commit("octo/hello", "main", { "README.md": "hello\n" })
    const git = yield* GitWorkspace.make({
      cache: { directory: yield* fs.makeTempDirectoryScoped() },
      baseUrl: server.url,
      token: () => Effect.succeed(server.token),
      host: { path: env["PATH"] }
    })
    const profile = new Profile.Profile({
      ...tiny,
      assets: [new Profile.Asset({ path: "{work}/.agent/settings.json", content: "{}" })]
    })
    const sandbox = yield* (yield* Sandboxes.Sandboxes).create({ ttl: "10 minutes" })
    const place = yield* (yield* AgentRuntime.AgentRuntime).prepareFiles(sandbox, profile)
    const cloned = yield* AgentRepository.clone(git, place, { url: `${server.url}/octo/hello` })
    assert.strictEqual(cloned.commit, commit)
    const { work } = Profile.placeholders(profile, place.home)
    assert.strictEqual(yield* sandbox.files.readString(`${work}/.agent/settings.json`), "{}")
    const workspace = AgentRepository.workspaceOf(place, { owner: "octo", name: "hello" }, "relay")
    assert.deepStrictEqual((yield* git.status(workspace)).entries, [])
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live(
  "a repository in a folder of this machine is cloned with its refs, and what is not committed stays here",
  () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const run = (...args: ReadonlyArray<string>) =>
        execFileSync("git", ["-C", folder, "-c", "user.name=A", "-c", "user.email=a@h.test", ...args], {
          encoding: "utf8"
        }).trim()
      run("init", "--quiet", "-b", "main")
      yield* fs.writeFileString(`${folder}/a.txt`, "one\n")
      run("add", ".")
      run("commit", "--quiet", "-m", "one")
      run("tag", "first")
      yield* fs.writeFileString(`${folder}/a.txt`, "two\n")
      run("commit", "--quiet", "-am", "two")
      yield* fs.writeFileString(`${folder}/a.txt`, "not committed\n")
      const git = yield* GitWorkspace.make({
        cache: { directory: yield* fs.makeTempDirectoryScoped() },
        token: () => Effect.succeed(undefined),
        host: { path: env["PATH"] }
      })
      const { prepareFiles } = yield* AgentRuntime.AgentRuntime
      for (const [ref, text] of [
        [undefined, "two\n"],
        ["first", "one\n"]
      ] as const) {
        const sandbox = yield* (yield* Sandboxes.Sandboxes).create({ ttl: "10 minutes" })
        const place = yield* prepareFiles(sandbox, tiny)
        const { work } = Profile.placeholders(tiny, place.home)
        const url = `file://${folder}`
        const cloned = yield* AgentRepository.clone(git, place, {
          url,
          ...(ref === undefined ? {} : { ref })
        })
        assert.deepStrictEqual(
          [cloned.url, cloned.commit],
          [url, run("rev-parse", `${ref ?? "HEAD"}^{commit}`)]
        )
        assert.strictEqual(yield* sandbox.files.readString(`${work}/a.txt`), text)
        const { stdout } = yield* sandbox.exec({ argv: ["git", "-C", work, "branch", "--show-current"] })
        assert.strictEqual(stdout.trim(), "remote-agent")
        const unknown = yield* Effect.flip(AgentRepository.clone(git, place, { url, ref: "missing" }))
        assert.strictEqual(unknown.reason._tag, "InvalidName")
      }
    }).pipe(Effect.scoped, Effect.provide(layer))
)
