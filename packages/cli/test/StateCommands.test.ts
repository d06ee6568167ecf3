import { assert, describe, it } from "@effect/vitest"
import { Agent, Id, Query, StateDocument, Usage } from "@remote-agent/domain"
import { DateTime, Effect, Option, Schema } from "effect"
import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as CostTable from "../src/CostTable.ts"
import { home, launch } from "./agents.ts"
import { finish, folder, run, start } from "./support.ts"

const limit = { timeout: 180_000 }
const at = DateTime.makeUnsafe("2026-01-31T12:00:00Z")

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(StateDocument.StateDocument)))

/** A document of one agent that has ended and answered one question. */
const document = Effect.gen(function* () {
  const [agentId, queryId] = [yield* Id.nextAgentId, yield* Id.nextQueryId]
  const usage = new Usage.Usage({ inputTokens: 1200, outputTokens: 34, costUsd: 0.5, wallMillis: 2500 })
  const result = { type: "result" as const, outcome: "ok" as const, answer: "42", usage }
  return encode({
    format: StateDocument.format,
    version: StateDocument.version,
    exportedAt: at,
    pools: [],
    agents: [
      new Agent.Agent({
        id: agentId,
        name: Agent.AgentName.make("ada"),
        profile: "sample",
        status: "terminated",
        usage,
        revision: 3,
        queryCount: 1,
        createdAt: at,
        updatedAt: at
      })
    ],
    queries: [
      new StateDocument.LoggedQuery({
        query: new Query.Query({
          id: queryId,
          agentId,
          text: "the key is e2b_fake_1234567890",
          status: "ended",
          outcome: "ok",
          usage,
          createdAt: at,
          endedAt: at
        }),
        events: [{ at, event: result }]
      })
    ]
  })
})

const back = (text: string) => Option.map(CostTable.sinceOf(text, at), DateTime.formatIso)

describe("state and cost", () => {
  it.live(
    "a document comes in and goes out whole and without keys, and its costs are counted once",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* Effect.flatMap(document, (text) => Effect.promise(() => writeFile(join(cwd, "in.json"), text)))
      const imported = yield* run(cwd, ["state", "import", "in.json", "--json"])
      assert.strictEqual(imported.code, 0, imported.stdout + imported.stderr)
      assert.include(imported.stdout, `"outcome":"imported"`)
      const again = yield* run(cwd, ["state", "import", "in.json"])
      assert.match(again.stdout, /ada +alreadyThere/)

      const env = { E2B_API_KEY: "e2b_fake_1234567890" }
      const exported = yield* run(cwd, ["state", "export", "out.json"], env)
      assert.strictEqual(exported.stdout, "Exported 1 agents, 1 queries, 1 events and 0 pools.\n")
      yield* Effect.promise(async () => {
        const text = await readFile(join(cwd, "out.json"), "utf8")
        assert.notInclude(text, "e2b_fake_1234567890")
        assert.include(text, "the key is ***")
        assert.strictEqual((await stat(join(cwd, "out.json"))).mode & 0o777, 0o600)
      })
      const child = start(cwd, ["state", "import", "-", "--json", "--state", "other.sqlite"], {}, "pipe")
      child.stdin?.end((yield* run(cwd, ["state", "export", "-"])).stdout)
      assert.include((yield* Effect.promise(() => finish(child))).stdout, `"queries":1`)

      const cost = yield* run(cwd, ["cost"])
      assert.match(cost.stdout, /^ada agt_\S+ +1 +1,200 +34 +\$0\.5000 +2\.5 s$/m)
      const none = yield* run(cwd, ["cost", "--since", "2026-02-01", "--by", "day", "--json"])
      assert.include(none.stdout, `"rows":[]`)
      assert.strictEqual((yield* run(cwd, ["cost", "--since", "2026-02-31"])).code, 2)
      // A temporary folder would be left where TMPDIR is.
      const names = yield* Effect.promise(() => readdir(cwd))
      assert.notInclude(names.join(" "), "remote-agent-state")
    }),
    limit
  )

  it.live(
    "every problem of a document is told, and nothing of it is taken over",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* Effect.promise(() =>
        writeFile(
          join(cwd, "bad.json"),
          JSON.stringify({
            format: StateDocument.format,
            version: 1,
            exportedAt: "2026-01-31T12:00:00Z",
            pools: [],
            agents: [{ id: "x" }, { id: "y" }],
            queries: []
          })
        )
      )
      const refused = yield* run(cwd, ["state", "import", "bad.json"])
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "agents[0]")
      assert.include(refused.stderr, "agents[1]")
      assert.include((yield* run(cwd, ["state", "export", "-"])).stdout, `"agents":[]`)
    }),
    limit
  )

  it("a day is a day that there is, and so many days back", () => {
    assert.deepStrictEqual(back("2026-01-01"), Option.some("2026-01-01T00:00:00.000Z"))
    assert.deepStrictEqual(back("7d"), Option.some("2026-01-24T12:00:00.000Z"))
    for (const text of ["2026-02-31", "yesterday", "7", ""]) assert.isTrue(Option.isNone(back(text)), text)
  })
})

describe("reap", () => {
  it.live(
    "leaves a living agent alone, marks one whose sandbox is gone, and says what it would do before",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "one")
      const alive = yield* run(cwd, ["reap", "--all"])
      assert.strictEqual(alive.code, 0, alive.stderr)
      // Its sandbox was found by the stamp of the owner, which is the same for every command.
      assert.match(alive.stdout, /leave-alone .* lives in it\./)
      yield* run(cwd, ["local", "stop", "--yes"])
      const planned = yield* run(cwd, ["reap", "--dry-run"])
      assert.match(planned.stdout, /mark-lost +planned/)
      const done = yield* run(cwd, ["reap", "--json"])
      assert.include(done.stdout, `"outcome":"done"`)
      assert.strictEqual((yield* run(cwd, ["reap"])).stdout, "")
    }),
    limit
  )

  it.live(
    "is refused where nothing says whose sandboxes are whose, and asks before it ends what sleeps",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const memory = yield* run(cwd, ["reap", "--state", "memory"])
      assert.strictEqual(memory.code, 2)
      assert.include(memory.stderr, "state in memory")
      const asked = yield* run(cwd, ["reap", "--include-paused-older-than", "30"])
      assert.strictEqual(asked.code, 2)
      assert.include(asked.stderr, "say --yes")
    }),
    limit
  )
})
