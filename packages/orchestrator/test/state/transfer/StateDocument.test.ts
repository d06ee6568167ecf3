import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Agent, Id, PoolRecord, type ImportReport, StateStoreError } from "@remote-agent/domain"
import {
  MemoryStateStore,
  SqlStateStore,
  StateExport,
  StateImport,
  StateStore
} from "@remote-agent/orchestrator"
import { MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Context, DateTime, Effect, FileSystem, Layer, Path, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { existsSync } from "node:fs"
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { newAgent, newQuery, reasonOf, result, thinking } from "../../support/stateStoreCases.ts"
import { execFile } from "node:child_process"
import { promisify } from "node:util"

const newFile = Effect.gen(function* () {
  const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  return (yield* Path.Path).join(folder, "state.json")
}).pipe(Effect.orDie, Effect.provide(NodeServices.layer))

type Store = StateStore.StateStore["Service"]

const emptyStore: Effect.Effect<Store> = Effect.map(MemoryStateStore.make, ({ store }) => store)

const sqlStore = Effect.map(Layer.build(Layer.fresh(SqlStateStore.layerSqliteMemory)), (services) =>
  Context.get(services, StateStore.StateStore)
)

const bound = (agent: Agent.Agent, sandboxId: string, status: Agent.Agent["status"] = "active") =>
  new Agent.Agent({
    ...agent,
    status,
    binding: new Agent.Binding({ sandboxId: Id.SandboxId.make(sandboxId), provider: "memory", home: "/h" })
  })

const json = (value: unknown) => JSON.stringify(value)

const everything = Effect.fnUntraced(function* (store: Store) {
  const queries = yield* Stream.runCollect(store.listQueries())
  return {
    agents: yield* Stream.runCollect(store.listAgents()),
    pools: yield* Stream.runCollect(store.listPools),
    queries,
    logs: yield* Effect.forEach(queries, ({ id }) => Stream.runCollect(store.events(id, 0)))
  }
})

const running: StateImport.Check = () => Effect.succeed("running")

/** A store with three agents, a pool, an ended query and one that is being answered. */
const filled = Effect.gen(function* () {
  const store = yield* emptyStore
  const agents: Array<Agent.Agent> = []
  for (const [index, status] of (["active", "paused", "terminated"] as const).entries()) {
    const base = yield* newAgent(status)
    const agent = index === 2 ? base : bound(base, `sb-${index}`, status)
    agents.push(agent)
    yield* store.createAgent(agent)
    yield* TestClock.adjust("1 second")
  }
  const now = yield* DateTime.now
  yield* store.createPool(
    new PoolRecord.PoolRecord({
      name: Id.PoolName.make("workers"),
      profile: "tiny",
      status: "open",
      size: 2,
      persistent: false,
      revision: 3,
      createdAt: now,
      updatedAt: now
    })
  )
  const [one = yield* newAgent()] = agents
  for (const events of [
    [thinking("a \u0000 \ud83d"), result],
    [thinking("b"), thinking('hunter2 is "hunter2"')],
    []
  ]) {
    const query = yield* newQuery(one.id)
    yield* store.createQuery(query)
    if (events.length > 0) yield* store.appendEvents(query.id, events)
    yield* TestClock.adjust("1 second")
  }
  return { store, agents }
})

const outcomes = ({ agents }: ImportReport.ImportReport) => agents.map(({ outcome }) => outcome)

describe("an exported state", () => {
  it.effect("is the same once it was imported, whatever the stores are", () =>
    Effect.gen(function* () {
      const { store } = yield* filled
      const file = yield* newFile
      assert.deepStrictEqual(yield* StateExport.exportTo(store, file), {
        pools: 1,
        agents: 3,
        queries: 3,
        events: 4
      })
      assert.strictEqual(yield* Effect.promise(async () => (await stat(file)).mode & 0o777), 0o600)
      for (const other of [yield* emptyStore, yield* sqlStore]) {
        const before = yield* everything(store)
        const report = yield* StateImport.importFrom(other, file, (agent) =>
          Effect.succeed(agent.status === "paused" ? "paused" : "running")
        )
        assert.deepStrictEqual(outcomes(report), ["imported", "imported", "imported"])
        assert.deepStrictEqual([report.pools, report.queries, report.notes], [1, 3, []])
        assert.deepStrictEqual(yield* everything(other), before)
        const again = yield* StateImport.importFrom(other, file, running)
        assert.deepStrictEqual(outcomes(again), ["alreadyThere", "alreadyThere", "alreadyThere"])
        assert.deepStrictEqual([again.pools, again.queries], [0, 0])
        assert.deepStrictEqual(yield* everything(other), before)
        const open = before.queries[1]?.id ?? ""
        const [next] = yield* other.appendEvents(Id.QueryId.make(open), [thinking("on")])
        assert.strictEqual(next?.seq, 2)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("holds no secret, also where an agent said it", () =>
    Effect.gen(function* () {
      const { store } = yield* filled
      const file = yield* newFile
      yield* StateExport.exportTo(store, file, {
        secrets: ["hunter2", "h", '"'].map((s) => Redacted.make(s)).slice(0, 1)
      })
      const text = yield* Effect.promise(() => readFile(file, "utf8"))
      assert.notInclude(text, "hunter2")
      assert.include(text, '*** is \\"***\\"')
      yield* StateImport.importFrom(yield* emptyStore, file, running)
    }).pipe(Effect.scoped)
  )

  it.effect("takes the place of an older one whole, or leaves it and nothing beside it", () =>
    Effect.gen(function* () {
      const { store } = yield* filled
      const file = yield* newFile
      yield* StateExport.exportTo(store, file)
      const before = yield* Effect.promise(() => readFile(file))
      const broken: Store = {
        ...store,
        events: () =>
          Stream.concat(
            Stream.empty,
            Stream.fail(
              new StateStoreError.StateStoreError({
                operation: "events",
                reason: new StateStoreError.Damaged({ store: "it" })
              })
            )
          )
      }
      assert.strictEqual((yield* reasonOf(StateExport.exportTo(broken, file)))._tag, "Damaged")
      assert.isTrue(before.equals(yield* Effect.promise(() => readFile(file))))
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(dirname(file))), ["state.json"])
      const nowhere = yield* reasonOf(StateExport.exportTo(store, join(dirname(file), "none", "x.json")))
      assert.strictEqual(nowhere._tag, "Unavailable")
      assert.isFalse(existsSync(join(dirname(file), "none")))
    }).pipe(Effect.scoped)
  )
})

describe("an import", () => {
  it.effect("says of every agent what became of it by what its provider says", () =>
    Effect.gen(function* () {
      const [from, to] = [yield* emptyStore, yield* emptyStore]
      const names = ["runs", "sleeps", "woke", "gone", "silent", "taken", "other"]
      const standings: Readonly<Record<string, StateImport.Standing>> = {
        "sb-runs": "running",
        "sb-sleeps": "paused",
        "sb-woke": "running",
        "sb-gone": "gone",
        "sb-silent": "unreachable"
      }
      const agents: Array<Agent.Agent> = []
      for (const name of names) {
        const agent = bound(
          new Agent.Agent({ ...(yield* newAgent()), name: Agent.AgentName.make(name) }),
          `sb-${name}`,
          name === "woke" ? "paused" : "active"
        )
        agents.push(agent)
        yield* from.createAgent(agent)
        yield* TestClock.adjust("1 second")
      }
      const query = yield* newQuery(agents[5]?.id ?? (yield* newAgent()).id)
      yield* from.createQuery(query)
      const holder = bound(yield* newAgent(), "sb-taken")
      yield* to.createAgent(holder)
      const other = agents[6] ?? (yield* newAgent())
      yield* to.createAgent(
        new Agent.Agent({ ...other, createdAt: DateTime.add(other.createdAt, { days: 1 }) })
      )
      const file = yield* newFile
      yield* StateExport.exportTo(from, file)
      const asked: Array<string> = []
      const report = yield* StateImport.importFrom(to, file, (_, { sandboxId }) =>
        Effect.sync(() => {
          asked.push(sandboxId)
          return standings[sandboxId] ?? "unreachable"
        })
      )
      assert.deepStrictEqual(
        report.agents.map(({ name, outcome }) => `${name} ${outcome}`),
        [
          "runs imported",
          "sleeps imported",
          "woke imported",
          "gone lost",
          "silent unreachable",
          "taken conflict",
          "other conflict"
        ]
      )
      assert.deepStrictEqual(asked.toSorted(), Object.keys(standings).toSorted())
      const now = yield* Stream.runCollect(to.listAgents())
      assert.deepStrictEqual(
        now.map(({ binding, name, status }): unknown => [name, status, binding?.sandboxId]),
        [
          ["runs", "active", "sb-runs"],
          ["sleeps", "paused", "sb-sleeps"],
          ["woke", "active", "sb-woke"],
          ["gone", "lost", undefined],
          ["silent", "active", "sb-silent"],
          ["other", "active", "sb-other"],
          [holder.name, "active", "sb-taken"]
        ]
      )
      assert.strictEqual(report.queries, 0)
      assert.strictEqual((yield* reasonOf(to.getQuery(query.id)))._tag, "NotFound")
    }).pipe(Effect.scoped)
  )

  it.effect("asks the provider that runs, and takes no other for an answer", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const sandbox = yield* sandboxes.launch({ ttl: "1 hour" })
      const check = StateImport.checkWith(sandboxes)
      const agent = yield* newAgent("active")
      const ask = (id: string, provider = "memory") => {
        const { binding } = bound(agent, id)
        return binding === undefined
          ? Effect.die("unbound")
          : check(agent, new Agent.Binding({ ...binding, provider }))
      }
      assert.strictEqual(yield* ask(sandbox.id), "running")
      assert.strictEqual(yield* ask(sandbox.id, "e2b"), "unreachable")
      yield* sandboxes.pause(sandbox.id)
      assert.strictEqual(yield* ask(sandbox.id), "paused")
      yield* sandboxes.terminate(sandbox.id)
      assert.strictEqual(yield* ask(sandbox.id), "gone")
    }).pipe(Effect.provide(MemorySandboxes.layer({})))
  )

  it.effect("names every problem with its path, shows no value, and does nothing", () =>
    Effect.gen(function* () {
      const { store } = yield* filled
      const file = yield* newFile
      yield* StateExport.exportTo(store, file)
      const document: {
        agents: Array<Record<string, unknown>>
        queries: Array<{ query: Record<string, unknown>; events: Array<unknown> }>
      } = JSON.parse(yield* Effect.promise(() => readFile(file, "utf8")))
      const target = yield* emptyStore
      const problems = (content: unknown) =>
        Effect.gen(function* () {
          yield* Effect.promise(() => writeFile(file, typeof content === "string" ? content : json(content)))
          const error = yield* Effect.flip(StateImport.importFrom(target, file, running))
          assert.deepStrictEqual(yield* Stream.runCollect(target.listAgents()), [])
          assert.deepStrictEqual(yield* Stream.runCollect(target.listQueries()), [])
          const { reason } = error
          if (reason._tag !== "InvalidDocument") return [reason._tag]
          assert.notInclude(error.message, "hunter2")
          for (const { path } of reason.problems) assert.include(error.message, path)
          return reason.problems.map(({ path }) => path)
        })
      const [first = {}, second = {}] = document.agents
      const [ended] = document.queries
      assert.deepStrictEqual(
        yield* problems({
          ...document,
          agents: [
            { ...first, status: "hunter2", revision: -1 },
            { ...second, name: undefined, labels: { "hunter2 x": "" } }
          ],
          queries: [{ ...ended, events: [{ at: "hunter2", event: { type: "hunter2" } }] }]
        }),
        [
          "queries[0].events[0].at",
          "queries[0].events[0].event",
          "agents[0].status",
          "agents[0].revision",
          "agents[1].name",
          "agents[1].labels"
        ].toSorted((a, b) =>
          a.startsWith("a") && b.startsWith("q") ? -1 : a.startsWith("q") && b.startsWith("a") ? 1 : 0
        )
      )
      assert.deepStrictEqual(yield* problems({ ...document, agents: [first, first] }), ["agents[1]"])
      assert.deepStrictEqual(yield* problems({ ...document, queries: [{ ...ended, events: [] }] }), [
        "queries[0].events"
      ])
      assert.deepStrictEqual(yield* problems({ ...document, version: 2, agents: "?" }), ["NewerSchema"])
      assert.deepStrictEqual(yield* problems("{"), ["it"])
      assert.deepStrictEqual(yield* problems([]), ["it"])
      assert.deepStrictEqual(yield* problems({}), ["format", "version", "exportedAt"])
    }).pipe(Effect.scoped)
  )

  it.live("that fails half-way leaves nothing", () =>
    Effect.gen(function* () {
      const { store } = yield* filled
      const file = yield* newFile
      yield* StateExport.exportTo(store, file)
      for (const target of [yield* emptyStore, yield* sqlStore]) {
        const failing: Store = {
          ...target,
          restore: (records) =>
            target.restore(
              (function* () {
                let count = 0
                for (const record of records) {
                  if (++count === 5) throw new Error("torn")
                  yield record
                }
              })()
            )
        }
        yield* Effect.exit(StateImport.importFrom(failing, file, running))
        const { agents, pools, queries } = yield* everything(target)
        assert.deepStrictEqual([agents, pools, queries], [[], [], []])
        yield* StateImport.importFrom(target, file, running)
        assert.lengthOf(yield* Stream.runCollect(target.listAgents()), 3)
      }
    }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
  )

  it.effect("says why a file cannot be read", () =>
    Effect.gen(function* () {
      const file = yield* newFile
      const target = yield* emptyStore
      const missing = yield* reasonOf(StateImport.importFrom(target, file, running))
      assert(missing._tag === "Unavailable")
      assert.strictEqual(missing.obstacle, "unreachable")
      yield* Effect.promise(() => chmod(dirname(file), 0o700))
      const folder = yield* reasonOf(StateImport.importFrom(target, dirname(file), running))
      assert.strictEqual(folder._tag, "InvalidDocument")
    }).pipe(Effect.scoped)
  )

  it.live("refuses a device and a FIFO at once", () =>
    Effect.gen(function* () {
      const fifo = yield* newFile
      yield* Effect.promise(() => promisify(execFile)("mkfifo", [fifo]))
      for (const file of ["/dev/zero", fifo]) {
        const reason = yield* reasonOf(StateImport.importFrom(yield* emptyStore, file, running))
        assert(reason._tag === "InvalidDocument", reason._tag)
        assert.include(reason.problems[0].problem, "regular file")
      }
    }).pipe(Effect.scoped)
  )
})

describe("the state of the Python module", () => {
  const state = {
    agents: {
      i1a2b3c4d5: {
        agent_id: "i1a2b3c4d5",
        agent_name: "my research agent!",
        created_at: "2025-03-01T10:00:00.123456",
        status: "paused",
        persistent: true,
        query_count: 7,
        last_query: "2025-03-02T10:00:00",
        paused_at: "2025-03-03T10:00:00.5",
        resumed_at: "2025-03-02T09:00:00+01:00"
      },
      iother: {
        agent_id: "iother",
        agent_name: null,
        created_at: "2025-03-01T10:00:00",
        status: "terminated",
        persistent: false,
        query_count: 0,
        terminated_at: "2025-03-04T10:00:00"
      }
    },
    timestamp: "2025-03-05T10:00:00"
  }
  const sandboxes = {
    i1a2b3c4d5: {
      sandbox_id: "i1a2b3c4d5",
      created_at: "2025-03-01T10:00:00",
      status: "paused",
      metadata: { any: "thing" },
      timeout: 3600,
      auto_pause: true
    }
  }

  it.effect("is imported with its sandboxes, and once only", () =>
    Effect.gen(function* () {
      const file = join(dirname(yield* newFile), "orchestrator_state.json")
      yield* Effect.promise(() => writeFile(file, json(state)))
      yield* Effect.promise(() => writeFile(join(dirname(file), "e2b_state.json"), json(sandboxes)))
      const store = yield* emptyStore
      const report = yield* StateImport.importFrom(store, file, () => Effect.succeed("paused"))
      assert.deepStrictEqual(outcomes(report), ["imported", "imported"])
      assert.deepStrictEqual(report.notes, [
        'agents["i1a2b3c4d5"] is called my-research-agent-: its name has characters that ours may not.',
        "Times without a zone were taken for UTC."
      ])
      const agents = yield* Stream.runCollect(store.listAgents())
      assert.deepStrictEqual(
        agents.map((one): unknown => ({
          name: one.name,
          profile: one.profile,
          status: one.status,
          sandbox: one.binding?.sandboxId,
          provider: one.binding?.provider,
          persistent: one.persistent,
          queries: one.queryCount,
          created: DateTime.formatIso(one.createdAt),
          updated: DateTime.formatIso(one.updatedAt),
          last: one.lastQueryAt && DateTime.formatIso(one.lastQueryAt)
        })),
        [
          {
            name: "dexter-iother",
            profile: "dexter",
            status: "terminated",
            sandbox: undefined,
            provider: undefined,
            persistent: false,
            queries: 0,
            created: "2025-03-01T10:00:00.000Z",
            updated: "2025-03-04T10:00:00.000Z",
            last: undefined
          },
          {
            name: "my-research-agent-",
            profile: "dexter",
            status: "paused",
            sandbox: "i1a2b3c4d5",
            provider: "e2b",
            persistent: true,
            queries: 7,
            created: "2025-03-01T10:00:00.123Z",
            updated: "2025-03-03T10:00:00.500Z",
            last: "2025-03-02T10:00:00.000Z"
          }
        ]
      )
      const again = yield* StateImport.importFrom(store, file, running)
      assert.deepStrictEqual(outcomes(again), ["alreadyThere", "alreadyThere"])
    }).pipe(Effect.scoped)
  )

  it.effect("has every problem named, also of the file beside it", () =>
    Effect.gen(function* () {
      const file = join(dirname(yield* newFile), "orchestrator_state.json")
      const store = yield* emptyStore
      const problems = Effect.gen(function* () {
        const reason = yield* reasonOf(StateImport.importFrom(store, file, running))
        assert(reason._tag === "InvalidDocument")
        return reason.problems.map(({ path }) => path)
      })
      const one = state.agents.i1a2b3c4d5
      const write = (content: unknown, name = file) => Effect.promise(() => writeFile(name, json(content)))
      yield* write({ agents: { a: { ...one, status: "dead", query_count: -1 }, b: { created_at: 5 } } })
      assert.deepStrictEqual(yield* problems, [
        "agents.a.status",
        "agents.a.query_count",
        "agents.b.created_at",
        "agents.b.status"
      ])
      yield* write({
        agents: { a: { ...one, agent_id: "b", created_at: "yesterday" }, "a/b": { ...one, agent_id: "a/b" } }
      })
      assert.deepStrictEqual(yield* problems, [
        'agents["a"].created_at',
        'agents["a"].agent_id',
        'agents["a/b"]'
      ])
      yield* write(state)
      yield* write({ x: { timeout: -1 } }, join(dirname(file), "e2b_state.json"))
      assert.deepStrictEqual(yield* problems, ["x.timeout"])
      assert.deepStrictEqual(yield* Stream.runCollect(store.listAgents()), [])
    }).pipe(Effect.scoped)
  )
})
