import { Agent, type AgentEvent, Id, Query } from "@remote-agent/domain"
import { PostgresClient, SqliteClient, SqlStateStore, StateStore } from "@remote-agent/orchestrator"
import { Clock, DateTime, Effect, FileSystem, Layer, Path, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { makeServer } from "../packages/orchestrator/test/support/postgres.ts"
import { BenchBroken, type Measure, type Outcome } from "./Report.ts"

/** How much is measured. */
export interface Options {
  /** How many agents there are, from few to many. */
  readonly sizes: ReadonlyArray<number>
  /** How often each operation is done for one sample. */
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

/** Microseconds for one of `count`. */
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

/** What a module without a database does on every save: all of it, into a new file that takes the old one's place. */
const rewrite = Effect.fnUntraced(function* (file: string, agents: unknown) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(`${file}.tmp`, JSON.stringify(agents))
  yield* fs.rename(`${file}.tmp`, file)
})

const measureSize = Effect.fnUntraced(function* (folder: string, size: number, options: Options) {
  const [store, sql] = [yield* StateStore.StateStore, yield* SqlClient.SqlClient]
  const agents = yield* Effect.replicateEffect(newAgent, size)
  yield* sql.withTransaction(Effect.forEach(agents, store.createAgent, { discard: true }))
  // What filling the database left to do is not the first operation's to pay.
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
  // Spread over all agents, as they are in life.
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
      // Reading it first is a `get`; here the agent is the one that was written last.
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
 * What one operation on a store costs while there are few agents and many, in SQLite and in Postgres, beside
 * rewriting one JSON file for every save; and the cost with the most agents over the cost with the fewest, which
 * should be about the same.
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
