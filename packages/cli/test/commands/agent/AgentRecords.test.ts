import { assert, describe, it } from "@effect/vitest"
import { Agent, AgentEvent, Id, type AgentLifecycle, Query, TokenUsage } from "@remote-agent/domain"
import { DateTime, Effect } from "effect"
import { existsSync } from "node:fs"
import { readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Labels from "../../../src/commands/shared/labels.ts"
import { run } from "../../support/paper.ts"
import { seeded } from "../../support/records.ts"
import { finish, folder, lines, start } from "../../support/support.ts"

const limit = { timeout: 120_000 }

const at = DateTime.makeUnsafe("2026-01-02T03:04:05Z")

/** Ids that begin alike, but for their last digits. */
const idOf = (index: number) => Id.AgentId.make(`agt_${"0".repeat(22)}${String(index).padStart(4, "0")}`)
const queryIdOf = (index: number) => Id.QueryId.make(`qry_${"0".repeat(22)}${String(index).padStart(4, "0")}`)

const agent = (index: number, more: Partial<ConstructorParameters<typeof Agent.Agent>[0]> = {}) =>
  new Agent.Agent({
    id: idOf(index),
    name: Agent.AgentName.make(`agent-${index}`),
    profile: "sample",
    status: "active" satisfies AgentLifecycle.AgentStatus,
    labels: {},
    revision: 0,
    queryCount: 0,
    createdAt: at,
    updatedAt: at,
    ...more
  })

const query = (index: number, agentId: Id.AgentId) =>
  new Query.Query({ id: queryIdOf(index), agentId, text: "What?", status: "queued", createdAt: at })

const answered = (answer: string): ReadonlyArray<AgentEvent.AgentEvent> => [
  { type: "ready", agent: "sample", version: "1" },
  { type: "tool_end", tool: "look" },
  { type: "result", outcome: "ok", answer, usage: TokenUsage.zero }
]

const test = (name: string, body: (cwd: string) => Effect.Effect<void>) =>
  it.live(name, () => Effect.flatMap(folder, body), limit)

const noServer = (cwd: string) =>
  assert.isFalse(existsSync(join(cwd, "data", "local.json")), "a server was started")

const rows = (out: string) => out.split("\n").filter((one) => one !== "")

describe("list", () => {
  test("fits the terminal, keeps its columns from page to page, and hides what was terminated", (cwd) =>
    Effect.gen(function* () {
      const agents = Array.from({ length: 450 }, (_, index) =>
        agent(index, {
          name: Agent.AgentName.make(index === 0 ? "a-name-that-is-long" : `a${index}`),
          ...(index === 3 ? { status: "terminated" as const } : {}),
          ...(index === 7 ? { labels: { team: "research", tier: "1" } } : {})
        })
      )
      yield* seeded(cwd, ({ restore }) => restore(agents.map((one) => ({ _tag: "Agent", agent: one }))))

      const { err, out } = yield* run(["list"], { cwd })
      assert.strictEqual(err, "")
      const [head = "", ...listed] = rows(out)
      assert.match(head, /^ID +NAME +STATUS +PROFILE +QUERIES +AGE +LABELS$/)
      assert.strictEqual(listed.length, 449)
      assert.deepStrictEqual(
        [...new Set(listed.map((row) => row.indexOf("active")))],
        [head.indexOf("STATUS")]
      )
      assert.include(listed[6], "team=research tier=1")

      const live = rows((yield* run(["list"], { cwd, live: true })).out)
      for (const row of live.slice(1)) assert.isAtMost(Array.from(row).length, 60)

      const count = (...args: ReadonlyArray<string>) =>
        Effect.map(run(["list", "--json", ...args], { cwd }), ({ out: text }) => rows(text).length)
      assert.strictEqual(yield* count("--all"), 450)
      assert.strictEqual(yield* count("--status", "terminated", "--status", "paused"), 1)
      assert.strictEqual(yield* count("--label", "team=research"), 1)
      assert.strictEqual(yield* count("--profile", "dexter"), 0)
      const many = yield* run(["info", idOf(1).slice(0, 8)], { cwd })
      assert.strictEqual(many.code, 2)
      assert.match(many.err, /^agt_\w{4} matches several agents: (?:agt_\w+ \(\S+\), ){5}and others\.\n/)
      const none = yield* run(["list", "--pool", "night"], { cwd })
      assert.deepStrictEqual([none.code, none.out], [0, ""])
      assert.include(none.err, "No agent matches.\n  remote-agent list --all")
      noServer(cwd)
    }))

  test("of nothing says how to begin", (cwd) =>
    Effect.gen(function* () {
      const { err, out } = yield* run(["list"], { cwd })
      assert.deepStrictEqual([out, err], ["", "There are no agents.\n  remote-agent launch\n"])
    }))

  test("ends without a word when its reader leaves", (cwd) =>
    Effect.gen(function* () {
      const agents = Array.from({ length: 4000 }, (_, index) => agent(index))
      yield* seeded(cwd, ({ restore }) => restore(agents.map((one) => ({ _tag: "Agent", agent: one }))))
      const child = start(cwd, ["list"], { REMOTE_AGENT_DATA: join(cwd, "data") })
      const ended = finish(child)
      yield* Effect.promise(() => lines(child, 1))
      child.stdout?.destroy()
      const { stderr } = yield* Effect.promise(() => ended)
      assert.strictEqual(stderr, "")
    }))
})

describe("naming an agent or a query", () => {
  test("says what is wrong, with the exit code for it, and starts nothing", (cwd) =>
    Effect.gen(function* () {
      yield* seeded(cwd, ({ createAgent }) =>
        Effect.andThen(
          createAgent(agent(1)),
          createAgent(
            agent(2, {
              binding: new Agent.Binding({
                sandboxId: Id.SandboxId.make("there"),
                provider: "e2b",
                home: "/home/user"
              })
            })
          )
        )
      )
      const lost = `qry_${"9".repeat(26)}`
      for (const [args, code, reason] of [
        [["query", "nobody", "What?"], 3, "NotFound"],
        [["info", "agt_0000"], 2, "Usage"],
        [["logs", "agent-1"], 3, "NotFound"],
        [["logs", "qry_short"], 3, "NotFound"],
        [["logs", lost], 3, "NotFound"],
        [["cancel", "agent-1"], 3, "NotFound"],
        [["rename", "agent-1", "not a name"], 2, "Usage"],
        [["label", "agent-1", "team"], 2, "Usage"],
        [["label", "agent-1"], 2, "Usage"],
        [["list", "--label", "team-"], 2, "Usage"],
        [["pause"], 2, "Usage"],
        [["pause", "agent-1", "--all"], 2, "Usage"],
        [["pause", "nobody"], 3, "NotFound"],
        [["terminate", "agent-1", "agent-2"], 2, "Usage"],
        [["terminate", "agent-2", "--provider", "local"], 2, "Usage"],
        [["exec", "agent-2", "true", "--provider", "local"], 125, "Usage"],
        [["launch", "--name", "not a name"], 2, "Usage"],
        [["launch", "--state", "memory"], 2, "Usage"],
        [["pool", "create", "night", "--state", "memory"], 2, "Usage"],
        [["info", ""], 3, "NotFound"],
        [["launch", "--ref", "main"], 2, "Usage"],
        [["launch", "--repository", "https://me:pw@example.com/r"], 2, "Usage"],
        [["profiles", "show", "nobody"], 2, "UnknownProfile"]
      ] as const) {
        const done = yield* run([...args, "--json"], { cwd })
        const [first = "{}"] = rows(done.out)
        assert.strictEqual(done.code, code, `${args.join(" ")}: ${done.err}`)
        assert.strictEqual(JSON.parse(first).error.reason, reason, args.join(" "))
        assert.isAtLeast(rows(done.err).length, 2, done.err)
        assert.notInclude(done.err + done.out, "pw@")
      }
      noServer(cwd)
    }))

  test("looks for an agent where it lives", (cwd) =>
    Effect.gen(function* () {
      const binding = new Agent.Binding({
        sandboxId: Id.SandboxId.make("there"),
        provider: "e2b",
        home: "/home/user"
      })
      yield* seeded(cwd, ({ createAgent }) => createAgent(agent(1, { binding })))
      for (const args of [
        ["terminate", "agent-1"],
        ["cp", "agent-1:answer.md", "-"]
      ]) {
        const { code, err } = yield* run(args, { cwd })
        assert.strictEqual(code, 2)
        assert.include(err, "E2B_API_KEY", "the provider of the agent is asked for, and not the default one")
      }
      const { out } = yield* run(["list"], { cwd })
      assert.include(out, "active")

      yield* seeded(cwd, ({ createAgent }) =>
        createAgent(agent(2, { binding: new Agent.Binding({ ...binding, provider: "local" }) }))
      )
      const both = yield* run(["health", "--all"], { cwd })
      assert.strictEqual(both.code, 2)
      assert.include(both.err, "live at e2b and local")
      const one = yield* run(["health", "--all", "--provider", "e2b"], { cwd })
      assert.include(one.err, "E2B_API_KEY")
      noServer(cwd)
    }))
})

describe("what needs no sandbox", () => {
  test("renames, labels and prints logs without a server", (cwd) =>
    Effect.gen(function* () {
      yield* seeded(cwd, (store) =>
        Effect.gen(function* () {
          yield* store.createAgent(agent(1, { labels: { a: "1", b: "2" } }))
          for (const index of [1, 2]) {
            yield* store.createQuery(query(index, idOf(1)))
            yield* store.appendEvents(queryIdOf(index), answered(`Answer ${index}`))
          }
        })
      )
      assert.strictEqual((yield* run(["rename", "agent-1", "ann"], { cwd })).code, 0)
      const labelled = yield* run(["label", "ann", "a-", "c=x=y", "--json"], { cwd })
      assert.deepInclude(JSON.parse(labelled.out), { name: "ann", labels: { b: "2", c: "x=y" } })

      const newest = yield* run(["logs", "ann", "--follow"], { cwd })
      assert.deepStrictEqual([newest.code, newest.err], [0, ""])
      assert.match(
        newest.out,
        /^ +0 {2}\d\d:\d\d:\d\d[+-]\d\d:\d\d {2}sample 1 is ready\n.*look has ended\n.*Answer 2\n$/
      )
      const older = yield* run(["logs", queryIdOf(1), "--from", "2", "--json"], { cwd })
      assert.deepInclude(JSON.parse(older.out), { seq: 2, queryId: queryIdOf(1) })
      noServer(cwd)
    }))

  test("tells what a profile needs and whether it is set, and never a value", (cwd) =>
    Effect.gen(function* () {
      yield* Effect.promise(() =>
        writeFile(
          join(cwd, "remote-agent.json"),
          JSON.stringify({
            profiles: {
              mine: { extends: "custom", env: [{ name: "MY_KEY", value: "fake-in-file", secret: true }] }
            }
          })
        )
      )
      const env = { OPENAI_API_KEY: "fake-openai-0000", REMOTE_AGENT_TRUST: cwd }
      const { code, err, out } = yield* run(["profiles", "--json"], { cwd, env })
      assert.strictEqual(code, 0, err)
      const all: ReadonlyArray<{ name: string; ready: boolean; needs: ReadonlyArray<object> }> = rows(
        out
      ).map((row) => JSON.parse(row))
      const find = (name: string) => all.find((one) => one.name === name)
      assert.deepInclude(find("codex"), { ready: true })
      assert.deepInclude(find("claude-code"), { ready: false })
      assert.deepStrictEqual(find("codex")?.needs[0], {
        names: ["OPENAI_API_KEY"],
        required: true,
        set: true
      })
      const table = yield* run(["profiles"], { cwd, env })
      assert.match(table.out, /claude-code .*\n {4}ENABLE_CLAUDE_CODE must be true/)
      const shown = yield* run(["profiles", "show", "mine"], { cwd, env })
      assert.strictEqual(shown.code, 0, shown.err)
      assert.deepInclude(JSON.parse(shown.out), { name: "mine" })
      assert.notInclude(out + table.out + shown.out, "fake-")
      assert.deepStrictEqual(
        yield* Effect.promise(() => readdir(cwd)),
        ["remote-agent.json"],
        "nothing is written"
      )
    }))
})

describe("Labels", () => {
  it.effect.prop("reads back what it writes", { labels: Agent.Labels }, ({ labels }) =>
    Effect.gen(function* () {
      const texts = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
      assert.deepStrictEqual({ ...(yield* Labels.pairs(texts)) }, { ...labels })
    })
  )

  it.effect("refuses what is no label", () =>
    Effect.gen(function* () {
      for (const text of ["", "-", "=", "=x", "a b=c", "team", "a=\n"]) {
        assert.strictEqual((yield* Effect.flip(Labels.parse([text])))._tag, "Usage", JSON.stringify(text))
      }
    })
  )
})
