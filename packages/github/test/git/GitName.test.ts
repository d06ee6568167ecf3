import { NodeServices } from "@effect/platform-node"
import { assert, it, vi } from "@effect/vitest"
import { GitName } from "@remote-agent/github"
import * as GitPorcelain from "../../src/git/internal/porcelain.ts"
import { Config, Effect, FileSystem, Result } from "effect"
import { execFile, execFileSync } from "node:child_process"
import { availableParallelism } from "node:os"
import { env } from "node:process"
import { promisify } from "node:util"
import { author, layer, setUp } from "../support/gitSupport.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 600_000 })

/** How many names are tried against real git, and where the numbers start: `GIT_NAMES=10000 GIT_SEED=7`. */
const settings = Config.all({
  count: Config.Int("GIT_NAMES").pipe(Config.withDefault(300)),
  seed: Config.Int("GIT_SEED").pipe(Config.withDefault(1))
})

/** Numbers that look like chance and are the same every time. */
const chance = (seed: number) => {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const odd = [
  ..." \t\n\r\0\u0001\u007f~^:?*[]\\/.-@{}<>,;'\"`$()&|!#%=+",
  "..",
  "@{",
  ".lock",
  "/.",
  "--",
  "$(touch x)",
  "`x`",
  "%00",
  "ä",
  "ß",
  "é",
  "e\u0301",
  "日本",
  "🙂",
  "\u202e",
  "\ufeff",
  "\ud800",
  "HEAD",
  "refs/heads/",
  "a",
  "B",
  "7",
  "main"
]

/** Text with much in it that is special to git, shells or terminals. */
const textOf = (pick: (below: number) => number): string =>
  Array.from({ length: 1 + pick(8) }, () =>
    pick(3) === 0 ? (odd[pick(odd.length)] ?? "") : "abcxyz"[pick(6)]
  ).join("")

const all = (count: number, seed: number): ReadonlyArray<string> => {
  const pick = chance(seed)
  return Array.from({ length: count }, () => textOf(pick))
}

const clean = {
  PATH: env["PATH"] ?? "",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  LC_ALL: "C"
}

const git = (args: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}) =>
  Effect.promise((signal) =>
    promisify(execFile)("git", args, { env: { ...clean, ...more }, signal }).then(
      ({ stdout }) => stdout,
      () => undefined
    )
  )

const feed = (folder: string, args: ReadonlyArray<string>, input: string): string =>
  execFileSync("git", ["-C", folder, ...args], { env: clean, input, maxBuffer: 2 ** 28 }).toString()

const quoted = (path: string) => `"${path.replaceAll(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`

const accepted = <A>(result: Result.Result<A, unknown>) => Result.isSuccess(result)

it.live("takes as branches what git takes, and nothing else", () =>
  Effect.gen(function* () {
    const { count, seed } = yield* settings
    // A branch may be called @ in git, where the same word means what is checked out; here it may not.
    const names = all(count, seed).filter(
      (name) => name.isWellFormed() && !name.includes("\0") && name !== "@"
    )
    const wrong = yield* Effect.filter(
      names,
      (name) =>
        Effect.map(
          git(["check-ref-format", "--branch", name]),
          (printed) => (printed === `${name}\n`) !== accepted(GitName.ref(name))
        ),
      { concurrency: availableParallelism() }
    )
    assert.deepStrictEqual(wrong, [])
    const taken = names.filter((name) => accepted(GitName.ref(name)))
    assert.isAbove(taken.length, count / 20)
    assert.isBelow(taken.length, names.length)
  })
)

