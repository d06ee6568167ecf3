import { assert, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import { author, layer, setUp } from "../support/gitSupport.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 120_000 })

const message = "work"

it.live("refuses a nested repository, with or without commits, and names it", () =>
  Effect.gen(function* () {
    const { clone, first, git, out, sandbox, server } = yield* setUp()
    const workspace = yield* clone()
    yield* sandbox.files.write("work/new.txt", "new")
    yield* out("git init -q 'vendor/a lib' && cd 'vendor/a lib' && git commit -q --allow-empty -m x")
    yield* out("git init -q empty")
    const refused = yield* Effect.flip(git.commit(workspace, { message, author }))
    assert.deepInclude(refused.reason, {
      _tag: "NestedRepositories",
      paths: ["empty", "vendor/a lib"]
    })
    assert.include(refused.message, "vendor/a lib")
    assert.strictEqual(yield* git.currentCommit(workspace), first)
    assert.strictEqual(yield* out("git diff --cached --name-only"), "")
    // Only what is committed matters.
    yield* git.commit(workspace, { message, author, paths: ["new.txt"] })
    // An ignored one does not matter either.
    yield* out("printf 'vendor/\\nempty/\\n' >.gitignore")
    const { commit } = yield* git.commit(workspace, { message, author })
    assert.strictEqual((yield* git.push(workspace, { branch: "main" })).commit, commit)
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "main"])).trim(), commit)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("refuses to push a link to a repository that the agent committed itself, unless it is allowed", () =>
  Effect.gen(function* () {
    for (const mode of ["relay", "credential"] as const) {
      const { clone, git, out, server } = yield* setUp()
      const workspace = yield* clone({ mode })
      yield* out(
        "git init -q lib && git -C lib commit -q --allow-empty -m x && git add -A && git commit -q -m own"
      )
      const refused = yield* Effect.flip(git.push(workspace, { branch: "main" }))
      assert.deepInclude(refused.reason, { _tag: "NestedRepositories", paths: ["lib"] })
      const { commit } = yield* git.push(workspace, { branch: "main", allowNestedRepositories: true })
      assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "main"])).trim(), commit)
      // The server has it now, so later pushes are not about it.
      yield* git.commit(workspace, { message, author, allowEmpty: true })
      yield* git.push(workspace, { branch: "main" })
      // Nobody can fetch what the link points to, so that a clone is not refused for it.
      const again = yield* clone({ dir: "again", mode })
      assert.strictEqual(again.branch, "main")
    }
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("refuses conflict markers in changed files, and accepts files that only resemble them", () =>
  Effect.gen(function* () {
    const { clone, git, out, sandbox, server } = yield* setUp()
    yield* server.commit("octo/hello", "main", {
      "docs/merge.md": "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> main\n"
    })
    const workspace = yield* clone()
    const markers = "a\n<<<<<<< HEAD\nmine\n=======\ntheirs\n>>>>>>> feature\n"
    yield* sandbox.files.write("work/title.rst", "Title\n=======\n\n<<<<<<< not one\n")
    yield* out("printf 'more\\n' >>docs/merge.md")
    yield* git.commit(workspace, { message, author })
    yield* sandbox.files.write("work/src/a file.txt", markers)
    yield* sandbox.files.write("work/windows.txt", markers.replaceAll("\n", "\r\n"))
    const refused = yield* Effect.flip(git.commit(workspace, { message, author }))
    assert.deepInclude(refused.reason, {
      _tag: "ConflictMarkers",
      paths: ["src/a file.txt", "windows.txt"]
    })
    assert.strictEqual(yield* out("git diff --cached --name-only"), "")
    // The agent's own commit is refused by the push.
    yield* out("git add -A && git commit -q -m own")
    for (const mode of ["relay", "credential"] as const) {
      const pushed = yield* Effect.flip(git.push({ ...workspace, mode }, { branch: "main" }))
      assert.strictEqual(pushed.reason._tag, "ConflictMarkers")
    }
    yield* git.push(workspace, { branch: "main", allowConflictMarkers: true })
    yield* sandbox.files.write("work/other.txt", markers)
    yield* git.commit(workspace, { message, author, allowConflictMarkers: true })
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("refuses while a merge, rebase, cherry-pick or revert has stopped, and names it", () =>
  Effect.gen(function* () {
    const { clone, git, out, sandbox } = yield* setUp()
    const workspace = yield* clone()
    yield* git.createBranch(workspace, "other")
    yield* sandbox.files.write("work/README.md", "other\n")
    yield* git.commit(workspace, { message, author })
    yield* git.checkout(workspace, "main")
    yield* sandbox.files.write("work/README.md", "mine\n")
    yield* git.commit(workspace, { message, author })
    const before = yield* git.currentCommit(workspace)
    const stops = [
      ["merge", "git merge -q other"],
      ["rebase", "git rebase -q other"],
      ["rebase", "git rebase -q --apply other"],
      ["cherry-pick", "git cherry-pick other"],
      ["revert", "git revert --no-edit other"]
    ] as const
    for (const [name, start] of stops) {
      yield* out(`${start} >/dev/null 2>&1; :`)
      // Also when the conflict is resolved: the agent must finish what it started.
      yield* sandbox.files.write("work/README.md", "resolved\n")
      const commit = yield* Effect.flip(git.commit(workspace, { message, author }))
      assert.deepInclude(commit.reason, { _tag: "OperationInProgress", name })
      const push = yield* Effect.flip(git.push(workspace, { branch: "main" }))
      assert.deepInclude(push.reason, { _tag: "OperationInProgress", name })
      if (name === "merge") {
        const merged = yield* git.commit(workspace, { message, author, allowInProgress: true })
        assert.include(yield* out("git log -1 --format=%P"), " ")
        yield* out(`git reset -q --hard ${before}`)
        assert.notStrictEqual(merged.commit, before)
      } else yield* out(`git ${name} --abort`)
      assert.strictEqual(yield* git.currentCommit(workspace), before)
    }
    yield* git.push(workspace, { branch: "main" })
  }).pipe(Effect.scoped, Effect.provide(layer))
)
