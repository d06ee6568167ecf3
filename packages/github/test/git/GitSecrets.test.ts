import { assert, it, vi } from "@effect/vitest"
import { GitError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Cause, Effect, Exit, FileSystem, Logger, References, Stream, Tracer } from "effect"
import { env, execPath } from "node:process"
import { author, canary, layer, setUp } from "../support/gitSupport.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 60_000 })

const basic = Buffer.from(`x-access-token:${canary}`).toString("base64")

/** Every file and every process that the sandbox can see. */
const search = `
found() { grep -a -l -e "$1" -e "$2" "$3" 2>/dev/null && echo "in $3"; }
find "$HOME" /tmp -xdev -type f 2>/dev/null | while read -r file; do found "$1" "$2" "$file"; done
for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do
  case $file in /proc/$$/*|/proc/self/*) continue ;; esac
  tr '\\0' '\\n' <"$file" 2>/dev/null | grep -q -a -e "$1" -e "$2" && echo "in $file"
done
:
`

// The search must not find itself: what it looks for is put together in the sandbox.
const halves = (text: string) => [text.slice(0, 9), text.slice(9)] as const
const searching = (() => {
  const [[a, b], [c, d]] = [halves(canary), halves(basic)]
  return { a, b, c, d }
})()

/** A `git` that notes its arguments and environment, and those of every process of its user, and then is git. */
const wrapper = (notes: string, path: string) => `#!${execPath}
const { appendFileSync, readdirSync, readFileSync } = require("node:fs")
const { spawnSync } = require("node:child_process")
const seen = []
for (const pid of readdirSync("/proc").filter((name) => /^\\d+$/.test(name)))
  for (const part of ["cmdline", "environ"]) {
    try {
      const text = readFileSync("/proc/" + pid + "/" + part, "latin1")
      if (part === "cmdline" || pid === String(process.pid)) seen.push(part + " " + text)
    } catch {}
  }
appendFileSync(${JSON.stringify(notes)}, seen.join("\\n") + "\\n")
const { status, signal } = spawnSync("git", process.argv.slice(2), { stdio: [0, 1, 2, 3], env: { ...process.env, PATH: ${JSON.stringify(path)} } })
process.exit(status ?? 1)
`

/** What is logged, and what spans say, while an effect runs. */
const hearing = () => {
  const said: Array<string> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      said.push(options.name)
      const attribute = span.attribute.bind(span)
      span.attribute = (key, value) => {
        said.push(`${key}=${String(value)}`)
        attribute(key, value)
      }
      const end = span.end.bind(span)
      span.end = (time, exit) => {
        if (Exit.isFailure(exit)) said.push(Cause.pretty(exit.cause), JSON.stringify(exit))
        end(time, exit)
      }
      return span
    }
  })
  const logger = Logger.make(({ cause, message }) => {
    said.push(JSON.stringify(message), Cause.pretty(cause))
  })
  const heard = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.withTracer(tracer),
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "All")
    )
  return { said, heard }
}

/** Where in a sandbox the token is, while a process there has this in its environment. */
const lookIn = (sandbox: Sandbox.Sandbox) => (planted: string) =>
  Effect.map(
    sandbox.exec({
      script: `set -- "${searching.a}""${searching.b}" "${searching.c}""${searching.d}"
[ -z "$PLANTED" ] || exec sleep 60 &
${search}
kill $!`,
      env: { PLANTED: planted }
    }),
    ({ stdout }) => stdout.trim()
  )

const textsOf = (error: Error): ReadonlyArray<string> => [
  error.message,
  String(error.stack),
  JSON.stringify(error)
]

