import { byDefault, inRest } from "#test/once"
import { assert, it, vi } from "@effect/vitest"
import { Effect, Fiber, FileSystem } from "effect"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { DatabaseSync } from "node:sqlite"
import { promisify } from "node:util"
import { author, counted, layer, reasonOf, setUp } from "../support/gitSupport.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 120_000 })

byDefault(it).live("clones a private repository, commits and pushes, and pulls what others pushed", () =>
  Effect.gen(function* () {
    const { clone, first, git, out, server, sandbox } = yield* setUp()
    const workspace = yield* clone()
    assert.deepInclude(workspace, { branch: "main", commit: first, mode: "relay" })
    assert.strictEqual(yield* out("cat 'src/a file.txt' 'ünïcode ✓.txt'"), "one\ntwo")
    assert.strictEqual(yield* out("git remote get-url origin"), `${server.url}/octo/hello.git`)
    assert.strictEqual(yield* out("git status -sb"), "## main...origin/main")

    assert.strictEqual(
      yield* reasonOf(git.commit(workspace, { message: "nothing", author })),
      "NothingToCommit"
    )
    yield* sandbox.files.write("work/new file.txt", "new\n")
    yield* sandbox.files.write("work/README.md", "# Changed\n")
    const status = yield* git.status(workspace)
    assert.strictEqual(status.branch, "main")
    assert.deepStrictEqual(
      status.entries.map(({ path, staged, unstaged }) => [path, staged, unstaged]),
      [
        ["README.md", ".", "M"],
        ["new file.txt", ".", "?"]
      ]
    )
    const diff = yield* git.diff(workspace)
    assert.deepStrictEqual(diff.files, [{ status: "M", path: "README.md" }])
    assert.include(diff.patch, "+# Changed")

    yield* git.createBranch(workspace, "agent/work")
    const message = "A subject\n\n# not a comment\n  body with trailing spaces   \n\n\n"
    const made = yield* git.commit(workspace, { message, author })
    assert.deepStrictEqual(yield* git.push(workspace, { branch: "agent/work" }), {
      branch: "agent/work",
      commit: made.commit
    })
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "agent/work"])).trim(), made.commit)
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "main"])).trim(), first)
    const [last] = yield* git.log(workspace, { limit: 1 })
    assert.deepInclude(last, { commit: made.commit, parents: [first], author, message })
    assert.strictEqual(yield* out("git status -sb"), "## agent/work...origin/agent/work")
    // What the server has already is a success.
    assert.strictEqual((yield* git.push(workspace, { branch: "agent/work" })).commit, made.commit)

    yield* git.checkout(workspace, "main")
    const second = yield* server.commit("octo/hello", "main", { "b.txt": "b\n" })
    assert.deepStrictEqual(yield* git.pull(workspace), {
      branch: "main",
      commit: second,
      before: first,
      seen: { branch: "main", commit: second }
    })
    assert.strictEqual(yield* out("cat b.txt"), "b")
    assert.strictEqual(yield* git.currentCommit(workspace), second)
    assert.deepStrictEqual(yield* git.restore(workspace, first), { branch: "main", commit: first })
    assert.strictEqual(yield* out("ls"), "README.md\nsrc\nünïcode ✓.txt")
    assert.strictEqual(yield* out("ls -A ../.cache/remote-agent"), "")
  }).pipe(Effect.scoped, Effect.provide(layer))
)

/** Bytes that do not compress. */
const noise = (length: number): Uint8Array =>
  createHash("shake256", { outputLength: length }).update("noise").digest()

