import { assert, describe, it } from "@effect/vitest"
import { Agent, AgentEvent, Id, Query, TokenUsage } from "@remote-agent/domain"
import { DateTime, Effect } from "effect"
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { run } from "../../support/paper.ts"
import { seeded } from "../../support/records.ts"
import { folder } from "../../support/support.ts"

const at = DateTime.makeUnsafe("2026-01-02T03:04:05Z")

const ann = Id.AgentId.make(`agt_${"0".repeat(22)}aaaa`)
const bob = Id.AgentId.make(`agt_${"0".repeat(22)}bbbb`)

const agent = (id: Id.AgentId, name: string, profile: string) =>
  new Agent.Agent({
    id,
    name: Agent.AgentName.make(name),
    profile,
    status: name === "bob" ? "terminated" : "active",
    revision: 0,
    queryCount: 0,
    createdAt: at,
    updatedAt: at
  })

/** The time of an id is in its first ten characters; the sixth query is the newest. */
const idOf = (index: number) => Id.QueryId.make(`qry_000000000${index}${"0".repeat(15)}z`)

const some = (...indexes: ReadonlyArray<number>) => indexes.map(idOf)

const asked = (index: number, agentId: Id.AgentId, text: string) =>
  new Query.Query({ id: idOf(index), agentId, text, status: "queued", createdAt: at })

const ended = (outcome: AgentEvent.Outcome, answer: string, costUsd: number): AgentEvent.ResultEvent => ({
  type: "result",
  outcome,
  answer,
  ...(outcome === "ok" ? {} : { error: "It did not work." }),
  usage: new TokenUsage.TokenUsage({ inputTokens: 10, outputTokens: 5, wallMillis: 1500, costUsd })
})

/** Two agents: one that stays with three queries, and a terminated one with a query. */
const records = (cwd: string) =>
  seeded(cwd, (store) =>
    Effect.gen(function* () {
      yield* store.restore([
        { _tag: "Agent", agent: agent(ann, "ann", "sample") },
        { _tag: "Agent", agent: agent(bob, "bob", "dexter") }
      ])
      yield* store.createQuery(asked(1, ann, "first\nquestion"))
      yield* store.createQuery(asked(2, bob, "second"))
      yield* store.createQuery(asked(3, ann, "third"))
      yield* store.createQuery(asked(4, ann, "x".repeat(200)))
      yield* store.appendEvents(idOf(1), [{ type: "thinking", text: "hm" }, ended("ok", "forty-two", 0.5)])
      yield* store.appendEvents(idOf(2), [ended("error", "", 2)])
      yield* store.appendEvents(idOf(3), [ended("ok", "three", 1)])
    })
  )

const test = (name: string, body: (cwd: string) => Effect.Effect<void>) =>
  it.live(name, () => Effect.flatMap(folder, body), { timeout: 120_000 })

const rows = (out: string) => out.split("\n").filter((one) => one !== "")

const { PATH = "" } = process.env

