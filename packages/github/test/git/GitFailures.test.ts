import { byDefault, inRest } from "#test/once"
import { assert, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import { author, layer, reasonOf, setUp } from "../support/gitSupport.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 60_000 })

byDefault(it).live("refuses a push or pull that is not a fast-forward, unless an option allows it", () =>
  Effect.gen(function* () {
    const { clone, git, out, sandbox, server } = yield* setUp()
    const workspace = yield* clone()
    yield* sandbox.files.write("work/mine.txt", "mine")
    const mine = yield* git.commit(workspace, { message: "mine", author })
    const theirs = yield* server.commit("octo/hello", "main", { "theirs.txt": "theirs" })
    assert.strictEqual(yield* reasonOf(git.push(workspace, { branch: "main" })), "NonFastForward")
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "main"])).trim(), theirs)
    assert.strictEqual(yield* reasonOf(git.pull(workspace)), "NonFastForward")
    assert.strictEqual(yield* git.currentCommit(workspace), mine.commit)
    const merged = yield* git.pull(workspace, { onDiverged: "merge", author })
    assert.strictEqual(yield* out("git log --format=%P -n 1"), `${mine.commit} ${theirs}`)
    assert.strictEqual((yield* git.push(workspace, { branch: "main" })).commit, merged.commit)
    assert.strictEqual(yield* out("cat mine.txt theirs.txt"), "minetheirs")
  }).pipe(Effect.scoped, Effect.provide(layer))
)

byDefault(it).live(
  "a merge that conflicts and a pull over local changes name the files and change nothing",
  () =>
    Effect.gen(function* () {
      const { clone, git, out, sandbox, server } = yield* setUp()
      const workspace = yield* clone()
      yield* server.commit("octo/hello", "main", { "README.md": "# Theirs\n", "ünïcode ✓.txt": "theirs\n" })
      yield* sandbox.files.write("work/ünïcode ✓.txt", "local\n")
      yield* sandbox.files.write("work/src/a file.txt", "also local\n")
      const dirty = yield* Effect.flip(git.pull(workspace))
      assert.deepInclude(dirty.reason, { _tag: "Conflict", paths: ["ünïcode ✓.txt"] })
      assert.strictEqual(yield* out("cat 'ünïcode ✓.txt'"), "local")
      const mine = yield* git.commit(workspace, { message: "mine", author })
      const conflict = yield* Effect.flip(git.pull(workspace, { onDiverged: "merge" }))
      assert.deepInclude(conflict.reason, { _tag: "Conflict", paths: ["ünïcode ✓.txt"] })
      assert.strictEqual(yield* git.currentCommit(workspace), mine.commit)
      assert.deepStrictEqual((yield* git.status(workspace)).entries, [])
      assert.strictEqual(
        yield* reasonOf(git.checkout({ ...workspace, dir: "nowhere" }, "main")),
        "NotARepository"
      )
      // An untracked file in the way of one that comes.
      yield* sandbox.files.write("work/way.txt", "untracked\n")
      yield* git.restore(workspace, workspace.commit)
      yield* server.commit("octo/hello", "main", { "way.txt": "theirs\n" })
      const inTheWay = yield* Effect.flip(git.pull(workspace))
      assert.deepInclude(inTheWay.reason, { _tag: "Conflict", paths: ["way.txt"] })
      assert.strictEqual(yield* out("cat way.txt"), "untracked")
    }).pipe(Effect.scoped, Effect.provide(layer))
)

inRest(it).live("follows a branch that was replaced on the server when an option allows it", () =>
  Effect.gen(function* () {
    const { clone, first, git, server } = yield* setUp()
    yield* server.commit("octo/hello", "main", { "b.txt": "b" })
    const workspace = yield* clone()
    yield* server.git("octo/hello", ["update-ref", "refs/heads/main", first])
    const other = yield* server.commit("octo/hello", "main", { "c.txt": "c" })
    assert.strictEqual(yield* reasonOf(git.pull(workspace)), "NonFastForward")
    assert.deepInclude(yield* git.pull(workspace, { onDiverged: "reset" }), { commit: other })
    // Back to a commit that the sandbox has: nothing to send.
    yield* server.git("octo/hello", ["update-ref", "refs/heads/main", first])
    assert.deepInclude(yield* git.pull(workspace, { onDiverged: "reset" }), { commit: first })
    // Replaces with force, but only what it last saw.
    yield* git.commit(workspace, { message: "mine", author, allowEmpty: true })
    const theirs = yield* server.commit("octo/hello", "main", { "d.txt": "d" })
    assert.strictEqual(
      yield* reasonOf(git.push(workspace, { branch: "main", replaces: first })),
      "NonFastForward"
    )
    const diverged = yield* Effect.flip(git.pull(workspace))
    assert.deepInclude(diverged.reason, { _tag: "NonFastForward", commit: theirs })
    const { commit } = yield* git.push(workspace, { branch: "main", replaces: theirs })
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "main"])).trim(), commit)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

