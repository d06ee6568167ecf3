import { assert, describe, it } from "@effect/vitest"
import { Cli } from "@remote-agent/cli"
import { Effect, Stream } from "effect"
import type { Command } from "effect/cli"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "../../support/paper.ts"
import { serverHere } from "../../support/serverHere.ts"

/** A secret of the sandboxes, which no answer may contain. */
const canary = "canary-6f1d2c7ab90e43d8"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "remote-agent-at-server-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

interface Shown {
  readonly out: string
  readonly err: string
}

interface Step {
  /** The command line. A function gets what the steps before have kept. */
  readonly args: ReadonlyArray<string>
  readonly stdin?: string
  readonly code?: number
  readonly check?: (shown: Shown) => void
}

const has =
  (...texts: ReadonlyArray<string>) =>
  ({ err, out }: Shown) => {
    for (const text of texts) assert.include(out + err, text)
  }

const json = ({ out }: Shown) => JSON.parse(out)

/** Every command that works at a server, in an order in which each has what it needs. */
const steps = (cwd: string): ReadonlyArray<Step> => [
  { args: ["profiles", "--json"], check: has('"sample"') },
  {
    args: ["launch", "--name", "one", "--label", "team=research", "--env", `KEY=${canary}`, "--json"],
    check: (shown) => assert.strictEqual(json(shown).status, "active")
  },
  { args: ["list"], check: has("one", "active") },
  { args: ["list", "--label", "team=other"], check: has("No agent matches") },
  { args: ["info", "one"], check: has("running") },
  { args: ["health", "one"], check: has("one") },
  { args: ["rename", "one", "first"], check: has("first") },
  { args: ["label", "first", "stage=test", "team-"], check: () => undefined },
  {
    args: ["info", "first", "--json"],
    check: (shown) => assert.deepStrictEqual(json(shown).agent.name, "first")
  },
  { args: ["query", "first", "Tesla revenue 2024"], check: has("$97,690 million") },
  { args: ["query", "first", "Apple revenue 2024", "--detach"], check: has("qry_") },
  { args: ["wait", "first"], check: () => undefined },
  { args: ["answer", "first"], check: has("Apple") },
  { args: ["logs", "first"], check: has("Apple") },
  { args: ["logs", "--follow", "--json", "first"], check: has('"result"') },
  { args: ["queries", "--json"], check: has("Tesla revenue 2024") },
  { args: ["cancel", "first"], code: 3 },
  { args: ["cost"], check: has("first", "2") },
  { args: ["exec", "first", "--", "sh", "-c", "cat; echo out; echo err >&2; exit 7"], stdin: "in", code: 7 },
  { args: ["cp", join(cwd, "here.txt"), "first:there.txt"], check: has("1 file") },
  { args: ["exec", "first", "--json", "--", "cat", "there.txt"], check: has("a file of this machine") },
  { args: ["cp", "first:there.txt", join(cwd, "back.txt")], check: has("1 file") },
  { args: ["pause", "first"], check: has("paused") },
  { args: ["list"], check: has("paused") },
  { args: ["resume", "first"], check: has("active") },
  { args: ["fork", "first", "--name", "second"], check: has("second") },
  { args: ["terminate", "second"], check: has("terminated") },
  { args: ["update", "first"], check: () => undefined },
  { args: ["branch", "first", "topic"], code: 2, check: has("has no repository") },
  { args: ["commit", "first", "-m", "message"], code: 2, check: has("has no repository") },
  { args: ["diff", "first"], code: 2, check: has("has no repository") },
  { args: ["push", "first"], code: 2, check: has("has no repository") },
  { args: ["pull", "first"], code: 2, check: has("has no repository") },
  { args: ["pr", "create", "first", "--title", "Title"], code: 2, check: has("has no repository") },
  { args: ["publish", "first", "Tesla?", "--repo", "acme/research"], code: 2 },
  { args: ["ask", "Tesla revenue 2024"], check: has("$97,690 million") },
  { args: ["pool", "run", "Tesla revenue 2024", "Apple revenue 2024", "--size", "2"], check: has("2 of 2") },
  { args: ["pool", "create", "team", "--size", "1"], check: has("1 agent") },
  { args: ["pool", "list"], check: has("team") },
  {
    args: ["pool", "run", "--name", "team", "Tesla revenue 2024", "Apple revenue 2024"],
    check: has("2 of 2")
  },
  { args: ["pool", "resize", "team", "2"], check: has("2 agents") },
  { args: ["pool", "terminate", "team", "--yes"], check: has("team") },
  { args: ["reap", "--dry-run"], check: has("to do") },
  { args: ["state", "export", join(cwd, "state.json")], check: has("Exported") },
  { args: ["state", "import", join(cwd, "state.json")], check: has("alreadyThere") },
  { args: ["token", "create", "--name", "ci", "--json"], check: has('"ra_') },
  { args: ["token", "list"], check: has("ci") },
  { args: ["token", "revoke", "tok_unknown"], code: 3 },
  { args: ["terminate", "first"], check: has("terminated") },
  { args: ["info", "nobody"], code: 3, check: has("There is no agent nobody") }
]

