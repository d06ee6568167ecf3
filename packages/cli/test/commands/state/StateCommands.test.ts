import { assert, describe, it } from "@effect/vitest"
import { Agent, Id, Query, StateDocument, TokenUsage } from "@remote-agent/domain"
import { DateTime, Effect, Option, Schema } from "effect"
import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { sinceOf } from "../../../src/commands/shared/time.ts"
import { home, launch } from "../../support/agents.ts"
import { family, finish, folder, run, saying, start, survivors } from "../../support/support.ts"

const limit = { timeout: 600_000 }
const at = DateTime.makeUnsafe("2026-01-31T12:00:00Z")

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(StateDocument.StateDocument)))

/** A document with one terminated agent and its one ended query. */
const document = Effect.gen(function* () {
  const [agentId, queryId] = [yield* Id.nextAgentId, yield* Id.nextQueryId]
  const usage = new TokenUsage.TokenUsage({
    inputTokens: 1200,
    outputTokens: 34,
    costUsd: 0.5,
    wallMillis: 2500
  })
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

const decodeStatus = Schema.decodeSync(
  Schema.fromJsonString(Schema.Struct({ pid: Schema.Int, sandboxes: Schema.Struct({ running: Schema.Int }) }))
)

const back = (text: string) => Option.map(sinceOf(text, at), DateTime.formatIso)

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
      const counted = yield* run(cwd, ["state", "export", "counted.json", "--json"])
      assert.deepStrictEqual(JSON.parse(counted.stdout), { agents: 1, queries: 1, events: 1, pools: 0 })
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

  it.live(
    "the Python module's files come in once, with what had to be assumed, and nothing of a broken one",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const [asleep, ended] = ["iasleep1234567890", "iended1234567890"]
      const agent = { created_at: "2025-03-01T10:00:00.123456", persistent: true, query_count: 7 }
      const agents = {
        [asleep]: { ...agent, agent_id: asleep, agent_name: "my research agent", status: "paused" },
        [ended]: { ...agent, agent_id: ended, agent_name: null, status: "terminated" }
      }
      const write = (name: string, content: unknown) =>
        Effect.promise(() => writeFile(join(cwd, name), JSON.stringify(content)))
      yield* write("orchestrator_state.json", { agents, timestamp: "2025-03-04T10:00:00" })
      yield* write("e2b_state.json", { [asleep]: { sandbox_id: asleep, timeout: 3600, auto_pause: true } })

      const imported = yield* run(cwd, ["state", "import", "orchestrator_state.json"])
      assert.strictEqual(imported.code, 0, imported.stderr)
      // Its sandbox is at E2B, and this machine has no key for it.
      assert.match(imported.stdout, / my-research-agent +unreachable /)
      assert.match(imported.stdout, / dexter-iended12 +imported$/m)
      assert.include(imported.stdout + imported.stderr, "Times without a zone were taken for UTC.")
      const listed = yield* run(cwd, ["list", "--all", "--json"])
      const [one, other] = listed.stdout
        .trimEnd()
        .split("\n")
        .map((text): unknown => JSON.parse(text))
        .toReversed()
      assert.deepInclude(one, {
        name: "my-research-agent",
        status: "paused",
        profile: "dexter",
        queryCount: 7
      })
      assert.deepInclude(other, { name: "dexter-iended12", status: "terminated" })
      const again = yield* run(cwd, ["state", "import", "orchestrator_state.json", "--json"])
      assert.strictEqual(again.stdout.split(`"outcome":"alreadyThere"`).length, 3, again.stdout)

      yield* write("broken.json", { agents: { [asleep]: { ...agent, status: "dead" } } })
      const refused = yield* run(cwd, ["state", "import", "broken.json", "--state", "other.sqlite"])
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, `agents.${asleep}.status`)
      assert.strictEqual((yield* run(cwd, ["list", "--all", "--state", "other.sqlite"])).stdout, "")
    }, Effect.scoped),
    limit
  )

  it("a day is a day that there is, and so many days back", () => {
    assert.deepStrictEqual(back("2026-01-01"), Option.some("2026-01-01T00:00:00.000Z"))
    assert.deepStrictEqual(back("7d"), Option.some("2026-01-24T12:00:00.000Z"))
    for (const text of ["2026-02-31", "yesterday", "7", ""]) assert.isTrue(Option.isNone(back(text)), text)
  })
})

/** A profile whose setup never ends. */
const stuck = JSON.stringify({
  stuck: {
    description: "Is never ready",
    work: "{home}/work",
    assets: [],
    setup: [{ argv: ["sleep", "86400"] }],
    health: { argv: ["true"] },
    run: {
      argv: ["true"],
      input: "stdin-text",
      protocol: "text",
      wallTimeout: "1 minute",
      idleTimeout: "1 minute"
    }
  }
})

/** Moves the clock of the binary one hour ahead, so that new sandboxes look old. */
const later = {
  NODE_OPTIONS: `--import=data:text/javascript,const{now}=Date;Date.now=()=>now()+3600000`
}

describe("reap", () => {
  it.live(
    "ends the sandbox that a killed launch has left, with all that runs in it, and not before it says so",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const child = start(cwd, ["launch", "--profile", "stuck", "--name", "half"], {
        REMOTE_AGENT_PROFILES: stuck
      })
      const ended = finish(child)
      yield* Effect.promise(() => saying(child, "running its setup"))
      child.kill("SIGKILL")
      yield* Effect.promise(() => ended)
      const status = Effect.map(run(cwd, ["local", "status", "--json"]), ({ stdout }) => decodeStatus(stdout))
      const { pid } = yield* status
      const inside = yield* Effect.promise(() => family(pid))
      const left = Effect.map(status, ({ sandboxes }) => sandboxes.running)

      const young = yield* run(cwd, ["reap", "--all"])
      assert.match(young.stdout, /leave-alone +left .*A launch may still be at work on it\./)
      const planned = yield* run(cwd, ["reap", "--dry-run"], later)
      assert.match(planned.stdout, /terminate +planned .*The launch of agent \w+ was cut short\./)
      assert.strictEqual(yield* left, 1)

      const reaped = yield* run(cwd, ["reap"], later)
      assert.strictEqual(reaped.code, 0, reaped.stderr)
      assert.match(reaped.stdout, /terminate +done /)
      assert.strictEqual(yield* left, 0)
      assert.deepStrictEqual(
        (yield* Effect.promise(() => survivors(inside))).map((one) => one.pid),
        [pid],
        "only the server should be left"
      )
      assert.include((yield* run(cwd, ["list", "--all", "--json"])).stdout, `"status":"failed"`)
      assert.strictEqual((yield* run(cwd, ["reap"], later)).stdout, "")
    }),
    limit
  )

  it.live(
    "leaves a living agent alone, marks one whose sandbox is gone, and says what it would do before",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "one")
      const alive = yield* run(cwd, ["reap", "--all"])
      assert.strictEqual(alive.code, 0, alive.stderr)
      // Its sandbox was found by the label of the owner, which is the same for every command.
      assert.match(alive.stdout, /leave-alone .* uses it\./)
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
      assert.include(asked.stderr, "give --yes")
    }),
    limit
  )
})