describe("queries", () => {
  test("lists the history of all agents, newest first, with outcome, time, cost and text", (cwd) =>
    Effect.gen(function* () {
      yield* records(cwd)
      const { code, err, out } = yield* run(["queries"], { cwd })
      assert.deepStrictEqual([code, err], [0, ""])
      const [head = "", ...listed] = rows(out)
      assert.match(head, /^ID +AGENT +OUTCOME +AGE +TIME +TOKENS +COST +QUERY$/)
      assert.deepStrictEqual(
        listed.map((row) => row.split(/ {2,}/).toSpliced(3, 1)),
        [
          ["qry_000000000400", "ann", "queued", "-", "-", "-", `${"x".repeat(79)}…`],
          ["qry_000000000300", "ann", "ok", "1.5 s", "15", "$1.0000", "third"],
          ["qry_000000000200", "bob", "error", "1.5 s", "15", "$2.0000", "second"],
          ["qry_000000000100", "ann", "ok", "1.5 s", "15", "$0.5000", "first question"]
        ]
      )
      assert.isFalse(existsSync(join(cwd, "data", "local.json")), "a server was started")
    }))

  test("filters, sorts, limits, and prints ids or documents", (cwd) =>
    Effect.gen(function* () {
      yield* records(cwd)
      const ids = (...args: ReadonlyArray<string>) =>
        Effect.map(run(["queries", "-q", ...args], { cwd }), ({ out }) => rows(out))
      assert.deepStrictEqual(yield* ids(), some(4, 3, 2, 1))
      assert.deepStrictEqual(yield* ids("ann"), some(4, 3, 1))
      assert.deepStrictEqual(yield* ids("bob"), some(2))
      assert.deepStrictEqual(yield* ids("--outcome", "ok"), some(3, 1))
      assert.deepStrictEqual(yield* ids("--outcome", "ok", "--outcome", "error", "-n", "2"), some(3, 2))
      assert.deepStrictEqual(yield* ids("--status", "queued"), some(4))
      assert.deepStrictEqual(yield* ids("--profile", "dexter"), some(2))
      assert.deepStrictEqual(yield* ids("--pool", "night"), [])
      assert.deepStrictEqual(yield* ids("--sort", "cost"), some(2, 3, 1, 4))
      assert.deepStrictEqual(yield* ids("--sort", "cost", "--limit", "1"), some(2))
      // The time of these ids is that of 1970.
      assert.deepStrictEqual(yield* ids("--since", "1h30m"), [])
      const wrong = yield* run(["queries", "--since", "soon"], { cwd })
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.err, "soon is not a time.")

      const cut = yield* run(["queries", "--limit", "3"], { cwd })
      assert.include(cut.err, "These are the first 3.")
      const json = yield* run(["queries", "--json", "-n", "2"], { cwd })
      assert.deepStrictEqual(
        rows(json.out).map((one) => JSON.parse(one).id),
        some(4, 3)
      )
      const none = yield* run(["queries", "--pool", "night", "--json"], { cwd })
      assert.deepStrictEqual([none.code, none.out], [0, ""])
      assert.include(none.err, "No query matches.")
    }))
})

