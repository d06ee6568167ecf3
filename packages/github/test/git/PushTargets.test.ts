import { assert, it, vi } from "@effect/vitest"
import { GitError } from "@remote-agent/domain"
import { Effect } from "effect"
import { author, layer, reasonOf, setUp } from "../support/gitSupport.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 120_000 })

/** A repository with branches that an agent must not reach. */
const hostile = Effect.gen(function* () {
  const world = yield* setUp()
  const { clone, first, server, sandbox } = world
  yield* server.git("octo/hello", ["branch", "production", first])
  const at = (branch: string) =>
    Effect.map(server.git("octo/hello", ["rev-parse", "--verify", "-q", branch]), (id) => id.trim())
  const workspace = yield* clone()
  /** From now on every script in the sandbox prints what the agent likes. */
  const lie = (lies: string) =>
    Effect.gen(function* () {
      const shell = `#!/bin/bash\nset -o pipefail\n/bin/sh "$@" | sed '${lies}'\n`
      yield* sandbox.files.write("bin/sh", shell)
      yield* sandbox.exec({ argv: ["chmod", "+x", "bin/sh"] })
      const profile = 'PATH="$HOME/bin:$PATH"\n'
      yield* sandbox.files.write(".bash_profile", profile)
      yield* sandbox.files.write(".profile", profile)
      assert.strictEqual(
        (yield* sandbox.exec({ argv: ["sh", "-c", "echo branch x"] })).stdout,
        "branch production\n"
      )
    })
  return { ...world, at, lie, workspace }
})

it.live("pushes to the branch that the caller named, whatever the sandbox prints", () =>
  Effect.gen(function* () {
    const { at, first, git, lie, workspace } = yield* hostile
    yield* git.createBranch(workspace, "work")
    const { commit } = yield* git.commit(workspace, { message: "mine", author, allowEmpty: true })
    yield* lie("s/^branch .*/branch production/")
    assert.deepStrictEqual(yield* git.push(workspace, { branch: "work" }), { branch: "work", commit })
    assert.deepStrictEqual(
      [yield* at("production"), yield* at("main"), yield* at("work")],
      [first, first, commit]
    )
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("replaces only the commit that the caller saw, whatever the sandbox has recorded of the server", () =>
  Effect.gen(function* () {
    const { at, first, git, out, server, workspace } = yield* hostile
    yield* git.commit(workspace, { message: "mine", author, allowEmpty: true })
    const theirs = yield* server.commit("octo/hello", "main", { "b.txt": "b" })
    // The sandbox knows the commit from elsewhere and claims to have fetched it.
    yield* out(
      `tree=$(git rev-parse HEAD^{tree}) && mkdir -p .git/refs/remotes/origin && printf '%s\\n' ${theirs} >.git/refs/remotes/origin/main; :`
    )
    assert.strictEqual(
      yield* reasonOf(git.push(workspace, { branch: "main", replaces: first })),
      "NonFastForward"
    )
    assert.strictEqual(yield* at("main"), theirs)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("refuses the base, the default branch and foreign branches unless they are named", () =>
  Effect.gen(function* () {
    const { at, first, git, out, workspace } = yield* hostile
    for (const branch of ["production", "dev"]) yield* git.createBranch(workspace, branch)
    yield* git.commit(workspace, { message: "mine", author, allowEmpty: true })
    yield* out("git branch -f main && git branch -f production && git branch -f dev")
    const kindOf = (branch: string, own: { readonly base?: string; readonly pushed: boolean }) =>
      Effect.map(Effect.flip(git.push(workspace, { branch, own })), ({ reason }) =>
        reason instanceof GitError.BranchNotOwned ? reason.kind : reason._tag
      )
    assert.strictEqual(yield* kindOf("main", { pushed: false }), "default")
    assert.strictEqual(yield* kindOf("main", { pushed: true }), "default")
    assert.strictEqual(yield* kindOf("dev", { base: "dev", pushed: true }), "base")
    assert.strictEqual(yield* kindOf("production", { base: "main", pushed: false }), "foreign")
    assert.deepStrictEqual([yield* at("main"), yield* at("production")], [first, first])
    // A new branch is its own, and stays so.
    const own = yield* git.push(workspace, { branch: "dev", own: { base: "main", pushed: false } })
    assert.strictEqual(yield* at("dev"), own.commit)
    assert.strictEqual(yield* kindOf("dev", { base: "main", pushed: false }), "foreign")
    yield* git.checkout(workspace, "dev")
    const next = yield* git.commit(workspace, { message: "more", author, allowEmpty: true })
    yield* git.push(workspace, { branch: "dev", own: { base: "main", pushed: true } })
    assert.strictEqual(yield* at("dev"), next.commit)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("commits a file on the host alone, again only when it changed", () =>
  Effect.gen(function* () {
    const { at, first, git, server } = yield* hostile
    const file = {
      repository: "octo/hello",
      base: "main",
      branch: "reports/one",
      path: "reports/2026/a, 'b'.md",
      content: "# Report\n",
      message: "A report\n",
      author
    }
    const made = yield* git.commitFile(file)
    assert.deepStrictEqual(made, { branch: "reports/one", commit: yield* at("reports/one"), changed: true })
    const show = (...args: ReadonlyArray<string>) => server.git("octo/hello", [...args])
    assert.strictEqual(yield* show("show", `${made.commit}:${file.path}`), "# Report\n")
    assert.strictEqual(
      yield* show("log", "-1", "--format=%an <%ae>%n%B%P", made.commit),
      `${author.name} <${author.email}>\nA report\n${first}\n`
    )
    assert.deepStrictEqual(yield* git.commitFile(file), { ...made, changed: false })
    const next = yield* git.commitFile({ ...file, content: "# Other\n" })
    assert.strictEqual((yield* show("rev-parse", "reports/one^")).trim(), made.commit)
    assert.isTrue(next.changed)
    assert.strictEqual(
      yield* reasonOf(git.commitFile({ ...file, branch: "x", base: "nowhere" })),
      "RefNotFound"
    )
    assert.strictEqual(yield* reasonOf(git.commitFile({ ...file, path: "../x" })), "InvalidName")
    assert.strictEqual(yield* at("main"), first)
  }).pipe(Effect.scoped, Effect.provide(layer))
)
