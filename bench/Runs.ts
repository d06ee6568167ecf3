import { Agent, Id, Query, Run, TokenUsage } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import {
  Leases,
  PostgresClient,
  RunStore,
  SqliteClient,
  SqlStateStore,
  StateStore
} from "@remote-agent/orchestrator"
import { Clock, DateTime, Effect, FileSystem, Layer, Path, Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { makeServer } from "../packages/orchestrator/test/support/postgres.ts"
import * as World from "../packages/orchestrator/test/support/runWorld.ts"
import { BenchBroken, type Measure, type Outcome } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  /** The numbers of questions in a run, in ascending order. There is an agent in the store for each ten of them. */
  readonly sizes: ReadonlyArray<number>
  /** The number of operations per sample. */
  readonly operations: number
  /** The numbers of worker processes. */
  readonly workers: ReadonlyArray<number>
  /** The number of questions that the workers answer. */
  readonly questions: number
  readonly rounds: number
}

const broken = (detail: string) => new BenchBroken({ benchmark: "runs", detail })

const operations = [
  "claim and finish a question",
  "open runs",
  "first page of results",
  "run status"
] as const
type Samples = Record<(typeof operations)[number], Array<number>>

/** Microseconds per operation, for `count` operations. */
const micros = Effect.fnUntraced(function* <E, R>(count: number, operation: Effect.Effect<unknown, E, R>) {
  const before = yield* Clock.currentTimeNanos
  for (let index = 0; index < count; index++) yield* operation
  return Number((yield* Clock.currentTimeNanos) - before) / 1000 / count
})

/** Fills a store with agents and with queries that have ended, one for each question. */
const fill = Effect.fnUntraced(function* (size: number) {
  const [store, sql] = [yield* StateStore.StateStore, yield* SqlClient.SqlClient]
  const createdAt = yield* DateTime.now
  const agents = yield* Effect.replicateEffect(Id.nextAgentId, Math.max(1, size / 10))
  yield* sql.withTransaction(
    Effect.forEach(
      agents,
      Effect.fnUntraced(function* (id) {
        yield* store.createAgent(
          new Agent.Agent({
            id,
            name: Agent.AgentName.make(`agent-${id.slice(4)}`),
            profile: "sample",
            status: "active",
            revision: 0,
            queryCount: 0,
            createdAt,
            updatedAt: createdAt
          })
        )
        for (let index = 0; index < 10; index++) {
          yield* store.createQuery(
            new Query.Query({
              id: yield* Id.nextQueryId,
              agentId: id,
              text: "why?",
              status: "ended",
              createdAt
            })
          )
        }
      }),
      { discard: true }
    )
  )
})

const measureSize = Effect.fnUntraced(function* (size: number, options: Options) {
  const [runs, leases, sql] = [yield* RunStore.RunStore, yield* Leases.Leases, yield* SqlClient.SqlClient]
  yield* fill(size)
  const id = yield* Id.nextRunId
  yield* runs.create(
    new Run.Run({
      id,
      status: "running",
      profile: "sample",
      size: 1,
      priority: 0,
      retry: Run.noRetries,
      sealed: false,
      usage: TokenUsage.zero,
      failedBefore: 0,
      launchFailures: 0,
      createdAt: yield* DateTime.now
    })
  )
  const texts = Array.from({ length: size }, (_, index) => `How did revenue develop in year ${index}?`)
  for (let from = 0; from < size; from += 5000) yield* runs.add(id, from, texts.slice(from, from + 5000))
  yield* sql.onDialectOrElse({
    pg: () => sql`VACUUM ANALYZE`,
    orElse: () => sql`PRAGMA wal_checkpoint(TRUNCATE)`
  })
  const lease = yield* leases.acquire(RunStore.slotResource(id, 0), { holder: "bench", ttl: "1 hour" })
  const agentId = yield* Id.nextAgentId
  const cycle = Effect.gen(function* () {
    yield* runs.claim(id, 0, lease, { agentId, queryId: yield* Id.nextQueryId })
    yield* runs.finish(id, 0, lease, {
      _tag: "Answered",
      outcome: "ok",
      answer: "It grew.",
      usage: TokenUsage.zero
    })
  })
  const samples: Samples = {
    "claim and finish a question": [],
    "open runs": [],
    "first page of results": [],
    "run status": []
  }
  const count = Math.min(options.operations, Math.floor(size / (options.rounds + 1)))
  for (let round = -1; round < options.rounds; round++) {
    const figures = {
      "claim and finish a question": yield* micros(count, cycle),
      "open runs": yield* micros(count, runs.open),
      "first page of results": yield* micros(
        Math.ceil(count / 20),
        runs.results(id, { order: "completion", limit: 50 })
      ),
      "run status": yield* micros(count, runs.get(id))
    }
    // The first round is not counted: the code is not compiled yet.
    if (round >= 0) for (const name of operations) samples[name].push(figures[name])
  }
  const { counts } = yield* runs.get(id)
  if (counts.ok !== count * (options.rounds + 1)) return yield* broken("questions are missing")
  return { size, samples }
})