inRest(it).live("pushes all commits when the server has lost those that the sandbox builds on", () =>
  Effect.gen(function* () {
    const { cache, clone, git, out, server } = yield* setUp()
    const workspace = yield* clone()
    yield* git.commit(workspace, { message: "mine", author, allowEmpty: true })
    yield* server.git("octo/hello", ["update-ref", "-d", "refs/heads/main"])
    yield* server.git("octo/hello", ["prune", "--expire=now"])
    yield* out(`rm -rf ${cache}/*`, ".")
    const { commit } = yield* git.push(workspace, { branch: "main", to: "again" })
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "again"])).trim(), commit)
    assert.strictEqual((yield* server.git("octo/hello", ["rev-list", "--count", "again"])).trim(), "2")
    assert.strictEqual(yield* reasonOf(git.pull(workspace)), "RefNotFound")
  }).pipe(Effect.scoped, Effect.provide(layer))
)

inRest(it).live("names a protected branch, a detached head, an existing branch and a missing one", () =>
  Effect.gen(function* () {
    const { clone, first, git, server } = yield* setUp()
    const workspace = yield* clone()
    yield* git.createBranch(workspace, "protected")
    yield* git.commit(workspace, { message: "x", author, allowEmpty: true })
    const refused = yield* Effect.flip(git.push(workspace, { branch: "protected" }))
    assert.deepInclude(refused.reason, { _tag: "ProtectedBranch", branch: "protected" })
    assert.include(refused.message, "pull request")
    assert.strictEqual(yield* reasonOf(git.createBranch(workspace, "main")), "BranchExists")
    assert.strictEqual(yield* reasonOf(git.createBranch(workspace, "new", "nowhere")), "RefNotFound")
    assert.strictEqual(yield* reasonOf(git.push(workspace, { branch: "nowhere" })), "RefNotFound")
    assert.strictEqual(yield* reasonOf(git.restore(workspace, "0".repeat(40))), "RefNotFound")
    assert.strictEqual(yield* reasonOf(git.restore(workspace, "main")), "InvalidName")
    yield* git.checkout(workspace, first)
    assert.strictEqual(yield* reasonOf(git.pull(workspace)), "DetachedHead")
    server.tokens.set(server.tokens.keys().next().value ?? "", { write: false })
    yield* git.createBranch(workspace, "mine", "main")
    assert.strictEqual(yield* reasonOf(git.push(workspace, { branch: "mine" })), "PermissionDenied")
    server.tokens.clear()
    assert.strictEqual(yield* reasonOf(git.push(workspace, { branch: "mine" })), "AuthenticationFailed")
  }).pipe(Effect.scoped, Effect.provide(layer))
)

