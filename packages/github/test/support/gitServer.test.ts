import { NodeServices } from "@effect/platform-node"
import { assert, it, vi } from "@effect/vitest"
import { Effect, FileSystem, Redacted } from "effect"
import { execFile } from "node:child_process"
import { env } from "node:process"
import { promisify } from "node:util"
import * as GitServer from "./gitServer.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 60_000 })

const git = (args: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const options = {
      env: {
        PATH: env["PATH"] ?? "",
        HOME: "/nonexistent",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_TERMINAL_PROMPT: "0",
        LC_ALL: "C"
      }
    }
    const identity = ["-c", "user.name=T", "-c", "user.email=t@example.invalid"]
    return await promisify(execFile)("git", [...identity, ...args], options).then(
      ({ stderr, stdout }) => ({ ok: true, text: stdout + stderr }),
      (error: { readonly stderr: string; readonly stdout: string }) => ({
        ok: false,
        text: error.stdout + error.stderr
      })
    )
  })

const withToken = (url: string, token: string) => url.replace("http://", `http://x-access-token:${token}@`)

it.live("serves a private repository only with a token for it", () =>
  Effect.gen(function* () {
    const server = yield* GitServer.make()
    yield* server.createRepository("octo/secret")
    const commit = yield* server.commit("octo/secret", "main", { "a file.txt": "hello\n", ä: "umlaut" })
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const none = yield* git(["ls-remote", `${server.url}/octo/secret.git`])
    assert.isFalse(none.ok)
    const wrong = yield* git(["ls-remote", `${withToken(server.url, "wrong")}/octo/secret.git`])
    assert.include(wrong.text, "Authentication failed")
    const url = withToken(server.url, Redacted.value(server.token))
    assert.include((yield* git(["ls-remote", `${url}/octo/secret.git`])).text, commit)
    assert.include((yield* git(["ls-remote", `${url}/octo/nothing`])).text, "Repository not found")
    assert.isTrue((yield* git(["clone", "--quiet", `${url}/octo/secret`, `${folder}/work`])).ok)
    assert.strictEqual(yield* fs.readFileString(`${folder}/work/ä`), "umlaut")
    yield* git(["-C", `${folder}/work`, "commit", "--allow-empty", "-m", "empty"])
    assert.isTrue((yield* git(["-C", `${folder}/work`, "push", "origin", "HEAD:refs/heads/new"])).ok)
    assert.strictEqual((yield* server.git("octo/secret", ["rev-parse", "new~1"])).trim(), commit)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)

it.live("serves a public repository to all clients, and accepts pushes only with write access", () =>
  Effect.gen(function* () {
    const server = yield* GitServer.make()
    yield* server.createRepository("octo/open", { private: false, protectedBranches: ["main"] })
    server.tokens.set("reader", { write: false })
    yield* server.commit("octo/open", "main", { a: "1" })
    const fs = yield* FileSystem.FileSystem
    const work = `${yield* fs.makeTempDirectoryScoped()}/work`
    assert.isTrue((yield* git(["clone", "--quiet", `${server.url}/octo/open`, work])).ok)
    yield* git(["-C", work, "commit", "--allow-empty", "-m", "empty"])
    const push = (base: string, branch: string) =>
      git(["-C", work, "push", "--porcelain", `${base}/octo/open`, `HEAD:refs/heads/${branch}`])
    assert.isFalse((yield* push(server.url, "b")).ok)
    assert.include((yield* push(withToken(server.url, "reader"), "b")).text, "error: 403")
    const url = withToken(server.url, Redacted.value(server.token))
    assert.isTrue((yield* push(url, "b")).ok)
    const refused = yield* push(url, "main")
    assert.isFalse(refused.ok)
    assert.include(refused.text, "GH006: Protected branch update failed for refs/heads/main")
    assert.include(refused.text, "[remote rejected] (protected branch hook declined)")
    assert.isAbove(server.requests.filter(({ status }) => status === 200).length, 0)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)
