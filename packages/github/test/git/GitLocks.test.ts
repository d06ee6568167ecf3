import { assert, it, vi } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { author, layer, setUp } from "../support/gitSupport.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 120_000 })

const message = "work"

it.live("continues after a killed git left its locks", () =>
  Effect.gen(function* () {
    const { clone, git, out, sandbox, server } = yield* setUp()
    const workspace = yield* clone()
    const locks = (...names: ReadonlyArray<string>) =>
      out(`for lock in ${names.join(" ")}; do : >.git/$lock && touch -d '1 minute ago' .git/$lock; done`)
    yield* locks("index.lock", "HEAD.lock", "refs/heads/main.lock", "config.lock")
    yield* sandbox.files.write("work/new.txt", "new")
    yield* git.commit(workspace, { message, author })
    yield* locks("refs/remotes/origin/main.lock", "packed-refs.lock", "shallow.lock")
    yield* git.push(workspace, { branch: "main" })
    const theirs = yield* server.commit("octo/hello", "main", { "theirs.txt": "x" })
    yield* locks("index.lock", "refs/remotes/origin/main.lock", "ORIG_HEAD.lock")
    assert.strictEqual((yield* git.pull(workspace)).commit, theirs)
    yield* locks("index.lock", "HEAD.lock")
    yield* git.createBranch(workspace, "mine")
    yield* locks("index.lock", "HEAD.lock")
    yield* git.checkout(workspace, "main")
    yield* locks("index.lock")
    yield* git.restore(workspace, theirs)
    assert.strictEqual(yield* out("find .git -name '*.lock'"), "")
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("keeps the lock of a running git, and names it", () =>
  Effect.gen(function* () {
    const { clone, git, out, sandbox } = yield* setUp()
    const workspace = yield* clone()
    yield* sandbox.files.write("work/new.txt", "new")
    // A commit of the agent's own that waits in its hook, with the index locked.
    yield* out(
      "printf '#!/bin/sh\\n: >.git/in-hook\\nwhile [ ! -e .git/go ]; do sleep 0.1; done\\n' >.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit",
      "work && mkdir -p .git/hooks"
    )
    const own = yield* Effect.forkChild(
      Stream.runDrain(
        sandbox.spawn({
          script:
            "cd work && git add new.txt && git -c user.name=A -c user.email=a@example.invalid commit -q new.txt -m own"
        })
      )
    )
    yield* out("while [ ! -e .git/in-hook ]; do sleep 0.1; done")
    const { reason } = yield* Effect.flip(git.commit(workspace, { message, author }))
    assert.include(reason._tag === "Locked" ? reason.paths : [], ".git/index.lock")
    yield* out(": >.git/go")
    yield* Fiber.join(own)
    assert.strictEqual(yield* out("git log -1 --format=%s"), "own")
    yield* git.commit(workspace, { message, author, allowEmpty: true })
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("follows a branch of the server that became a folder of branches, and back", () =>
  Effect.gen(function* () {
    for (const mode of ["relay", "credential"] as const) {
      const { clone, first, git, out, server } = yield* setUp()
      yield* server.git("octo/hello", ["branch", "release", first])
      const workspace = yield* clone({ mode })
      yield* server.git("octo/hello", ["branch", "-D", "release"])
      const next = yield* server.commit("octo/hello", "release/1.0", { "r.txt": "1" })
      assert.strictEqual((yield* git.checkout(workspace, "release/1.0")).commit, next)
      // The tracking ref of another old branch stands in the way of a push.
      yield* out(`git update-ref refs/remotes/origin/topic ${first}`)
      yield* git.createBranch(workspace, "topic/one")
      const { commit } = yield* git.commit(workspace, { message, author, allowEmpty: true })
      assert.deepStrictEqual(yield* git.push(workspace, { branch: "topic/one" }), {
        branch: "topic/one",
        commit
      })
      assert.strictEqual(yield* out("git rev-parse origin/topic/one"), commit)
      yield* git.checkout(workspace, "main")
      yield* server.git("octo/hello", ["branch", "-D", "release/1.0"])
      yield* server.git("octo/hello", ["branch", "release", next])
      // A local branch may hold commits, so it is named and not removed.
      const { reason } = yield* Effect.flip(git.checkout(workspace, "release"))
      assert.deepInclude(reason, { _tag: "RefConflict", ref: "release", existing: "release/1.0" })
      yield* out("git branch -q -D release/1.0")
      assert.strictEqual((yield* git.checkout(workspace, "release")).commit, next)
      const beside = yield* Effect.flip(git.createBranch(workspace, "main/deep"))
      assert.deepInclude(beside.reason, { _tag: "RefConflict", ref: "main/deep", existing: "main" })
      const under = yield* Effect.flip(git.createBranch(workspace, "topic"))
      assert.deepInclude(under.reason, { _tag: "RefConflict", ref: "topic", existing: "topic/one" })
    }
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("names the untracked files and folders that block a pull", () =>
  Effect.gen(function* () {
    const { clone, git, out, server } = yield* setUp()
    const workspace = yield* clone()
    yield* server.commit("octo/hello", "main", { thing: "a file", "deep/er": "a file" })
    yield* out("mkdir thing && : >thing/mine && : >deep")
    const { reason } = yield* Effect.flip(git.pull(workspace))
    assert.strictEqual(reason._tag, "Conflict")
    assert.sameMembers([...(reason._tag === "Conflict" ? reason.paths : [])], ["thing/mine", "deep"])
    assert.strictEqual(yield* out("ls thing"), "mine")
  }).pipe(Effect.scoped, Effect.provide(layer))
)