/** Commands that no server carries out, and what they say. */
const refused: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
  [["run", "start", "Tesla revenue 2024"], "pool run"],
  [["run", "status", "run_01arz3ndektsv4rrffq69g5fav"], "pool run"],
  [["run", "watch", "run_01arz3ndektsv4rrffq69g5fav"], "pool run"],
  [["run", "results", "run_01arz3ndektsv4rrffq69g5fav"], "pool run"],
  [["run", "resume", "run_01arz3ndektsv4rrffq69g5fav"], "pool run"],
  [["run", "pause", "run_01arz3ndektsv4rrffq69g5fav"], "pool run"],
  [["run", "cancel", "run_01arz3ndektsv4rrffq69g5fav"], "pool run"],
  [["run", "list"], "pool run"],
  [["schedule", "create", "0 7 * * *", "Tesla revenue 2024"], "--state"],
  [["schedule", "list"], "--state"],
  [["schedule", "history", "sch_01arz3ndektsv4rrffq69g5fav"], "--state"],
  [["schedule", "pause", "sch_01arz3ndektsv4rrffq69g5fav"], "--state"],
  [["schedule", "resume", "sch_01arz3ndektsv4rrffq69g5fav"], "--state"],
  [["schedule", "run", "sch_01arz3ndektsv4rrffq69g5fav"], "--state"],
  [["schedule", "watch"], "--state"],
  [["schedule", "delete", "sch_01arz3ndektsv4rrffq69g5fav"], "--state"],
  [["worker"], "--state"],
  [["worker", "list"], "--state"],
  [["worker", "drain", "worker-1"], "--state"],
  [["local", "status"], "this machine"],
  [["local", "stop"], "this machine"],
  [["local", "serve"], "this machine"],
  [["serve"], "this machine"],
  [["demo"], "this machine"],
  [["init"], "this machine"],
  [["trust"], "this machine"],
  [["doctor"], "this machine"],
  [["config", "show"], "this machine"],
  [["config", "check"], "this machine"],
  [["profiles", "show", "sample"], "this machine"],
  [["completions", "bash"], "this machine"],
  [["issue", "list", "--repo", "a/b"], "this machine"],
  [["issue", "create", "--repo", "a/b", "--title", "t"], "this machine"],
  [["webhook", "list", "--repo", "a/b"], "this machine"],
  [["webhook", "serve"], "this machine"],
  [["webhook", "create", "https://a.example", "--repo", "a/b"], "this machine"],
  [["webhook", "ping", "1", "--repo", "a/b"], "this machine"],
  [["webhook", "delete", "1", "--repo", "a/b"], "this machine"]
]

/** The words of every command. */
const wordsOf = (command: Command.Command.Any, before: ReadonlyArray<string> = []): ReadonlyArray<string> =>
  command.subcommands.length === 0
    ? [before.join(" ")]
    : [
        ...(before.join(" ") === "profiles" ? ["profiles"] : []),
        ...command.subcommands.flatMap(({ commands }) =>
          commands.flatMap((one) => wordsOf(one, [...before, one.name]))
        )
      ]

