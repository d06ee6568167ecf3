import { byDefault, inRest } from "#test/once"
import { describeWhere } from "#test/where"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { WebhookSignature } from "@remote-agent/github"
import type { ChildProcess } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as FakeGitHub from "../../../../github/test/support/FakeGitHub.ts"
import { family, finish, folder, type Ran, run, start, survivors } from "../../support/support.ts"
import { inject } from "vitest"

const isolates = inject("isolations").length > 0

const limit = { timeout: 600_000 }

/** Writes down what it is asked, says it, and waits for the file `go` when it is asked to. */
const program = `q=$(cat); printf '%s\\n' "$q" >> NOTES.md; printf '%s\\n' "$q"
if [ "$q" = wait ]; then while [ ! -e go ]; do sleep 0.1; done; fi`

const profiles = JSON.stringify({
  editor: {
    description: "Writes down what it is asked",
    work: "{home}/work",
    assets: [],
    setup: [],
    health: { argv: ["true"] },
    run: {
      argv: ["sh", "-c", program],
      cwd: "{work}",
      input: "stdin-text",
      protocol: "text",
      wallTimeout: "10 minutes",
      idleTimeout: "10 minutes"
    },
    session: { kind: "none", files: ["{work}/.editor"] }
  }
})

const webhookSecret = "fake-webhook-secret-canary"

const decodeStatus = Schema.decodeSync(
  Schema.fromJsonString(Schema.Struct({ pid: Schema.optionalKey(Schema.Int) }))
)
const decodePr = Schema.decodeSync(
  Schema.fromJsonString(
    Schema.Struct({
      outcome: Schema.String,
      url: Schema.String,
      number: Schema.Int,
      branch: Schema.String,
      base: Schema.String,
      files: Schema.Array(Schema.String)
    })
  )
)
const decodeServing = Schema.decodeSync(
  Schema.fromJsonString(Schema.Struct({ url: Schema.String, metricsUrl: Schema.String }))
)
const decodeReason = Schema.decodeSync(
  Schema.fromJsonString(Schema.Struct({ error: Schema.Struct({ reason: Schema.String }) }))
)
const reasonOf = ({ stdout }: Ran) => decodeReason(stdout).error.reason

/** Every file below a folder. */
const filesOf = async (path: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(path, { withFileTypes: true })
  const found = await Promise.all(
    entries.map(async (entry): Promise<ReadonlyArray<string>> => {
      const at = join(path, entry.name)
      return entry.isDirectory() ? await filesOf(at) : entry.isFile() ? [at] : []
    })
  )
  return found.flat()
}

/** The binary over a fake GitHub with a private repository; at the end nothing is left. */
const setUp = Effect.gen(function* () {
  const cwd = yield* folder
  const github = yield* FakeGitHub.make()
  yield* github.createRepository("octo/hello")
  yield* github.commit("octo/hello", "main", { "README.md": "# Hello\n", "src/a.txt": "one\n" })
  const outputs: Array<string> = []
  const env = {
    REMOTE_AGENT_DATA: join(cwd, "data"),
    REMOTE_AGENT_PROFILES: profiles,
    GITHUB_API_URL: github.url,
    GITHUB_TOKEN: github.secret
  }
  const bin = (args: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}) =>
    Effect.tap(run(cwd, args, { ...env, ...more }), ({ stderr, stdout }) =>
      Effect.sync(() => outputs.push(stdout, stderr))
    )
  /** Runs a command that has to be done, and gives back what it printed. */
  const done = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
    const { code, stderr, stdout } = yield* bin(args)
    assert.strictEqual(code, 0, `${args.join(" ")}: ${stderr}`)
    return stdout.trim()
  })
  const daemon = Effect.map(
    run(cwd, ["local", "status", "--json"], env),
    ({ stdout }) => decodeStatus(stdout).pid
  )
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      const pid = yield* daemon
      const members = pid === undefined ? [] : yield* Effect.promise(() => family(pid))
      if (pid !== undefined) yield* run(cwd, ["local", "stop", "--yes"], env)
      assert.deepStrictEqual(yield* Effect.promise(() => survivors(members)), [], "a process is left")
    })
  )
  /** The file of that name in the only sandbox. */
  const inSandbox = (name: string) =>
    Effect.promise(async () =>
      (await filesOf(join(cwd, "data", "sandboxes"))).find((path) => path.endsWith(`/work/${name}`))
    )
  return { cwd, github, env, bin, done, daemon, outputs, inSandbox }
})