byDefault(it).live("reports why a repository cannot be reached", () =>
  Effect.gen(function* () {
    const { clone, server } = yield* setUp()
    assert.strictEqual(yield* reasonOf(clone({ repository: "octo/nothing" })), "RepositoryNotFound")
    assert.strictEqual(yield* reasonOf(clone({ repository: "../etc" })), "InvalidName")
    assert.strictEqual(yield* reasonOf(clone({ repository: "octo/hello", ref: "a..b" })), "InvalidName")
    server.tokens.clear()
    assert.strictEqual(yield* reasonOf(clone()), "AuthenticationFailed")
    const { clone: unreachable } = yield* setUp({ baseUrl: "http://127.0.0.1:1" })
    const error = yield* Effect.flip(unreachable())
    assert.strictEqual(error.reason._tag, "Unreachable")
    assert.isTrue(error.isRetryable)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

byDefault(it).live("refuses files that the server would refuse, before anything is pushed", () =>
  Effect.gen(function* () {
    const { clone, git, sandbox, server } = yield* setUp({ largestFile: 1000 })
    const workspace = yield* clone()
    yield* sandbox.files.write("work/a large file.bin", "x".repeat(1001))
    yield* git.commit(workspace, { message: "large", author })
    // Also when a later commit takes it away again: the server gets both.
    yield* sandbox.files.remove("work/a large file.bin")
    yield* git.commit(workspace, { message: "not large", author })
    const before = server.requests.length
    const { reason } = yield* Effect.flip(git.push(workspace, { branch: "main" }))
    assert.deepInclude(reason, {
      _tag: "FileTooLarge",
      path: "a large file.bin",
      bytes: 1001,
      limitBytes: 1000
    })
    assert.strictEqual(server.requests.length, before)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

byDefault(it).live("limits the size of one transfer", () =>
  Effect.gen(function* () {
    const { clone, sandbox } = yield* setUp({ largestTransfer: 100 })
    assert.strictEqual(yield* reasonOf(clone()), "TooLarge")
    assert.strictEqual((yield* sandbox.exec({ argv: ["test", "-e", "work"] })).exitCode, 1)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"ab".repeat(32)}\nsize 12345\n`

inRest(it).live("judges Git LFS and submodules by the files of a commit, not by rules without a file", () =>
  Effect.gen(function* () {
    const { clone, first, out, server } = yield* setUp()
    yield* server.commit("octo/hello", "main", {
      ".gitattributes":
        "# *.psd filter=lfs diff=lfs merge=lfs -text\n*.iso filter=lfs diff=lfs merge=lfs -text\n",
      ".gitmodules": '[submodule "gone"]\n\tpath = gone\n\turl = https://example.invalid/gone.git\n',
      "fixtures/.gitattributes": "*.bin filter=lfs\n",
      "fixtures/a.bin": "the content itself\n",
      "docs/pointer.txt": pointer
    })
    // A link that is not declared: no clone could ever fetch it.
    yield* server.git(
      "octo/hello",
      ["fast-import", "--quiet", "--force"],
      `commit refs/heads/main\ncommitter S <s@example.invalid> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\nM 160000 ${first} orphan\n`
    )
    for (const mode of ["relay", "credential"] as const) {
      yield* clone({ mode, dir: mode })
      assert.strictEqual(
        yield* out("cat fixtures/a.bin docs/pointer.txt; ls orphan", mode),
        `the content itself\n${pointer.trimEnd()}`
      )
      assert.strictEqual(yield* out("git status --porcelain; ls .git | grep remote-agent; :", mode), "")
    }
  }).pipe(Effect.scoped, Effect.provide(layer))
)

inRest(it).live("refuses submodules and Git LFS unless an option allows them", () =>
  Effect.gen(function* () {
    const { clone, first, git, out, server } = yield* setUp()
    yield* server.git("octo/hello", ["branch", "sub", first])
    yield* server.git("octo/hello", ["branch", "big", first])
    yield* server.git(
      "octo/hello",
      ["fast-import", "--quiet", "--force"],
      `commit refs/heads/sub\ncommitter S <s@example.invalid> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/sub^0\nM 160000 ${first} lib/deep sub\nM 100644 inline .gitmodules\ndata 66\n[submodule "s"]\n\tpath = lib/deep sub\n\turl = --upload-pack=touch pwn\n`.replace(
        "data 66",
        `data ${'[submodule "s"]\n\tpath = lib/deep sub\n\turl = --upload-pack=touch pwn\n'.length}`
      )
    )
    yield* server.commit("octo/hello", "big", {
      "assets/.gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
      "assets/a.bin": pointer,
      "assets/b c.bin": pointer,
      "plain.bin": pointer
    })
    for (const mode of ["relay", "credential"] as const) {
      const sub = yield* Effect.flip(clone({ ref: "sub", mode }))
      assert.deepInclude(sub.reason, { _tag: "SubmodulesFound", paths: ["lib/deep sub"] })
      const big = yield* Effect.flip(clone({ ref: "big", mode }))
      assert.deepInclude(big.reason, { _tag: "LfsFound", paths: ["assets/a.bin", "assets/b c.bin"] })
      assert.strictEqual(yield* out("ls", "."), "")
    }
    const workspace = yield* clone({ ref: "sub", submodules: "ignore" })
    assert.strictEqual(yield* out("ls -A 'lib/deep sub'; ls"), "README.md\nlib\nsrc\nünïcode ✓.txt")
    assert.strictEqual(
      yield* reasonOf(git.checkout({ ...workspace, submodules: "ignore" }, "big")),
      "LfsFound"
    )
    yield* git.checkout({ ...workspace, lfs: "pointers" }, "big")
    assert.include(yield* out("cat assets/a.bin"), "git-lfs.github.com")
  }).pipe(Effect.scoped, Effect.provide(layer))
)