describe("answer, logs and wait", () => {
  test("take a query by the beginning of its id, and an agent for its newest query", (cwd) =>
    Effect.gen(function* () {
      yield* records(cwd)
      const short = Id.short(idOf(1))
      assert.strictEqual((yield* run(["answer", short], { cwd })).out, "forty-two\n")
      const json = JSON.parse((yield* run(["answer", short, "--json"], { cwd })).out)
      assert.deepInclude(json, { queryId: idOf(1), agentId: ann, outcome: "ok", answer: "forty-two" })
      const failed = yield* run(["answer", "bob"], { cwd })
      assert.deepStrictEqual([failed.code, failed.out], [1, ""])
      assert.include(failed.err, "It did not work.")
      const queued = yield* run(["answer", "ann"], { cwd })
      assert.strictEqual(queued.code, 3)
      assert.include(
        queued.err,
        "has no answer yet: it is queued.\n  Wait for it with `remote-agent wait qry_"
      )

      const logs = yield* run(["logs", short, "--json"], { cwd })
      assert.lengthOf(rows(logs.out), 2)
      const last = yield* run(["logs", short, "-n", "1", "--json"], { cwd })
      assert.deepStrictEqual([rows(last.out).length, JSON.parse(last.out).seq], [1, 1])
    }))

  test("refuse what several queries begin with, and name them", (cwd) =>
    Effect.gen(function* () {
      yield* records(cwd)
      const { code, err, out } = yield* run(["answer", "qry_0000", "--json"], { cwd })
      assert.strictEqual(code, 2)
      assert.match(err, /^qry_0000 matches several queries: qry_\w{26} \(x{39}…\), qry_\w{26} \(third\), /)
      assert.strictEqual(JSON.parse(out).error.reason, "Usage")
      const unknown = yield* run(["logs", "qry_zzzzzz"], { cwd })
      assert.strictEqual(unknown.code, 3)
      assert.include(
        unknown.err,
        "There is no query qry_zzzzzz.\n  List queries with `remote-agent queries`."
      )
      assert.include((yield* run(["logs", "qry_0"], { cwd })).err, "at least four characters after qry_")
    }))

  test("wait reports how each query ended, and fails for those without an answer", (cwd) =>
    Effect.gen(function* () {
      yield* records(cwd)
      const all = [1, 2, 3].map((index) => Id.short(idOf(index)))
      const { code, out } = yield* run(["wait", ...all], { cwd })
      assert.strictEqual(code, 5)
      assert.deepStrictEqual(rows(out), [
        `${idOf(1)}  ann  ok  1.5 s`,
        `${idOf(2)}  bob  error  1.5 s`,
        `${idOf(3)}  ann  ok  1.5 s`
      ])
      const json = yield* run(["wait", all[1] ?? "", "--json"], { cwd })
      assert.strictEqual(json.code, 1)
      assert.deepInclude(JSON.parse(json.out), { queryId: idOf(2), outcome: "error" })
      assert.strictEqual((yield* run(["wait", all[0] ?? "", all[2] ?? ""], { cwd })).code, 0)
    }))

  test("wait rings, and runs a command that is told the outcome", (cwd) =>
    Effect.gen(function* () {
      yield* records(cwd)
      const told = join(cwd, "told")
      const command = `printf '%s %s' "$REMOTE_AGENT_OUTCOME" "$REMOTE_AGENT_QUERY_ID" > '${told}'`
      const env = { PATH }
      const args = ["wait", idOf(1), "--notify", "--notify-command", command]
      const { code, err } = yield* run(args, { cwd, env, live: true })
      assert.deepStrictEqual([code, err], [0, "\u0007"])
      const text = yield* Effect.promise(() => readFile(told, "utf8"))
      assert.strictEqual(text, `ok ${idOf(1)}`)
      // A command that fails changes nothing about the wait.
      const failing = yield* run(["wait", idOf(1), "--notify-command", "exit 3"], { cwd, env })
      assert.strictEqual(failing.code, 0)
    }))
})

describe("the names that other tools use", () => {
  test("ls, ps and ls -a list agents, and -q prints their ids", (cwd) =>
    Effect.gen(function* () {
      yield* records(cwd)
      for (const name of ["list", "ls", "ps"]) {
        const { code, out } = yield* run([name], { cwd })
        assert.deepStrictEqual([code, rows(out).length], [0, 2], name)
        assert.match(out, /^agt_000000000000 +ann +active/m)
      }
      assert.strictEqual((yield* run(["ps", "-q"], { cwd })).out, `${ann}\n`)
      assert.strictEqual((yield* run(["ls", "-aq", "--sort", "name"], { cwd })).out, `${ann}\n${bob}\n`)
      assert.strictEqual((yield* run(["ls", "-a", "-q", "-n", "1"], { cwd })).out, `${ann}\n`)
      const gone = yield* run(["rm", "nobody"], { cwd })
      assert.deepStrictEqual([gone.code, gone.out], [3, ""])
    }))

  test("help and version print what --help and --version print", (cwd) =>
    Effect.gen(function* () {
      const same = Effect.fnUntraced(function* (one: ReadonlyArray<string>, other: ReadonlyArray<string>) {
        const [a, b] = [yield* run(one, { cwd }), yield* run(other, { cwd })]
        assert.deepStrictEqual([a.code, a.err, a.out], [0, "", b.out], one.join(" "))
      })
      yield* same(["help"], ["--help"])
      yield* same(["help", "pool", "run"], ["pool", "run", "--help"])
      yield* same(["version"], ["--version"])
      const unknown = yield* run(["help", "asc"], { cwd })
      assert.deepStrictEqual([unknown.code, unknown.out], [2, ""])
    }))
})