/** All that a search would find the token by. */
const traces = (token: string) => [
  token,
  Buffer.from(`x-access-token:${token}`).toString("base64"),
  Buffer.from(token).toString("base64")
]

const has = (content: Buffer, token: string) => traces(token).some((trace) => content.includes(trace))

const readOf = (path: string) => readFile(path).catch(() => Buffer.alloc(0))

/** The environments and arguments of the local server and of everything in its sandboxes. */
const processes = async (pid: number): Promise<ReadonlyArray<Buffer>> => {
  const members = await family(pid)
  return await Promise.all(
    members.flatMap((one) => [readOf(`/proc/${one.pid}/environ`), readOf(`/proc/${one.pid}/cmdline`)])
  )
}

const layer = NodeServices.layer

describeWhere(isolates, "no isolation works here")("an agent with a private repository", () => {
  byDefault(it).live(
    "proposes its changes, again and again, and no trace of the token is anywhere",
    () =>
      Effect.gen(function* () {
        const { bin, cwd, daemon, done, github, outputs } = yield* setUp
        const launch = ["launch", "--profile", "editor"]

        // What is missing is named before anything is created.
        const without = yield* bin([...launch, "--repository", "octo/hello", "--json"], { GITHUB_TOKEN: "" })
        assert.include(without.stderr, "GITHUB_TOKEN")
        const elsewhere = yield* bin([...launch, "--repository", "https://gitlab.com/octo/hello", "--json"])
        assert.include(elsewhere.stderr, `it is not at ${github.url}`)
        assert.include(elsewhere.stderr, "stage repository")
        const unknown = yield* bin([...launch, "--repository", "octo/hello", "--ref", "nope", "--json"])
        assert.strictEqual(unknown.code, 3)
        assert.include(unknown.stderr, "stage repository")

        yield* done(...launch, "--name", "coder", "--repository", "octo/hello")
        const unnamed = yield* bin(["push", "coder", "--json"])
        assert.deepStrictEqual([unnamed.code, reasonOf(unnamed)], [1, "BranchNotNamed"])
        const nothing = yield* bin(["pr", "create", "coder", "--title", "Nothing", "--json"])
        assert.deepStrictEqual([nothing.code, reasonOf(nothing)], [1, "NothingToCommit"])
        const onBase = yield* bin(["pr", "create", "coder", "--title", "x", "--branch", "main", "--json"])
        assert.strictEqual(reasonOf(onBase), "InvalidName")
        yield* done("query", "coder", "the first note")

        // Reads every process of the server until the work is done.
        const pid = (yield* daemon) ?? 0
        let seen = 0
        const look = Effect.map(
          Effect.promise(() => processes(pid)),
          (contents) => {
            seen += contents.length
            assert.isFalse(
              contents.some((content) => has(content, github.secret)),
              "a process has the token"
            )
          }
        )
        const create = done("pr", "create", "coder", "--title", "Take notes", "--label", "notes", "--json")
        const printed = yield* Effect.raceFirst(create, Effect.forever(look))
        assert.isAbove(seen, 0)
        const first = decodePr(printed)
        assert.deepStrictEqual([first.outcome, first.base, first.files], ["created", "main", ["NOTES.md"]])
        assert.match(first.branch, /^agents\/coder-\w{6}\/\d{4}-\d\d-\d\d$/)
        const notes = () => github.git("octo/hello", ["show", `${first.branch}:NOTES.md`])
        assert.strictEqual(yield* notes(), "the first note\n")

        yield* done("query", "coder", "the second note")
        const again = decodePr(yield* done("pr", "create", "coder", "--title", "Take more notes", "--json"))
        assert.deepStrictEqual(
          [again.outcome, again.number, again.branch],
          ["updated", first.number, first.branch]
        )
        assert.strictEqual(yield* notes(), "the first note\nthe second note\n")
        const same = decodePr(yield* done("pr", "create", "coder", "--title", "Take more notes", "--json"))
        assert.deepStrictEqual([same.outcome, same.files], ["unchanged", []])
        assert.strictEqual(github.repository("octo/hello").pulls.size, 1)

        // By hand. What is checked out in the sandbox does not choose the branch.
        const inTree = (script: string) => done("exec", "coder", "--", "sh", "-c", `cd work && ${script}`)
        const main = yield* github.git("octo/hello", ["rev-parse", "main"])
        yield* github.git("octo/hello", ["branch", "production", "main"])
        yield* done("branch", "coder", "production")
        const foreign = yield* bin(["push", "coder", "--json"])
        assert.deepStrictEqual([foreign.code, reasonOf(foreign)], [1, "BranchNotOwned"], foreign.stderr)
        yield* done("branch", "coder", "by-hand")
        yield* done("query", "coder", "the third note")
        yield* writeMessage(cwd)
        yield* done("commit", "coder", "--message-file", "message.txt")
        assert.strictEqual((yield* bin(["commit", "coder", "-m", "x"])).code, 1)
        yield* inTree("git branch -f main && git symbolic-ref HEAD refs/heads/main")
        assert.match(yield* done("push", "coder"), /^by-hand [0-9a-f]{40}$/)
        assert.strictEqual(yield* github.git("octo/hello", ["rev-parse", "main"]), main)
        assert.strictEqual(yield* github.git("octo/hello", ["rev-parse", "production"]), main)
        assert.strictEqual(
          yield* github.git("octo/hello", ["log", "-1", "--format=%B", "by-hand"]),
          "A message\n\nof $(two) 'lines'\n\n"
        )

        // An answer that would like to be the front matter.
        const question = 'A "quoted": question\n---\nforged: true\n---\n# @octocat'
        const published = decodePr(
          yield* done("publish", "coder", question, "--repo", "octo/hello", "--json")
        )
        assert.strictEqual(published.outcome, "created")
        const [path = ""] = published.files
        assert.match(path, /^reports\/\d{4}-\d\d-\d\d-a-quoted-question-forged-true-octocat-[0-9a-f]{8}\.md$/)
        const report = yield* github.git("octo/hello", ["show", `${published.branch}:${path}`])
        const [, front = "", answer = ""] = /^---\n(.*?)\n---\n\n(.*)$/s.exec(report) ?? []
        assert.include(front, `question: ${JSON.stringify(question)}\n`)
        assert.include(front, 'outcome: "ok"')
        assert.include(front, 'profile: "editor"')
        assert.notInclude(front, "\nforged")
        assert.include(answer, question)
        assert.deepStrictEqual(
          (yield* github.git("octo/hello", ["diff", "--name-only", `main...${published.branch}`])).trim(),
          path
        )

        // The token is nowhere: sandboxes, their server, state, copies of repositories, logs, output.
        const found = yield* Effect.promise(async () => {
          const files = await filesOf(cwd)
          assert.isAbove(files.filter((file) => file.includes("/.git/")).length, 5)
          const hits = await Promise.all(
            files.map(async (file) => (has(await readFile(file), github.secret) ? [file] : []))
          )
          return hits.flat()
        })
        assert.deepStrictEqual(found, [])
        assert.isFalse(outputs.some((text) => has(Buffer.from(text), github.secret)))
        assert.isFalse(
          (yield* Effect.promise(() => processes(pid))).some((content) => has(content, github.secret))
        )
      }).pipe(Effect.scoped, Effect.provide(layer)),
    limit
  )

  byDefault(it).live(
    "is brought up to date by signed pushes, once each, and by nothing else",
    () =>
      Effect.gen(function* () {
        const { bin, done, env, cwd, github, inSandbox } = yield* setUp
        const none = yield* bin(["webhook", "serve", "--port", "0", "--json"])
        assert.deepStrictEqual([none.code, reasonOf(none)], [2, "ConfigError"])
        yield* done("launch", "--profile", "editor", "--name", "coder", "--repository", "octo/hello")
        const serving = { ...env, GITHUB_WEBHOOK_SECRET: webhookSecret }
        const receiver = yield* serve(cwd, serving)
        const { metricsUrl, url } = receiver

        const before = (yield* github.git("octo/hello", ["rev-parse", "main"])).trim()
        const after = yield* github.commit("octo/hello", "main", { "src/a.txt": "two\n" })
        const body = pushOf("main", before, after)
        assert.strictEqual((yield* post(url, body, randomUUID(), "wrong-secret")).status, 401)
        const id = randomUUID()
        const answers = yield* Effect.forEach(Array.from({ length: 20 }), () => post(url, body, id), {
          concurrency: "unbounded"
        })
        assert.strictEqual(answers.filter(({ status }) => status === 202).length, 1)
        assert.isTrue(answers.every(({ status }) => [200, 202, 409].includes(status)))
        yield* eventually(metrics(metricsUrl), (text) => text.includes('outcome="Updated"} 1'))
        const file = (yield* inSandbox("src/a.txt")) ?? ""
        assert.strictEqual(yield* contentOf(file), "two\n")
        assert.include(yield* done("info", "coder", "--json"), after)
        // A branch and a repository that no agent tracks.
        yield* post(url, pushOf("other", before, after), randomUUID())
        const health = yield* Effect.promise(() => ask("/health", url))
        assert.strictEqual(health.status, 200)
        assert.strictEqual((yield* Effect.promise(() => ask("/metrics", url))).status, 404)

        // While the agent answers, pushes wait, and the newest takes the place of those before it.
        yield* done("query", "coder", "wait", "--detach")
        const last = yield* github.commit("octo/hello", "main", { "src/a.txt": "three\n" })
        for (const number of [1, 2, 3]) {
          assert.strictEqual(
            (yield* post(url, pushOf("main", after, `${last.slice(1)}${number}`), randomUUID())).status,
            202
          )
        }
        yield* eventually(metrics(metricsUrl), (text) => text.includes('outcome="Overtaken"} 1'))
        // Ctrl-C: what was accepted is done before it ends.
        receiver.child.kill("SIGINT")
        yield* eventually(
          Effect.sync(() => receiver.stderr()),
          (text) => text.includes("Stopping")
        )
        assert.strictEqual(receiver.child.exitCode, null)
        assert.strictEqual(yield* contentOf(file), "two\n")
        yield* Effect.promise(() => writeFile(join(file, "../../go"), ""))
        const { code } = yield* receiver.ended
        assert.strictEqual(code, 130, receiver.stderr())
        assert.strictEqual(yield* contentOf(file), "three\n")
        assert.notInclude(receiver.stderr(), webhookSecret)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    limit
  )
})

inRest(describeWhere(isolates, "no isolation works here"))("what flags say of a pull request", () => {
  it.live(
    "is in it, and in the branches and commits that are made by hand",
    () =>
      Effect.gen(function* () {
        const { cwd, done, github } = yield* setUp
        const json = (...args: ReadonlyArray<string>) =>
          Effect.map(done(...args, "--json"), (text): Record<string, unknown> => JSON.parse(text))
        yield* done("launch", "--profile", "editor", "--name", "coder", "--repository", "octo/hello")
        const { pulls } = github.repository("octo/hello")
        yield* github.git("octo/hello", ["branch", "next", "main"])
        const before = yield* github.git("octo/hello", ["rev-parse", "main"])

        yield* done("query", "coder", "the first note")
        yield* writeMessage(cwd)
        const how = ["--base", "next", "--draft", "--body-file", "message.txt", "--reviewer", "ada"]
        const first = decodePr(yield* done("pr", "create", "coder", "--title", "Notes", "--json", ...how))
        const pull = pulls.get(first.number)
        assert.deepInclude(pull, { base: "next", draft: true, reviewers: ["ada"] })
        assert.include(pull?.body, "A message")
        yield* done("pr", "create", "coder", "--title", "Notes", "--base", "next", "--body", "Other words")
        assert.include(pulls.get(first.number)?.body, "Other words")

        const about = ["--repo", "octo/hello", "--base", "next", "--draft", "--label", "report"]
        const published = decodePr(
          yield* done("publish", "coder", "What?", ...about, "--timeout", "60", "--json")
        )
        assert.deepInclude(pulls.get(published.number), { base: "next", draft: true })
        assert.deepStrictEqual(github.repository("octo/hello").labels.get(published.number), ["report"])

        // The work began on the default branch, which is not the base, and is not pushed to all the same.
        assert.strictEqual(yield* github.git("octo/hello", ["rev-parse", "main"]), before)
        const tip = (yield* github.git("octo/hello", ["rev-parse", first.branch])).trim()
        assert.include(Object.values(yield* json("branch", "coder", "by-hand", "--from", tip)), "by-hand")
        yield* done("query", "coder", "the second note")
        const { commit } = yield* json("commit", "coder", "-m", "By hand")
        const pushed = yield* json("push", "coder", "--branch", "by-hand")
        assert.deepInclude(pushed, { branch: "by-hand", commit })
        assert.strictEqual((yield* github.git("octo/hello", ["rev-parse", "by-hand^"])).trim(), tip)

        const newest = yield* github.commit("octo/hello", "by-hand", { "src/a.txt": "two\n" })
        assert.include(JSON.stringify(yield* json("pull", "coder")), newest)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    limit
  )
})

inRest(describeWhere(isolates, "no isolation works here"))("webhooks that are stopped", () => {
  it.live(
    "give up after --drain what the next one takes over",
    () =>
      Effect.gen(function* () {
        const { cwd, done, env, github, inSandbox } = yield* setUp
        yield* done("launch", "--profile", "editor", "--name", "coder", "--repository", "octo/hello")
        const serving = { ...env, GITHUB_WEBHOOK_SECRET: webhookSecret }
        const file = (yield* inSandbox("src/a.txt")) ?? ""
        const before = (yield* github.git("octo/hello", ["rev-parse", "main"])).trim()
        const body = pushOf(
          "main",
          before,
          yield* github.commit("octo/hello", "main", { "src/a.txt": "two\n" })
        )
        // The update waits for the answer, which does not come.
        yield* done("query", "coder", "wait", "--detach")
        const id = randomUUID()
        const hurried = yield* serve(cwd, serving, ["--drain", "1", "--host", "127.0.0.1"])
        assert.strictEqual((yield* post(hurried.url, body, id)).status, 202)
        hurried.child.kill("SIGINT")
        assert.strictEqual((yield* hurried.ended).code, 130, hurried.stderr())
        assert.include(hurried.stderr(), "was not handled")
        assert.strictEqual(yield* contentOf(file), "one\n")

        const next = yield* serve(cwd, serving)
        assert.strictEqual((yield* post(next.url, body, id)).status, 202, "the same delivery, again")
        yield* Effect.promise(() => writeFile(join(file, "../../go"), ""))
        next.child.kill("SIGINT")
        assert.strictEqual((yield* next.ended).code, 130, next.stderr())
        assert.strictEqual(yield* contentOf(file), "two\n")
      }).pipe(Effect.scoped, Effect.provide(layer)),
    limit
  )
})

describe("issues and webhooks of a repository", () => {
  byDefault(it).live(
    "are made, listed, pinged and deleted, and what is missing is named",
    () =>
      Effect.gen(function* () {
        const { bin, cwd, done, env, github } = yield* setUp
        const repo = ["--repo", "octo/hello"]
        assert.strictEqual(reasonOf(yield* bin(["issue", "list", "--json"])), "Usage")
        const keyless = yield* bin(["issue", "create", "--title", "x", ...repo, "--json"], {
          GITHUB_TOKEN: ""
        })
        assert.deepStrictEqual([keyless.code, reasonOf(keyless)], [2, "ConfigError"])
        assert.include(keyless.stderr, "GITHUB_TOKEN")
        yield* done("issue", "create", "--title", "A bug", "--body", "It fails", "--label", "bug", ...repo)
        const owned = yield* run(cwd, ["issue", "list", "--label", "bug"], {
          ...env,
          GITHUB_REPO_OWNER: "octo",
          GITHUB_REPO_NAME: "hello"
        })
        assert.match(owned.stdout, /#1\s+open\s+A bug\s+bug/)
        yield* writeMessage(cwd)
        const flags = ["--title", "By file", "--body-file", "message.txt", "--assignee", "ada", ...repo]
        assert.include(yield* done("issue", "create", "--json", ...flags), '"title":"By file"')
        assert.include(github.repository("octo/hello").issues.get(2)?.body, "A message")
        assert.strictEqual(
          (yield* done("issue", "list", "--limit", "1", "--json", ...repo)).split("\n").length,
          1
        )
        const url = "http://127.0.0.1:9/webhook"
        const made = yield* done("webhook", "create", url, ...repo)
        const [hook = "", secret = ""] = made.split("\n")
        assert.match(secret, /^GITHUB_WEBHOOK_SECRET=[0-9a-f]{64}$/)
        assert.include(yield* done("webhook", "list", ...repo), url)
        yield* done("webhook", "ping", hook, ...repo)
        assert.include(yield* done("webhook", "list", "--json", ...repo), `"id":${hook}`)
        assert.include(yield* done("webhook", "ping", hook, "--json", ...repo), '"pinged":true')
        const other = yield* done("webhook", "create", `${url}/other`, "--event", "issues", "--json", ...repo)
        assert.include(other, '"events":["issues"]')
        assert.match(other, /"secret":"[0-9a-f]{64}"/)
        const { id }: { readonly id: number } = JSON.parse(other)
        assert.include(
          yield* done("webhook", "delete", String(id), "--json", ...repo),
          `{"id":${id},"deleted":true}`
        )
        yield* done("webhook", "delete", hook, ...repo)
        assert.strictEqual(github.repository("octo/hello").hooks.size, 0)
        github.scopes.set(github.secret, "repo")
        const scope = yield* bin(["webhook", "list", ...repo])
        assert.include(scope.stderr, "admin:repo_hook")
      }).pipe(Effect.scoped, Effect.provide(layer)),
    limit
  )
})

const writeMessage = (cwd: string) =>
  Effect.promise(() => writeFile(join(cwd, "message.txt"), "A message\n\nof $(two) 'lines'\n"))

const contentOf = (path: string) => Effect.promise(() => readFile(path, "utf8"))

const pushOf = (branch: string, before: string, after: string) =>
  JSON.stringify({
    ref: `refs/heads/${branch}`,
    before,
    after,
    created: false,
    deleted: false,
    forced: false,
    commits: [],
    repository: { name: "hello", full_name: "octo/hello", owner: { login: "octo" }, default_branch: "main" },
    sender: { login: "octocat" }
  })

const send = async (url: string, body: string, id: string, secret: string) => {
  const response = await fetch(url, {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "x-github-event": "push",
      "x-github-delivery": id,
      "x-hub-signature-256": WebhookSignature.sign(Buffer.from(body), Redacted.make(secret))
    }
  })
  return { status: response.status, text: await response.text() }
}

const post = (url: string, body: string, id: string, secret = webhookSecret) =>
  Effect.promise(() => send(url, body, id, secret))

const ask = async (path: string, url: string) => {
  const response = await fetch(new URL(path, url))
  return { status: response.status, text: await response.text() }
}

const metrics = (url: string) =>
  Effect.map(
    Effect.promise(() => ask("/metrics", url)),
    ({ text }) => text
  )

/** Asks again and again, without a time limit of its own, until the answer is right. */
const eventually = Effect.fnUntraced(function* <A>(
  question: Effect.Effect<A>,
  isRight: (answer: A) => boolean
) {
  while (!isRight(yield* question))
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50)))
})

/** The receiver on a free port; ended with the test, if it is still there. */
const serve = (cwd: string, env: Readonly<Record<string, string>>, flags: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync((): ChildProcess =>
        start(cwd, ["webhook", "serve", "--port", "0", "--metrics-port", "0", "--json", ...flags], env)
      ),
      (process) =>
        Effect.promise(async () => {
          if (process.exitCode !== null || process.signalCode !== null) return
          process.kill("SIGKILL")
          await once(process, "close")
        })
    )
    let text = ""
    child.stderr?.on("data", (data: Buffer) => (text += data.toString()))
    const ended = finish(child)
    const printed = yield* Effect.promise(
      () =>
        new Promise<string>((resolve, reject) => {
          createInterface({ input: child.stdout ?? process.stdin }).once("line", resolve)
          child.once("close", () => reject(new Error(text)))
        })
    )
    const { metricsUrl, url } = decodeServing(printed)
    return { child, url, metricsUrl, ended: Effect.promise(() => ended), stderr: () => text }
  })
