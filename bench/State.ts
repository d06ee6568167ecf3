import { Agent, type AgentEvent, Id, Query } from "@remote-agent/domain"
import { PostgresClient, SqliteClient, SqlStateStore, StateStore } from "@remote-agent/orchestrator"
import { Clock, DateTime, Effect, FileSystem, Layer, Path, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { makeServer } from "../packages/orchestrator/test/support/postgres.ts"
import { BenchBroken, type Measure, type Outcome } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  /** The numbers of agents in the store, in ascending order. */
  readonly sizes: ReadonlyArray<number>
  /** The number of operations per sample. */
  readonly operations: number
  readonly rounds: number
}

const broken = (detail: string) => new BenchBroken({ benchmark: "state", detail })

const newAgent = Effect.gen(function* () {
  const now = yield* DateTime.now
  return new Agent.Agent({
    id: yield* Id.nextAgentId,
    name: Agent.AgentName.make("a-worker"),
    profile: "sample",
    status: "active",
    binding: new Agent.Binding({
      sandboxId: Id.SandboxId.make("sandbox-0123456789"),
      provider: "local",
      home: "/home/user"
    }),
    revision: 0,
    queryCount: 0,
    createdAt: now,
    updatedAt: now
  })
})

const event: AgentEvent.AgentEvent = {
  type: "thinking",
  text: "The revenue of the last four quarters first."
}

/** Microseconds per operation, for `count` operations. */
const micros = Effect.fnUntraced(function* <E, R>(
  count: number,
  operation: (index: number) => Effect.Effect<unknown, E, R>
) {
  const before = yield* Clock.currentTimeNanos
  for (let index = 0; index < count; index++) yield* operation(index)
  return Number((yield* Clock.currentTimeNanos) - before) / 1000 / count
})

const operations = ["get", "compare-and-set", "append event", "first page of list"] as const
type Samples = Record<(typeof operations)[number], Array<number>>

const encodeAgents = Schema.encodeEffect(Schema.toCodecJson(Schema.Array(Agent.Agent)))

/** The save of a module without a database: writes all agents to a new file, which replaces the old one. */
const rewrite = Effect.fnUntraced(function* (file: string, agents: unknown) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(`${file}.tmp`, JSON.stringify(agents))
  yield* fs.rename(`${file}.tmp`, file)
})

const measureSize = Effect.fnUntraced(function* (folder: string, size: number, options: Options) {
  const [store, sql] = [yield* StateStore.StateStore, yield* SqlClient.SqlClient]
  const agents = yield* Effect.replicateEffect(newAgent, size)
  yield* sql.withTransaction(Effect.forEach(agents, store.createAgent, { discard: true }))
  // Finishes pending work of the inserts, so that the first operation does not include it.
  yield* sql.onDialectOrElse({
    pg: () => sql`VACUUM ANALYZE`,
    orElse: () => sql`PRAGMA wal_checkpoint(TRUNCATE)`
  })
  const createdAt = yield* DateTime.now
  const query = new Query.Query({
    id: yield* Id.nextQueryId,
    agentId: (agents[0] ?? (yield* newAgent)).id,
    text: "How did revenue develop?",
    status: "queued",
    createdAt
  })
  yield* store.createQuery(query)
  // Spread over all agents, as in real use.
  const nth = (index: number): Effect.Effect<Agent.Agent, BenchBroken> => {
    const agent = agents[(index * 7919) % size]
    return agent === undefined ? Effect.fail(broken("there are no agents")) : Effect.succeed(agent)
  }
  const plain = yield* encodeAgents(agents)
  const file = (yield* Path.Path).join(folder, "agents.json")
  const samples: Samples = { get: [], "compare-and-set": [], "append event": [], "first page of list": [] }
  const saves: Array<number> = []
  for (let round = -1; round < options.rounds; round++) {
    const figures = {
      get: yield* micros(options.operations, (index) =>
        Effect.flatMap(nth(index), ({ id }) => store.getAgent(id))
      ),
      // A read before the write would be a `get`, so this uses the agent that was written last.
      "compare-and-set": yield* micros(options.operations, (index) =>
        Effect.flatMap(nth(index), (agent) =>
          Effect.map(store.updateAgent(agent), (written) => {
            agents[(index * 7919) % size] = written
          })
        )
      ),
      "append event": yield* micros(options.operations, () => store.appendEvents(query.id, [event])),
      "first page of list": yield* micros(Math.ceil(options.operations / 20), () =>
        store.pageAgents({ limit: 50 })
      )
    }
    const save = yield* micros(size > 10_000 ? 1 : 3, () => rewrite(file, plain))
    // The first round is not counted: the code is not compiled yet.
    if (round < 0) continue
    for (const name of operations) samples[name].push(figures[name])
    saves.push(save)
  }
  const events = yield* Stream.runCount(store.events(query.id, 0))
  if (events !== options.operations * (options.rounds + 1)) return yield* broken("events are missing")
  return { size, samples, saves }
})

type Database = Layer.Layer<SqlClient.SqlClient, SqlError.SqlError>

const measureIn = Effect.fnUntraced(function* (
  newDatabase: (folder: string) => Effect.Effect<Database>,
  size: number,
  options: Options
) {
  const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  const database = yield* newDatabase(folder)
  return yield* Effect.provide(
    measureSize(folder, size, options),
    Layer.fresh(SqlStateStore.layer("the store of the benchmark").pipe(Layer.provideMerge(database)))
  )
}, Effect.scoped)

const measureAll = Effect.fnUntraced(function* (
  database: string,
  newDatabase: (folder: string) => Effect.Effect<Database>,
  options: Options
) {
  const results = yield* Effect.forEach(options.sizes, (size) => measureIn(newDatabase, size, options)).pipe(
    Effect.mapError((error) => (error._tag === "BenchBroken" ? error : broken(error.message)))
  )
  const [few, many] = [results[0], results.at(-1)]
  if (few === undefined || many === undefined) return yield* broken("no sizes were given")
  const bySize = results.flatMap(({ samples, saves, size }) =>
    operations.map((name): Measure => ({
      name: `state in ${database}: ${name}, ${size} agents`,
      unit: "us",
      ours: samples[name],
      reference: name === "compare-and-set" ? { name: "rewriting JSON", samples: saves } : undefined
    }))
  )
  const growth = operations.map((name): Measure => ({
    name: `state in ${database}: ${name}, ${many.size} agents against ${few.size}`,
    unit: "us",
    ours: many.samples[name],
    reference: { name: `${few.size} agents`, samples: few.samples[name] },
    aim: { kind: "cost", atMost: 2 }
  }))
  return [...bySize, ...growth]
})

/**
 * Measures single operations on a store with few and with many agents, in SQLite and in Postgres. A save is compared with
 * rewriting one JSON file. The cost with the most agents is compared with the cost with the fewest; it should not grow.
 */
export const run = Effect.fn("bench.state")(function* (options: Options) {
  const path = yield* Path.Path
  const sqlite = (folder: string) =>
    Effect.succeed(SqliteClient.layer({ path: path.join(folder, "state.db") }))
  const inSqlite = yield* measureAll("SQLite", sqlite, options)
  const server = yield* makeServer
  const postgres = () => Effect.map(server.newUrl, (url) => PostgresClient.layer({ url }))
  const inPostgres = yield* measureAll("Postgres", postgres, options)
  return {
    measures: [...inSqlite, ...inPostgres],
    notes: ["Postgres runs on this machine and does not wait for the disk (fsync is off)."]
  } satisfies Outcome
}, Effect.scoped)