const measureAll = Effect.fnUntraced(function* (
  database: string,
  newDatabase: (folder: string) => Effect.Effect<Layer.Layer<SqlClient.SqlClient, SqlError.SqlError>>,
  options: Options
) {
  const results = yield* Effect.forEach(
    options.sizes,
    Effect.fnUntraced(function* (size) {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const client = yield* newDatabase(folder)
      return yield* Effect.provide(
        measureSize(size, options),
        Layer.fresh(SqlStateStore.layer("the store of the benchmark").pipe(Layer.provideMerge(client)))
      )
    }, Effect.scoped)
  ).pipe(Effect.mapError((error) => (error._tag === "BenchBroken" ? error : broken(error.message))))
  const [few, many] = [results[0], results.at(-1)]
  if (few === undefined || many === undefined) return yield* broken("no sizes were given")
  return operations.map((name): Measure => ({
    name: `runs in ${database}: ${name}, ${many.size} questions against ${few.size}`,
    unit: "us",
    ours: many.samples[name],
    reference: { name: `${few.size} questions`, samples: few.samples[name] },
    aim: { kind: "cost", atMost: 2 }
  }))
})

/** Queries a second of so many workers, from the first started program to the last result. */
const throughput = Effect.fnUntraced(function* (
  url: string,
  folder: string,
  workers: number,
  questions: number
) {
  const counter = (yield* Path.Path).join(folder, `started-${workers}`)
  return yield* Effect.gen(function* () {
    const { id, texts } = yield* World.record(questions, 3 * workers)
    yield* Effect.forEach(
      Array.from({ length: workers }).keys(),
      (index) => World.startWorker(url, counter, `bench-${workers}-${index}`, id, 0),
      { discard: true }
    )
    const runs = yield* RunStore.RunStore
    while ((yield* World.startedIn(counter)).length === 0) yield* Effect.sleep("10 millis")
    const before = yield* Clock.currentTimeMillis
    while ((yield* runs.get(id)).status === "running") yield* Effect.sleep("20 millis")
    const seconds = ((yield* Clock.currentTimeMillis) - before) / 1000
    const { counts } = yield* runs.get(id)
    if (counts.ok !== texts.length) return yield* broken(`${counts.failed} questions have failed`)
    return questions / seconds
  }).pipe(
    Effect.scoped,
    Effect.provide(World.layer(url, counter)),
    Effect.mapError((error) => (error._tag === "BenchBroken" ? error : broken(error.message)))
  )
})

/**
 * Measures the operations of the store of runs with few and with many questions, which should not grow, and the queries a
 * second of several workers over Postgres whose agents answer at once.
 */
export const run = Effect.fn("bench.runs")(function* (options: Options) {
  const path = yield* Path.Path
  const sqlite = (folder: string) =>
    Effect.succeed(SqliteClient.layer({ path: path.join(folder, "state.db") }))
  const inSqlite = yield* measureAll("SQLite", sqlite, options)
  const server = yield* makeServer
  const postgres = () => Effect.map(server.newUrl, (url) => PostgresClient.layer({ url }))
  const inPostgres = yield* measureAll("Postgres", postgres, options)
  const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  const rates = yield* Effect.forEach(options.workers, (workers) =>
    Effect.provide(
      Effect.map(
        Effect.flatMap(server.newUrl, (url) =>
          throughput(Redacted.value(url), folder, workers, options.questions)
        ),
        (rate): Measure => ({ name: `runs: queries a second, ${workers} workers`, unit: "1/s", ours: [rate] })
      ),
      E2bServer.layer({ isolation: "none" })
    )
  )
  return {
    measures: [...inSqlite, ...inPostgres, ...rates],
    notes: [
      "Workers have three agents each, in plain processes. Workers, database, sandboxes and agents share this machine: its processors bound the queries a second."
    ]
  } satisfies Outcome
}, Effect.scoped)