byDefault(it).live("a pull takes at most three trips to the sandbox, and one when there is nothing new", () =>
  Effect.gen(function* () {
    const { clone, git, sandbox, server } = yield* setUp()
    const first = yield* server.commit("octo/hello", "main", { "large.bin": noise(100_000) })
    const workspace = yield* clone()
    const { calls, sandbox: watched, sizes } = counted(sandbox)
    const place = { ...workspace, sandbox: watched }
    assert.strictEqual((yield* git.pull(place)).commit, first)
    assert.deepStrictEqual(calls.splice(0), ["exec"])
    const second = yield* server.commit("octo/hello", "main", { "b.txt": "b\n" })
    assert.strictEqual((yield* git.pull(place)).commit, second)
    assert.deepStrictEqual(calls.splice(0), ["exec", "write", "exec"])
    assert.isBelow(sizes[0] ?? Number.NaN, 2000)
    yield* sandbox.files.write("work/c.txt", "c")
    yield* git.commit(place, { message: "c", author })
    calls.splice(0)
    yield* git.push(place, { branch: "main" })
    assert.deepStrictEqual(calls.splice(0), ["exec", "read", "exec"])
    const cloning = counted(sandbox)
    yield* git.clone(cloning.sandbox, { repository: "octo/hello", dir: "other" })
    assert.deepStrictEqual(cloning.calls, ["write", "exec"])
  }).pipe(Effect.scoped, Effect.provide(layer))
)

inRest(it).live("clones a part of the history, and pulls into it what an older commit had", () =>
  Effect.gen(function* () {
    const { cache, clone, git, out, server } = yield* setUp()
    const fs = yield* FileSystem.FileSystem
    yield* server.commit("octo/hello", "main", { "old.txt": "an old file\n" })
    yield* server.commit("octo/hello", "main", { "old.txt": null })
    const tip = yield* server.commit("octo/hello", "main", { "b.txt": "b\n" })
    const workspace = yield* clone({ depth: 1 })
    assert.strictEqual(workspace.commit, tip)
    assert.strictEqual(
      yield* out("git rev-list --count HEAD; git rev-parse --is-shallow-repository"),
      "1\ntrue"
    )
    // With a bitmap, git knows everything that a commit stands on, and would leave it out.
    const [copy = ""] = yield* fs.readDirectory(cache)
    yield* Effect.promise(() =>
      promisify(execFile)("git", [`--git-dir=${cache}/${copy}/git`, "repack", "-a", "-d", "-q", "-b"])
    )
    // The file is in the history that the sandbox does not have.
    const next = yield* server.commit("octo/hello", "main", { "old.txt": "an old file\n" })
    assert.strictEqual((yield* git.pull(workspace)).commit, next)
    assert.strictEqual(
      yield* out("cat old.txt && git fsck --connectivity-only 2>&1 && git status --porcelain"),
      "an old file"
    )
    yield* git.commit(workspace, { message: "empty", author, allowEmpty: true })
    const pushed = yield* git.push(workspace, { branch: "main", to: "from-shallow" })
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "from-shallow~1"])).trim(), next)
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "from-shallow"])).trim(), pushed.commit)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