it.live("the token is nowhere: not in the sandbox, in arguments, environments, logs, spans or errors", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "git-wrapper-" })
    const path = env["PATH"] ?? ""
    yield* fs.writeFileString(`${folder}/git`, wrapper(`${folder}/notes`, path), { mode: 0o755 })
    const { heard, said } = hearing()
    yield* Effect.gen(function* () {
      const { cache, clone, git, sandbox, server } = yield* setUp({ host: { path: `${folder}:${path}` } })
      const lookFor = lookIn(sandbox)
      const workspace = yield* clone()
      yield* sandbox.files.write("work/new.txt", "new")
      yield* git.createBranch(workspace, "agent/work")
      yield* git.commit(workspace, { message: "new", author })
      yield* git.push(workspace, { branch: "agent/work" })
      yield* server.commit("octo/hello", "main", { "b.txt": "b" })
      yield* git.checkout(workspace, "main")
      yield* git.pull(workspace)
      const failures = yield* Effect.all([
        Effect.flip(clone({ dir: "x", repository: "octo/nothing" })),
        Effect.flip(git.push(workspace, { branch: "nowhere" })),
        Effect.flip(git.push(workspace, { branch: "main", to: "protected" })),
        Effect.flip(git.pull({ ...workspace, dir: "nowhere" }))
      ])
      said.push(...failures.flatMap(textsOf))
      assert.strictEqual(yield* lookFor(""), "")
      // The search does find what is there.
      yield* sandbox.files.write("planted", `a ${canary} b`)
      assert.include(yield* lookFor(""), "planted")
      yield* sandbox.files.remove("planted")
      assert.include(yield* lookFor(canary), "environ")
      const files = yield* fs.readDirectory(cache, { recursive: true })
      for (const file of files) {
        if ((yield* fs.stat(`${cache}/${file}`)).type !== "File") continue
        assert.notInclude(Buffer.from(yield* fs.readFile(`${cache}/${file}`)).toString("latin1"), canary)
      }
      assert.isTrue(server.requests.some(({ authorized, status }) => authorized && status === 200))
    }).pipe(heard)
    const notes = yield* fs.readFileString(`${folder}/notes`)
    assert.include(notes, "environ ")
    assert.include(notes, "git-upload-pack".slice(0, 3))
    for (const text of [notes, said.join("\n")]) {
      assert.notInclude(text, canary)
      assert.notInclude(text, basic)
    }
    assert.isAbove(said.length, 10)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("hands a sandbox a credential that works once, leaves no trace of it and ends with the scope", () =>
  Effect.gen(function* () {
    const { clone, git, out, sandbox, server, sh } = yield* setUp()
    const workspace = yield* clone({ mode: "credential" })
    assert.strictEqual(workspace.branch, "main")
    const second = yield* server.commit("octo/hello", "main", { "b.txt": "b" })
    assert.strictEqual((yield* git.pull(workspace)).commit, second)
    yield* git.commit(workspace, { message: "mine", author, allowEmpty: true })
    const { commit } = yield* git.push(workspace, { branch: "main", to: "mine" })
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "mine"])).trim(), commit)
    assert.strictEqual(
      (yield* Effect.flip(git.push(workspace, { branch: "main", to: "protected" }))).reason._tag,
      "ProtectedBranch"
    )
    const push = "GIT_TERMINAL_PROMPT=0 git push -q origin HEAD:refs/heads"
    assert.notStrictEqual((yield* sh(`${push}/alone`)).exitCode, 0)
    yield* Effect.gen(function* () {
      yield* git.credential(workspace)
      assert.strictEqual(yield* out("cat .git/config | grep -c ghp_; cat /tmp/remote-agent-*/token; :"), "0")
      assert.strictEqual((yield* sh(`${push}/alone`)).exitCode, 0)
      assert.notStrictEqual((yield* sh(`${push}/again`)).exitCode, 0)
    }).pipe(Effect.scoped)
    assert.strictEqual((yield* server.git("octo/hello", ["rev-parse", "alone"])).trim(), commit)
    // One that was never used is gone with the scope.
    yield* Effect.scoped(git.credential(workspace))
    assert.notStrictEqual((yield* sh(`${push}/late`)).exitCode, 0)
    assert.strictEqual(
      yield* out("ls -d /tmp/remote-agent-* 2>/dev/null; git config --get-regexp credential; :"),
      ""
    )
    // And one whose time is up is gone too.
    yield* Effect.gen(function* () {
      yield* git.credential(workspace, "1 second")
      const gone = sandbox.spawn({
        script: "while ls -d /tmp/remote-agent-* >/dev/null 2>&1; do sleep 0.1; done"
      })
      yield* Stream.runDrain(gone)
      assert.notStrictEqual((yield* sh(`${push}/late`)).exitCode, 0)
    }).pipe(Effect.scoped)
    assert.strictEqual(
      (yield* Effect.flip(Effect.scoped(git.credential({ ...workspace, dir: "nowhere" })))).reason._tag,
      "NotARepository"
    )
    yield* sandbox.exec({ script: "ps -e -o args= >processes" })
    assert.notInclude(yield* sandbox.files.readString("processes"), "remote-agent-")
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.live("a sandbox with a credential shows it nowhere, neither while it waits nor after it was used", () =>
  Effect.gen(function* () {
    const { heard, said } = hearing()
    yield* Effect.gen(function* () {
      const { clone, git, out, sandbox, server, sh } = yield* setUp()
      const lookFor = lookIn(sandbox)
      const workspace = yield* clone({ mode: "credential" })
      yield* server.commit("octo/hello", "main", { "b.txt": "b" })
      yield* git.pull(workspace)
      yield* git.createBranch(workspace, "agent/work")
      yield* git.commit(workspace, { message: "new", author, allowEmpty: true })
      yield* git.push(workspace, { branch: "agent/work" })
      const failures = yield* Effect.all([
        Effect.flip(clone({ mode: "credential", dir: "x", repository: "octo/nothing" })),
        Effect.flip(git.push(workspace, { branch: "nowhere" })),
        Effect.flip(git.push(workspace, { branch: "main", to: "protected" })),
        Effect.flip(git.pull({ ...workspace, dir: "nowhere" }))
      ])
      said.push(...failures.flatMap(textsOf))
      assert.strictEqual(yield* lookFor(""), "")

      // One that waits for the agent's own git, that is used, and that has been.
      yield* Effect.gen(function* () {
        yield* git.credential(workspace)
        assert.strictEqual(yield* lookFor(""), "")
        const push =
          "GIT_TERMINAL_PROMPT=0 GIT_TRACE=1 GIT_TRACE_SETUP=1 git push origin HEAD:refs/heads/alone"
        const pushed = yield* sh(`${push} >$HOME/pushed.log 2>&1`)
        assert.strictEqual(pushed.exitCode, 0)
        assert.strictEqual(yield* lookFor(""), "")
      }).pipe(Effect.scoped)
      assert.strictEqual(yield* lookFor(""), "")

      // Where it would be, the search has looked: it finds there what is there.
      const reflog = yield* out("cat .git/logs/HEAD .git/logs/refs/heads/agent/work")
      assert.include(reflog, "new")
      assert.notInclude(`${reflog}\n${yield* out("cat .git/config")}`, "ghp_")
      assert.include(yield* out("cat $HOME/pushed.log"), "git")
      yield* sh(`echo '${canary}' >>.git/logs/HEAD`)
      assert.include(yield* lookFor(""), ".git/logs/HEAD")
      yield* sh("sed -i '$d' .git/logs/HEAD")
      assert.include(yield* lookFor(canary), "environ")
    }).pipe(heard)
    assert.isAbove(said.length, 10)
    const all = said.join("\n")
    assert.notInclude(all, canary)
    assert.notInclude(all, basic)
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.effect("an error says what happened and what to do, and holds nothing else", () =>
  Effect.sync(() => {
    const error = GitError.fail("push", new GitError.NonFastForward({ branch: 'a\u001b[31m"b' }))
    assert.include(error.message, "branch")
    assert.notInclude(error.message, "\u001b")
    assert.isFalse(error.isRetryable)
    assert.isTrue(GitError.fail("pull", new GitError.Unreachable({ repository: "o/r" })).isRetryable)
  })
)