/** Commands that ask nothing of agents: they are the same with and without a server. */
const neutral: ReadonlySet<string> = new Set(["help", "version", "local daemon", "mcp", "shell"])

describe("--server", () => {
  it.live(
    "every command works at the server, or says what to do, and no answer shows a secret",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const { orchestrator, token, url } = yield* serverHere()
        yield* Effect.promise(() => writeFile(join(cwd, "here.txt"), "a file of this machine"))
        const env = { REMOTE_AGENT_TOKEN: token }
        const here = (args: ReadonlyArray<string>, stdin?: string) =>
          run(["--server", url, ...args], { cwd, env, ...(stdin === undefined ? {} : { stdin }) })
        for (const { args, check = () => undefined, code = 0, stdin } of steps(cwd)) {
          const shown = yield* here(args, stdin)
          const words = `${args.join(" ")}\n${shown.out}\n${shown.err}`
          assert.strictEqual(shown.code, code, words)
          check(shown)
          assert.notInclude(shown.out + shown.err, canary, words)
        }
        const back = yield* Effect.promise(() => readFile(join(cwd, "back.txt"), "utf8"))
        assert.strictEqual(back, "a file of this machine")
        const state = yield* Effect.promise(() => readFile(join(cwd, "state.json"), "utf8"))
        assert.include(state, "Tesla revenue 2024")
        assert.notInclude(state, canary)
        const shell = yield* here(["shell", "first"])
        assert.strictEqual(shell.code, 125)
        assert.include(shell.err, "remote-agent exec")
        for (const [args, text] of refused) {
          const shown = yield* here(args)
          const words = `${args.join(" ")}\n${shown.out}\n${shown.err}`
          assert.strictEqual(shown.code, 2, words)
          assert.include(shown.err, text)
        }
        const left = yield* Stream.runCollect(orchestrator.agents.list({ status: ["active", "paused"] }))
        assert.deepStrictEqual(
          left.map(({ name }) => name),
          []
        )
      }).pipe(Effect.scoped),
    { timeout: 240_000 }
  )

  it("names every command there is", () => {
    const tested = new Set(
      [...steps("").map(({ args }) => args), ...refused.map(([args]) => args)].map((args) => args.join(" "))
    )
    const all = wordsOf(Cli.root).filter((words) => !neutral.has(words))
    const missing = all.filter((words) => ![...tested].some((line) => `${line} `.startsWith(`${words} `)))
    assert.deepStrictEqual(missing, [])
  })

  it.live("says what is wrong with the server, the token and the flags", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const { token, url } = yield* serverHere()
      const none = yield* run(["list", "--server", url], { cwd })
      assert.strictEqual(none.code, 2)
      assert.include(none.err, "REMOTE_AGENT_TOKEN")
      const wrong = yield* run(["list"], {
        cwd,
        env: { REMOTE_AGENT_SERVER: url, REMOTE_AGENT_TOKEN: "ra_no" }
      })
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.err, "refused")
      const env = { REMOTE_AGENT_SERVER: url, REMOTE_AGENT_TOKEN: token }
      const flags = yield* run(["list", "--state", "other.sqlite"], { cwd, env })
      assert.strictEqual(flags.code, 2)
      assert.include(flags.err, "--state")
      const plain = yield* run(["list", "--server", "http://agents.example"], { cwd, env })
      assert.strictEqual(plain.code, 2)
      yield* Effect.promise(() => writeFile(join(cwd, "token"), `${token}\n`))
      const file = yield* run(["list", "--server", url, "--token-file", join(cwd, "token")], { cwd })
      assert.strictEqual(file.code, 0, file.err)
      const gone = yield* run(["list", "--server", "http://127.0.0.1:9"], { cwd, env })
      assert.strictEqual(gone.code, 1)
      assert.include(gone.err, "http://127.0.0.1:9")
    }).pipe(Effect.scoped)
  )
})
