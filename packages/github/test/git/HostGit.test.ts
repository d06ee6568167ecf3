import { NodeServices } from "@effect/platform-node"
import { assert, it, vi } from "@effect/vitest"
import { GitWorkspace, HostGit } from "@remote-agent/github"
import { Effect, FileSystem, Redacted } from "effect"
import { env } from "node:process"
import * as GitServer from "../support/gitServer.ts"
import { author, canary, layer, reasonOf, setUp } from "../support/gitSupport.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 60_000 })

const program = (marker: string) => `#!/bin/sh\necho "$0" >>'${marker}'\n`

/** A folder with a program that leaves a mark on this machine when it runs, and whether it did. */
const trap = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "git-trap-" })
  const marker = `${folder}/marker`
  yield* fs.writeFileString(`${folder}/evil`, program(marker), { mode: 0o755 })
  return { folder, evil: `${folder}/evil`, marker, sprung: fs.exists(marker) }
})

it.live("does not use the configuration, hooks, helpers or netrc of the machine", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { evil, folder, marker, sprung } = yield* trap
    const names = ["reference-transaction", "pre-push", "post-checkout", "pre-auto-gc", "post-merge"]
    yield* fs.makeDirectory(`${folder}/hooks`)
    yield* Effect.forEach(names, (name) =>
      fs.writeFileString(`${folder}/hooks/${name}`, program(marker), { mode: 0o755 })
    )
    yield* fs.writeFileString(
      `${folder}/.gitconfig`,
      `[core]\n\thooksPath = ${folder}/hooks\n\tfsmonitor = ${evil}\n\taskPass = ${evil}\n[credential]\n\thelper = ${evil}\n[url "http://127.0.0.1:1/"]\n\tinsteadOf = http://127.0.0.1\n[init]\n\ttemplateDir = ${folder}\n`
    )
    yield* fs.writeFileString(`${folder}/.netrc`, "default login x password wrong\n")
    const { clone, cache, first, git, sandbox, server } = yield* setUp({
      host: {
        path: env["PATH"],
        env: {
          HOME: folder,
          XDG_CONFIG_HOME: folder,
          GIT_CONFIG_GLOBAL: `${folder}/.gitconfig`,
          GIT_CONFIG_SYSTEM: `${folder}/.gitconfig`,
          GIT_CONFIG_NOSYSTEM: "0",
          GIT_DIR: `${folder}/elsewhere`,
          GIT_INDEX_FILE: `${folder}/index`,
          GIT_OBJECT_DIRECTORY: `${folder}/objects`,
          GIT_SSH_COMMAND: evil,
          GIT_ASKPASS: evil,
          GIT_TEMPLATE_DIR: folder,
          GIT_EXEC_PATH: folder,
          GIT_TRACE_CURL: `${folder}/trace`,
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: "core.fsmonitor",
          GIT_CONFIG_VALUE_0: evil
        }
      }
    })
    const shown = new Set<string | undefined>()
    server.before = ({ token }) => Promise.resolve(void shown.add(token))
    const workspace = yield* clone()
    assert.strictEqual(workspace.commit, first)
    assert.deepStrictEqual(shown, new Set([undefined, canary]))
    // Hooks and settings in the copy itself: somebody got at the folder.
    const [copy = ""] = yield* fs.readDirectory(cache)
    const gitDir = `${cache}/${copy}/git`
    yield* fs.makeDirectory(`${gitDir}/hooks`, { recursive: true })
    yield* Effect.forEach(names, (name) =>
      fs.writeFileString(`${gitDir}/hooks/${name}`, program(marker), { mode: 0o755 })
    )
    const config = yield* fs.readFileString(`${gitDir}/config`)
    yield* fs.writeFileString(
      `${gitDir}/config`,
      `${config}\n[core]\n\tfsmonitor = ${evil}\n\tsshCommand = ${evil}\n\taskPass = ${evil}\n\talternateRefsCommand = ${evil}\n[credential]\n\thelper = ${evil}\n`
    )
    yield* server.commit("octo/hello", "main", { "b.txt": "b" })
    yield* git.pull(workspace)
    yield* sandbox.files.write("work/c.txt", "c")
    yield* git.commit(workspace, { message: "c", author })
    yield* git.push(workspace, { branch: "main" })
    assert.strictEqual(yield* reasonOf(clone({ repository: "octo/nothing", dir: "x" })), "RepositoryNotFound")
    assert.isFalse(yield* sprung)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("a hostile repository runs nothing, on this machine or in the sandbox", () =>
  Effect.gen(function* () {
    const { evil, sprung } = yield* trap
    const { clone, git, out, sandbox, server } = yield* setUp()
    const branch = "$(touch${IFS}pwned);`touch${IFS}pwned`'\"&&x"
    yield* server.commit("octo/hello", branch, {
      ".gitattributes": "* filter=evil diff=evil merge=evil\n",
      ".gitconfig": `[filter "evil"]\n\tsmudge = ${evil}\n\tclean = ${evil}\n`,
      "hooks/post-checkout": program("pwned"),
      "--upload-pack=touch pwned": "x",
      'a\nb\t"c" \' $(touch pwned)': "odd"
    })
    yield* server.git("octo/hello", ["symbolic-ref", "HEAD", `refs/heads/${branch}`])
    yield* server.git("octo/hello", ["update-ref", "refs/heads/-x", branch])
    const workspace = yield* clone()
    assert.strictEqual(workspace.branch, branch)
    assert.strictEqual(
      yield* out(
        "git rev-parse --abbrev-ref 'refs/remotes/origin/-x' >/dev/null; cat -- '--upload-pack=touch pwned'"
      ),
      "x"
    )
    assert.strictEqual(yield* reasonOf(clone({ ref: "-x", dir: "y" })), "InvalidName")
    // The sandbox turns on us: settings, hooks and names of its own.
    yield* out(
      `printf '[core]\\n\\tfsmonitor = touch ../pwned; false\\n\\tsshCommand = ${evil}\\n[filter "evil"]\\n\\tclean = cat\\n\\tsmudge = cat\\n' >>.git/config
mkdir -p .git/hooks; for hook in pre-commit commit-msg post-commit pre-push post-merge post-checkout reference-transaction; do printf '#!/bin/sh\\ntouch ../pwned\\n' >.git/hooks/$hook; chmod +x .git/hooks/$hook; done`
    )
    yield* sandbox.files.write("work/new.txt", "new")
    yield* git.createBranch(workspace, "mine")
    yield* git.commit(workspace, { message: "new", author })
    yield* git.push(workspace, { branch: "mine" })
    yield* git.status(workspace)
    yield* git.diff(workspace)
    assert.strictEqual(yield* out("find . -name 'pwned*'", "."), "")
    assert.isFalse(yield* sprung)
    // With the hooks asked for, they do run, and only there.
    yield* git.commit({ ...workspace, hooks: true }, { message: "hooked", author, allowEmpty: true })
    assert.strictEqual(yield* out("find . -name 'pwned*'", "."), "./pwned")
    // A tree that would be written into the settings of whoever checks it out.
    yield* out(
      "tree=$(printf '040000 tree %s\\t.git\\n' \"$(git rev-parse HEAD^{tree})\" | git mktree) && git update-ref refs/heads/tree $(git commit-tree -m x -p HEAD $tree)"
    )
    assert.strictEqual(yield* reasonOf(git.push(workspace, { branch: "tree" })), "CommandFailed")
    // A branch that is none.
    yield* out("git symbolic-ref HEAD 'refs/heads/-evil' && git update-ref refs/heads/-evil mine")
    assert.strictEqual(yield* reasonOf(git.push(workspace, { branch: "-evil" })), "InvalidName")
    assert.strictEqual(yield* reasonOf(git.pull(workspace)), "InvalidName")
    assert.isFalse(yield* sprung)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("sends the token only to its own server, not to a redirect target", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const thief = yield* GitServer.make({ token: "another token" })
    const server = yield* GitServer.make({
      token: canary,
      other: (request, response) => {
        const to = `${thief.url}${(request.url ?? "").replace("/moved", "")}`
        response.writeHead(302, { location: to }).end()
      }
    })
    const seen: Array<string | undefined> = []
    thief.before = ({ token }) => Promise.resolve(void seen.push(token))
    const directory = yield* fs.makeTempDirectoryScoped()
    const git = yield* GitWorkspace.make({
      cache: { directory },
      baseUrl: `${server.url}/moved`,
      token: () => Effect.succeed(Redacted.make(canary)),
      host: { path: env["PATH"] }
    })
    const { sandbox } = yield* setUp()
    assert.strictEqual(
      yield* reasonOf(git.clone(sandbox, { repository: "octo/hello", dir: "moved" })),
      "AuthenticationFailed"
    )
    assert.isAbove(seen.length, 0)
    assert.deepStrictEqual(new Set(seen), new Set([undefined]))
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("removes the least recently used mirrors beyond the size limit", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const { clone, server } = yield* setUp({ cache: { directory, limitBytes: 1 } })
    yield* server.createRepository("octo/other")
    yield* server.commit("octo/other", "main", { a: "a" })
    yield* clone()
    yield* clone({ repository: "octo/other", dir: "other" })
    const left = yield* Effect.filter(yield* fs.readDirectory(directory), (name) =>
      fs.exists(`${directory}/${name}/git`)
    )
    assert.strictEqual(left.length, 1)
    assert.include(left[0], "octo+other")
    assert.strictEqual((yield* fs.stat(`${directory}/${left[0]}`)).mode & 0o777, 0o700)
    yield* clone({ dir: "again" })
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("reports that git is missing, too old, too slow or prints too much", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const start = (host: HostGit.Options) =>
      reasonOf(GitWorkspace.make({ cache: { directory: folder }, host }))
    assert.strictEqual(yield* start({ path: folder }), "GitMissing")
    yield* fs.writeFileString(`${folder}/git`, "#!/bin/sh\necho git version 2.20.1\n", { mode: 0o755 })
    assert.strictEqual(yield* start({ path: `${folder}:/bin:/usr/bin` }), "GitTooOld")
    yield* fs.writeFileString(`${folder}/git`, "#!/bin/sh\nsleep 600 &\nwait\n", { mode: 0o755 })
    assert.strictEqual(yield* start({ path: `${folder}:/bin:/usr/bin`, timeout: "200 millis" }), "TimedOut")
    const git = yield* HostGit.make({ path: env["PATH"] })
    assert.strictEqual(yield* reasonOf(git("status", { args: ["version"], limit: 3 })), "TooLarge")
    assert.deepStrictEqual(
      ["git version 2.32.0", "git version 3.0", "git version 2.31.9", "what"].map(HostGit.isNewEnough),
      [true, true, false, false]
    )
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)

it.live("ignores variables of git in the agent's environment", () =>
  Effect.gen(function* () {
    const { clone, git, out, sandbox, server } = yield* setUp()
    yield* out("git init -q other && git -C other commit -q --allow-empty -m other", ".")
    const exec: typeof sandbox.exec = (command) =>
      sandbox.exec({
        ...command,
        env: {
          GIT_DIR: "other/.git",
          GIT_WORK_TREE: "other",
          GIT_INDEX_FILE: "/tmp/other-index",
          GIT_OBJECT_DIRECTORY: "/tmp/other-objects",
          GIT_NAMESPACE: "other",
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: "core.bare",
          GIT_CONFIG_VALUE_0: "true",
          GIT_LITERAL_PATHSPECS: "1",
          ...command.env
        }
      })
    const cloned = yield* clone()
    const workspace = { ...cloned, sandbox: { ...sandbox, exec } }
    yield* sandbox.files.write("work/new.txt", "new")
    const { commit } = yield* git.commit(workspace, { message: "new", author })
    yield* git.push(workspace, { branch: "main" })
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "main"])).trim(), commit)
    assert.strictEqual(
      yield* out("git -C other log --format=%s; ls /tmp/other-* 2>/dev/null; :", "."),
      "other"
    )
  }).pipe(Effect.scoped, Effect.provide(layer))
)