it.live("branches, tags and paths come back from git as they went in", () =>
  Effect.gen(function* () {
    const { count, seed } = yield* settings
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const texts = all(count, seed)
    const refs = texts
      .filter((name) => accepted(GitName.ref(name)))
      .map((name, at) => `refs/heads/${at}/${name}`)
    const paths = [
      ...new Set(
        texts
          .filter((path) => path !== "" && !path.startsWith("/"))
          .map((path, at) => `${at}/${path}`)
          .filter((path) => accepted(GitName.file(path)))
      )
    ]
    assert.isAbove(refs.length, count / 20)
    assert.isAbove(paths.length, count / 4)
    yield* git(["init", "--quiet", "--bare", folder])
    const changes = paths.map((path) => `M 100644 inline ${quoted(path)}\ndata 1\nx\n`).join("")
    feed(
      folder,
      ["fast-import", "--quiet"],
      `commit refs/heads/all\ncommitter A <a@example.invalid> 1700000000 +0000\ndata 1\nx\n${changes}`
    )
    const commit = feed(folder, ["rev-parse", "refs/heads/all"], "").trim()
    feed(folder, ["update-ref", "--stdin", "-z"], refs.map((ref) => `create ${ref}\0${commit}\0`).join(""))
    const listed = feed(folder, ["for-each-ref", "--format=%(refname)", "refs/heads/"], "")
      .split("\n")
      .slice(0, -1)
    assert.deepStrictEqual(new Set(listed), new Set([...refs, "refs/heads/all"]))
    const empty = feed(folder, ["hash-object", "-t", "tree", "-w", "--stdin"], "").trim()
    const changed = GitPorcelain.nameStatus(feed(folder, ["diff", "--name-status", "-z", empty, commit], ""))
    assert.deepStrictEqual(new Set(changed.map(({ path }) => path)), new Set(paths))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)

it.live("accepts exactly the authors that git does not change", () =>
  Effect.gen(function* () {
    const { count, seed } = yield* settings
    const names = all(count, seed + 1).filter((name) => name.isWellFormed() && !name.includes("\0"))
    const wrong = yield* Effect.filter(
      names,
      (name) =>
        Effect.map(
          git(["var", "GIT_AUTHOR_IDENT"], {
            GIT_AUTHOR_NAME: name,
            GIT_AUTHOR_EMAIL: name,
            GIT_AUTHOR_DATE: "1700000000 +0000"
          }),
          (printed) => {
            const kept = printed === `${name} <${name}> 1700000000 +0000\n`
            // Newer versions of git leave dots where they are; the one in a sandbox may be older.
            return accepted(GitName.author({ name, email: name })) ? !kept : kept && !/^\.|\.$/.test(name)
          }
        ),
      { concurrency: availableParallelism() }
    )
    assert.deepStrictEqual(wrong, [])
  })
)

it.live("messages and authors come back from the log as they went in", () =>
  Effect.gen(function* () {
    const { count, seed } = yield* settings
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const texts = all(count, seed + 2)
    const messages = texts.filter((text) => accepted(GitName.message(text)))
    const authors = texts.filter((name) => accepted(GitName.author({ name, email: name })))
    yield* git(["init", "--quiet", "--bare", folder])
    feed(
      folder,
      ["fast-import", "--quiet"],
      messages
        .map((message, at) => {
          const name = authors[at % authors.length] ?? ""
          return `commit refs/heads/all\nauthor ${name} <${name}> 1700000000 +0000\ncommitter A <a@example.invalid> 1700000000 +0000\ndata ${Buffer.byteLength(message)}\n${message}\n`
        })
        .join("")
    )
    const log = GitPorcelain.log(
      feed(folder, ["log", "-z", "--reverse", GitPorcelain.logFormat, "all", "--"], "")
    )
    assert.deepStrictEqual(
      log.map(({ message }) => message),
      messages
    )
    assert.deepStrictEqual(
      log.map((commit) => commit.author.name),
      messages.map((_, at) => authors[at % authors.length])
    )
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)

it.live("names, messages and paths go through a sandbox and to the server as they are", () =>
  Effect.gen(function* () {
    const { seed } = yield* settings
    const { clone, git: workspaces, out, sandbox, server } = yield* setUp()
    const workspace = yield* clone({ dir: "a 'work' $(touch pwned) `x`" })
    const texts = all(200, seed + 3)
    const branches = texts.filter((name) => accepted(GitName.ref(name))).slice(0, 4)
    const messages = texts.filter((text) => accepted(GitName.message(text))).slice(-4)
    const names = texts.filter((name) => accepted(GitName.author({ name, email: name }))).slice(0, 4)
    const paths = texts.filter((path) => accepted(GitName.file(path)) && !/[\\\ud800]/.test(path)).slice(0, 4)
    for (const [at, branch] of branches.entries()) {
      const [message = "m", name = "n", path = "p"] = [messages[at], names[at], paths[at]]
      const file = `${at} ${path}`
      yield* workspaces.createBranch(workspace, `${at}/${branch}`, "main")
      yield* sandbox.files.write(`${workspace.dir}/${file}`, "x")
      assert.deepStrictEqual(
        (yield* workspaces.status(workspace)).entries.map((entry) => entry.path),
        [file]
      )
      const made = yield* workspaces.commit(workspace, {
        message,
        author: { name, email: name },
        paths: [file]
      })
      const [last] = yield* workspaces.log(workspace, { limit: 1 })
      assert.deepInclude(last, { commit: made.commit, message, author: { name, email: name } })
      assert.deepStrictEqual((yield* workspaces.diff(workspace, "main")).files, [{ status: "A", path: file }])
      const pushed = `${at}/${branch}`
      assert.strictEqual((yield* workspaces.push(workspace, { branch: pushed })).branch, pushed)
      assert.strictEqual(
        (yield* server.git("octo/hello", ["rev-parse", `refs/heads/${at}/${branch}`])).trim(),
        made.commit
      )
      assert.include(
        yield* server.git("octo/hello", ["ls-tree", "-z", "--name-only", "-r", made.commit]),
        `${file}\0`
      )
    }
    assert.strictEqual(yield* out("find . -name 'pwned*'", "."), "")
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.effect("refuses invalid repositories, folders, files, messages and commits", () =>
  Effect.sync(() => {
    const no = (results: ReadonlyArray<Result.Result<unknown, unknown>>) =>
      assert.deepStrictEqual(
        results.map(accepted),
        results.map(() => false)
      )
    no(
      ["", "x", "a/b/c", "../x", "a/..", "a/.", "-a/b", "a b/c", "a/b.git", "https://x/y", "a/b\n"].map(
        GitName.repository
      )
    )
    no(["", "/a", "a//b", "a/../b", ".git/config", "a/.GIT/x", "a\0", "a/"].map(GitName.file))
    no(["", " \n", "\0", "\ud800"].map(GitName.message))
    no(["main", "abc", "A".repeat(40), "0".repeat(41)].map(GitName.commitId))
    assert.isTrue(accepted(GitName.repository("Octo-1/some.repo_x")))
    assert.isTrue(accepted(GitName.author(author)))
    assert.isTrue(accepted(GitName.folder("/a b/$(x)")))
  })
)