byDefault(it).live("clones a branch, a tag and a commit, and checks out what has to be fetched first", () =>
  Effect.gen(function* () {
    const { clone, first, git, server } = yield* setUp()
    const second = yield* server.commit("octo/hello", "feature/x", { "x.txt": "x\n" })
    yield* server.git("octo/hello", ["tag", "-a", "-m", "a tag", "v1", first])
    const deep = yield* clone({ dir: "a", ref: "feature/x", depth: 1 })
    assert.deepInclude(deep, { branch: "feature/x", commit: second })
    assert.deepInclude(yield* clone({ dir: "b", ref: "v1" }), { branch: undefined, commit: first })
    assert.deepInclude(yield* clone({ dir: "c", ref: second }), { branch: undefined, commit: second })
    assert.deepStrictEqual(yield* git.checkout(deep, "main"), { branch: "main", commit: first })
    assert.deepStrictEqual(yield* git.checkout(deep, "v1"), { branch: undefined, commit: first })
    const third = yield* server.commit("octo/hello", "late", { "l.txt": "l\n" })
    assert.deepStrictEqual(yield* git.checkout(deep, third), { branch: undefined, commit: third })
    assert.deepStrictEqual(yield* git.checkout(deep, "late"), { branch: "late", commit: third })
    assert.strictEqual(yield* reasonOf(git.checkout(deep, "nowhere")), "RefNotFound")
    assert.strictEqual(yield* reasonOf(git.checkout(deep, "--force")), "InvalidName")
    assert.strictEqual(yield* reasonOf(clone({ dir: "d", ref: "nowhere" })), "RefNotFound")
    assert.strictEqual(yield* reasonOf(clone({ dir: "a" })), "FolderNotEmpty")
    assert.strictEqual(yield* git.currentCommit(deep), third)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

inRest(it).live("clones a public repository directly, without a token and without the host", () =>
  Effect.gen(function* () {
    const { clone, git, out, sandbox, server } = yield* setUp({ anonymous: true })
    yield* server.createRepository("octo/open", { private: false })
    const first = yield* server.commit("octo/open", "main", { "a.txt": "a\n" })
    const workspace = yield* clone({ repository: "octo/open" })
    assert.deepInclude(workspace, { mode: "direct", branch: "main", commit: first })
    assert.strictEqual(yield* out("cat a.txt && git status -sb"), "a\n## main...origin/main")
    assert.deepInclude(yield* clone({ repository: "octo/open", dir: "c", ref: first }), { commit: first })
    assert.deepInclude(yield* clone({ repository: "octo/open", dir: "e", ref: "main", depth: 1 }), {
      commit: first
    })
    const second = yield* server.commit("octo/open", "main", { "b.txt": "b\n" })
    assert.strictEqual((yield* git.pull(workspace)).commit, second)
    assert.strictEqual(
      yield* reasonOf(clone({ repository: "octo/open", dir: "d", ref: "nowhere" })),
      "RefNotFound"
    )
    assert.strictEqual((yield* sandbox.exec({ argv: ["test", "-e", "d"] })).exitCode, 1)
    yield* git.commit(workspace, { message: "x", author, allowEmpty: true })
    assert.strictEqual(yield* reasonOf(git.push(workspace, { branch: "main" })), "AuthenticationFailed")
    assert.strictEqual(yield* reasonOf(clone({ dir: "p" })), "AuthenticationFailed")
    assert.strictEqual(yield* reasonOf(clone({ dir: "p", mode: "relay" })), "AuthenticationFailed")
  }).pipe(Effect.scoped, Effect.provide(layer))
)

byDefault(it).live("two sandboxes that pull at once share one cache, and fetch the commits once", () =>
  Effect.gen(function* () {
    const { clone, git, sandboxes, server } = yield* setUp()
    const one = yield* clone()
    const sandbox = yield* sandboxes.create({ ttl: "10 minutes" })
    const two = yield* git.clone(sandbox, { repository: "octo/hello", dir: "work" })
    const next = yield* server.commit("octo/hello", "main", { "b.txt": "b\n" })
    const before = server.requests.length
    const pulled = yield* Effect.all([git.pull(one), git.pull(two)], { concurrency: 2 })
    assert.deepStrictEqual(
      pulled.map(({ commit }) => commit),
      [next, next]
    )
    const packs = server.requests.slice(before).filter(({ method }) => method === "POST")
    // Each asks what there is (ls-refs); one of them asks for a pack.
    assert.strictEqual(packs.length, 3)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

byDefault(it).live("a copy is locked against other processes while it is used, and free afterwards", () =>
  Effect.gen(function* () {
    const { cache, clone, git, server } = yield* setUp()
    const fs = yield* FileSystem.FileSystem
    const workspace = yield* clone()
    const [copy = ""] = yield* fs.readDirectory(cache)
    const isFree = () => {
      const database = new DatabaseSync(`${cache}/${copy}/lock`, { timeout: 0 })
      try {
        database.exec("BEGIN EXCLUSIVE")
        return true
      } catch {
        return false
      } finally {
        database.close()
      }
    }
    const seen: Array<boolean> = []
    server.before = () => Promise.resolve(void seen.push(isFree()))
    yield* server.commit("octo/hello", "main", { "b.txt": "b" })
    yield* git.pull(workspace)
    assert.deepStrictEqual(new Set(seen), new Set([false]))
    assert.isTrue(isFree())
    // What a git that was killed has left is in nobody's way.
    yield* fs.writeFileString(`${cache}/${copy}/git/packed-refs.lock`, "")
    yield* fs.writeFileString(`${cache}/${copy}/git/refs/heads/main.lock`, "")
    const next = yield* server.commit("octo/hello", "main", { "c.txt": "c" })
    assert.strictEqual((yield* git.pull(workspace)).commit, next)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

byDefault(it).live("an interrupted transfer leaves no process, no lock, no half of a clone", () =>
  Effect.gen(function* () {
    const { cache, clone, out, server } = yield* setUp()
    const fs = yield* FileSystem.FileSystem
    const [arrived, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    server.before = async ({ method }) => {
      if (method !== "POST") return
      arrived.resolve()
      await goOn.promise
    }
    const fiber = yield* Effect.forkChild(clone())
    yield* Effect.promise(() => arrived.promise)
    yield* Fiber.interrupt(fiber)
    server.before = undefined
    goOn.resolve()
    const left = (yield* fs.readDirectory(cache, { recursive: true })).filter((name) =>
      name.endsWith(".lock")
    )
    assert.deepStrictEqual(left, [])
    assert.strictEqual(yield* out("ls", "."), "")
    assert.strictEqual((yield* clone()).branch, "main")
  }).pipe(Effect.scoped, Effect.provide(layer))
)

byDefault(it).live("clones into a folder with only placed files, which stay and are never committed", () =>
  Effect.gen(function* () {
    const { clone, git, out, sandbox, server } = yield* setUp()
    const placed = ["settings/a [1]*.json", "AGENTS.md", "README.md", "trailing "]
    for (const mode of ["relay", "credential"] as const) {
      const dir = `work-${mode}`
      const at = (path: string) => `${dir}/${path}`
      for (const path of placed) yield* sandbox.files.write(at(path), "placed\n")
      assert.strictEqual(yield* reasonOf(clone({ dir, mode })), "FolderNotEmpty")
      yield* sandbox.files.write(at("mine.txt"), "mine\n")
      assert.strictEqual(yield* reasonOf(clone({ dir, mode, placed })), "FolderNotEmpty")
      yield* sandbox.files.remove(at("mine.txt"))
      // A clone that fails leaves the folder as it was.
      assert.strictEqual(yield* reasonOf(clone({ dir, mode, placed, ref: "nowhere" })), "RefNotFound")
      assert.strictEqual(
        yield* out("find . -type f | sort; cat README.md", dir),
        "./AGENTS.md\n./README.md\n./settings/a [1]*.json\n./trailing \nplaced"
      )
      const workspace = yield* clone({ dir, mode, placed })
      assert.strictEqual(
        yield* out("cat AGENTS.md README.md 'settings/a [1]*.json'", dir),
        "placed\n# Hello\nplaced"
      )
      assert.deepStrictEqual((yield* git.status(workspace)).entries, [])
      yield* sandbox.files.write(at("settings/a 1.json"), "new\n")
      const { commit } = yield* git.commit(workspace, { message: "new", author })
      assert.strictEqual(yield* out(`git show --format= --name-only ${commit}`, dir), "settings/a 1.json")
    }
    assert.strictEqual(yield* reasonOf(clone({ dir: "x", placed: ["../y"] })), "InvalidName")
    assert.strictEqual(yield* reasonOf(clone({ dir: "x", placed: ["a\nb"] })), "InvalidName")
    assert.isAbove(server.requests.length, 0)
  }).pipe(Effect.scoped, Effect.provide(layer))
)
