import { assert, describe, layer } from "@effect/vitest"
import { Agent, Id, PoolRecord, type StateStoreError } from "@remote-agent/domain"
import { PostgresClient, SqlStateStore, StateStore } from "@remote-agent/orchestrator"
import { Context, DateTime, Effect, Exit, Layer, Redacted, Result, Schedule, Stream } from "effect"
import { SqlClient, Statement } from "effect/sql"
import * as Migrations from "../../../../src/state/sql/database/Migrations.ts"
import { makeDatabase } from "../../../support/database.ts"
import { newAgent, newQuery, thinking } from "../../../support/stateStoreCases.ts"
import { type Server as PostgresServer } from "../../../support/postgres.ts"

class Server extends Context.Service<Server, PostgresServer>()("test/Server") {}

const newUrl = Effect.flatMap(Server, (server) => server.newUrl)

const open = (options: PostgresClient.Options) =>
  Effect.map(Layer.build(Layer.fresh(SqlStateStore.layerPostgres(options))), (services) =>
    Context.get(services, StateStore.StateStore)
  )

/** A client of the same schema, beside the store. */
const beside = (url: Redacted.Redacted) =>
  Effect.map(Layer.build(Layer.fresh(PostgresClient.layer({ url, connections: 2 }))), (services) =>
    Context.get(services, SqlClient.SqlClient)
  )

const refused = (error: StateStoreError.StateStoreError) => {
  const { isRetryable, message, reason } = error
  assert.notInclude(message, "not-a-secret")
  assert(reason._tag === "Unavailable", reason._tag)
  return [reason.obstacle, isRetryable]
}

/** Ends every connection of a store, in the middle of what it does. */
const hangUp = Effect.flatMap(
  Server,
  ({ sql }) => sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'remote-agent' AND datname = current_database() AND pid <> pg_backend_pid()`
)

const newPool = Effect.gen(function* () {
  const now = yield* DateTime.now
  return new PoolRecord.PoolRecord({
    name: Id.PoolName.make("p"),
    profile: "tiny",
    status: "open",
    size: 1,
    persistent: false,
    revision: 0,
    createdAt: now,
    updatedAt: now
  })
})

/** The schema of version 1 as it was released. */
const schema1 = [
  `CREATE TABLE remote_migrations (migration_id integer PRIMARY KEY, created_at timestamp with time zone NOT NULL DEFAULT now(), name VARCHAR(255) NOT NULL)`,
  `CREATE TABLE remote_agents (id TEXT COLLATE "C" PRIMARY KEY NOT NULL, revision BIGINT NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE remote_queries (id TEXT COLLATE "C" PRIMARY KEY NOT NULL, agent_id TEXT COLLATE "C" NOT NULL, status TEXT NOT NULL, outcome TEXT, ended_at TEXT, next_seq BIGINT NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE remote_events (query_id TEXT COLLATE "C" NOT NULL REFERENCES remote_queries (id), seq BIGINT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (query_id, seq))`,
  `INSERT INTO remote_migrations (migration_id, name) VALUES (1, 'agents_queries_events')`
]

/** Writes what version 1 would have: an agent, a query of it that runs, and one that has ended. */
const olderState = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  yield* Effect.forEach(schema1, (statement) => sql.unsafe(statement), { discard: true })
  const agent = yield* Id.nextAgentId
  // Ids of the same millisecond are in no order.
  const [query, ended] = [yield* Id.nextQueryId, yield* Id.nextQueryId].toSorted() as [Id.QueryId, Id.QueryId]
  const [createdAt, updatedAt] = ["2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"]
  const body = {
    id: agent,
    name: "old",
    profile: "tiny",
    status: "active",
    revision: 7,
    queryCount: 0,
    createdAt,
    updatedAt
  }
  yield* sql`INSERT INTO remote_agents VALUES (${agent}, 7, 'active', ${JSON.stringify(body)})`
  const queries = [
    { id: query, status: "running", outcome: null, endedAt: null, next: 2 },
    { id: ended, status: "ended", outcome: "ok", endedAt: updatedAt, next: 0 }
  ]
  for (const { endedAt, id, next, outcome, status } of queries) {
    const told = JSON.stringify({ id, agentId: agent, text: "why?", status, createdAt })
    yield* sql`INSERT INTO remote_queries VALUES (${id}, ${agent}, ${status}, ${outcome}, ${endedAt}, ${next}, ${told})`
  }
  for (const [seq, text] of ["a", "b"].entries()) {
    yield* sql`INSERT INTO remote_events VALUES (${query}, ${seq}, ${updatedAt}, ${JSON.stringify(thinking(text))})`
  }
  return [agent, query, ended] as const
})

describe("a state in Postgres", () => {
  layer(Layer.effect(Server, makeDatabase), { timeout: "2 minutes", excludeTestServices: true })((it) => {
    it.effect("does nothing by half when its connection is lost in a transaction, and goes on", () =>
      Effect.gen(function* () {
        const url = yield* newUrl
        const [store, server] = [yield* open({ url }), yield* Server]
        const query = yield* newQuery((yield* newAgent()).id)
        yield* store.createQuery(query)
        const many = Array.from({ length: 1500 }, () => thinking("a"))
        // The first statement takes the numbers, the second and the third insert.
        for (const last of [2, 3]) {
          let statements = 0
          const cutting: Statement.Transformer = (statement) =>
            Effect.suspend(() =>
              ++statements === last
                ? Effect.as(Effect.provideService(hangUp, Server, server), statement)
                : Effect.succeed(statement)
            ).pipe(Effect.provideService(Statement.CurrentTransformer, undefined), Effect.orDie)
          const error = yield* Effect.flip(
            Effect.provideService(store.appendEvents(query.id, many), Statement.CurrentTransformer, cutting)
          )
          assert.deepStrictEqual(refused(error), ["unreachable", false])
          assert.lengthOf(yield* Stream.runCollect(store.events(query.id, 0)), 0)
          assert.strictEqual((yield* store.getQuery(query.id)).status, "queued")
        }
        const [first] = yield* store.appendEvents(query.id, many)
        assert.strictEqual(first?.seq, 0)
      }).pipe(Effect.scoped)
    )

    it.effect("works again after every connection was lost, without being opened anew", () =>
      Effect.gen(function* () {
        const store = yield* open({ url: yield* newUrl })
        const agent = yield* newAgent()
        yield* store.createAgent(agent)
        yield* hangUp
        const reading = yield* Effect.retry(store.getAgent(agent.id), {
          while: (error) => error.isRetryable,
          schedule: Schedule.spaced("10 millis"),
          times: 20
        })
        assert.strictEqual(reading.id, agent.id)
        assert.strictEqual((yield* store.updateAgent(agent)).revision, 1)
      }).pipe(Effect.scoped)
    )

    it.effect("waits no longer than it may for others, says so, and has done nothing", () =>
      Effect.gen(function* () {
        const url = yield* newUrl
        const [store, sql] = [yield* open({ url, patience: "300 millis" }), yield* beside(url)]
        const agent = yield* newAgent()
        yield* store.createAgent(agent)
        const error = yield* sql.withTransaction(
          Effect.andThen(
            sql`SELECT 1 FROM remote_agents FOR UPDATE`,
            Effect.flip(store.updateAgent(new Agent.Agent({ ...agent, queryCount: 1 })))
          )
        )
        assert.deepStrictEqual(refused(error), ["locked", true])
        assert.strictEqual((yield* store.getAgent(agent.id)).queryCount, 0)
        assert.strictEqual((yield* store.updateAgent(agent)).revision, 1)
      }).pipe(Effect.scoped)
    )

    it.effect("gives up what takes too long, says so, and has done nothing", () =>
      Effect.gen(function* () {
        const url = yield* newUrl
        const [store, sql] = [yield* open({ url, patience: "300 millis" }), yield* beside(url)]
        yield* sql.unsafe(
          `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$`
        )
        yield* sql`CREATE TRIGGER slow BEFORE INSERT ON remote_pools FOR EACH ROW EXECUTE FUNCTION slow()`
        const pool = yield* newPool
        assert.deepStrictEqual(refused(yield* Effect.flip(store.createPool(pool))), ["slow", true])
        yield* sql`DROP TRIGGER slow ON remote_pools`
        assert.deepStrictEqual(yield* Stream.runCollect(store.listPools), [])
        yield* store.createPool(pool)
      }).pipe(Effect.scoped)
    )

    it.effect("reads on while it may not write, and says so", () =>
      Effect.gen(function* () {
        const url = yield* newUrl
        const agent = yield* newAgent()
        yield* (yield* open({ url })).createAgent(agent)
        const text = `${Redacted.value(url)}${encodeURIComponent(" -c default_transaction_read_only=on")}`
        const store = yield* open({ url: Redacted.make(text) })
        assert.strictEqual((yield* store.getAgent(agent.id)).id, agent.id)
        const error = yield* Effect.flip(store.updateAgent(agent))
        assert.deepStrictEqual(refused(error), ["readOnly", false])
      }).pipe(Effect.scoped)
    )

    it.effect("that is not there or lets nobody in says so without the password", () =>
      Effect.gen(function* () {
        const url = Redacted.value(yield* newUrl)
        const gone = url.replace(/:\d+\//, ":1/")
        const stranger = url.replace("tests:not-a-secret", "tests:another-secret")
        const elsewhere = url.replace(/\/\w+\?/, "/nowhere?")
        for (const text of [gone, stranger, elsewhere]) {
          const error = yield* Effect.flip(
            Effect.scoped(open({ url: Redacted.make(text), patience: "2 seconds" }))
          )
          assert.deepStrictEqual(refused(error), ["unreachable", true])
          assert.notInclude(JSON.stringify(error), "secret")
          assert.include(error.message, "postgres://127.0.0.1")
        }
      })
    )

    it.effect(
      "may be opened by many at once when it is new, and is refused when it is of a newer schema",
      () =>
        Effect.gen(function* () {
          const url = yield* newUrl
          const stores = yield* Effect.forEach(
            Array.from({ length: 6 }).keys(),
            () => open({ url, connections: 2 }),
            { concurrency: 6 }
          )
          const agent = yield* newAgent()
          yield* stores[0]?.createAgent(agent) ?? Effect.void
          for (const store of stores) assert.strictEqual((yield* store.getAgent(agent.id)).id, agent.id)
          const sql = yield* beside(url)
          yield* sql`INSERT INTO remote_migrations (migration_id, name) VALUES (99, 'x')`
          const error = yield* Effect.flip(open({ url }))
          assert.strictEqual(error.reason._tag, "NewerSchema")
        }).pipe(Effect.scoped)
    )

    it.effect(
      "of an older schema is brought up to date by whoever comes first of many, with all it held",
      () =>
        Effect.gen(function* () {
          const url = yield* newUrl
          const sql = yield* beside(url)
          const [agent, query, ended] = yield* olderState(sql)
          const stores = yield* Effect.forEach(
            Array.from({ length: 4 }).keys(),
            () => open({ url, connections: 2 }),
            { concurrency: 4 }
          )
          const steps = yield* sql`SELECT migration_id FROM remote_migrations ORDER BY migration_id`
          assert.deepStrictEqual(
            steps.map(({ migration_id }) => Number(migration_id)),
            Array.from({ length: Migrations.latest }, (_, index) => index + 1)
          )
          const store = stores[0]
          assert(store !== undefined)
          const found = yield* Stream.runCollect(store.listAgents({ name: "old", profile: "tiny" }))
          assert.deepStrictEqual(
            found.map((one): unknown => [one.id, one.name, one.revision, one.labels]),
            [[agent, "old", 7, {}]]
          )
          assert.deepStrictEqual(
            (yield* Stream.runCollect(store.listQueries({ agentId: agent }))).map(
              ({ id, outcome, status }) => [id, status, outcome]
            ),
            [
              [query, "running", undefined],
              [ended, "ended", "ok"]
            ]
          )
          const [next] = yield* store.appendEvents(query, [thinking("on")])
          assert.strictEqual(next?.seq, 2)
          assert.deepStrictEqual(
            (yield* Stream.runCollect(store.events(query, 0))).map(({ event, seq }) => [seq, event]),
            [
              [0, thinking("a")],
              [1, thinking("b")],
              [2, thinking("on")]
            ]
          )
          const [known] = found
          assert(known !== undefined)
          const labelled = yield* store.updateAgent(new Agent.Agent({ ...known, labels: { team: "a" } }))
          assert.strictEqual(labelled.revision, 8)
          assert.lengthOf(yield* Stream.runCollect(store.listAgents({ labels: { team: "a" } })), 1)
        }).pipe(Effect.scoped)
    )

    it.effect("of an older schema stays as it is when it cannot be brought up to date", () =>
      Effect.gen(function* () {
        const url = yield* newUrl
        const sql = yield* beside(url)
        yield* olderState(sql)
        // What the last step makes is there already.
        yield* sql`CREATE TABLE remote_setups (id TEXT)`
        assert.isTrue(Exit.isFailure(yield* Effect.exit(open({ url }))))
        assert.deepStrictEqual(
          (yield* sql`SELECT migration_id FROM remote_migrations`).map(({ migration_id }) =>
            Number(migration_id)
          ),
          [1]
        )
        yield* sql`DROP TABLE remote_setups`
        assert.strictEqual(yield* Stream.runCount((yield* open({ url })).listAgents()), 1)
      }).pipe(Effect.scoped)
    )

    it.effect("gives the numbers of a log to many stores at once without a gap", () =>
      Effect.gen(function* () {
        const url = yield* newUrl
        const stores = yield* Effect.replicateEffect(open({ url, connections: 3 }), 3)
        const query = yield* newQuery((yield* newAgent()).id)
        yield* stores[0]?.createQuery(query) ?? Effect.void
        yield* Effect.forEach(
          Array.from({ length: 60 }, (_, index) => stores[index % 3]),
          (store) => store?.appendEvents(query.id, [thinking("a"), thinking("b")]) ?? Effect.void,
          { concurrency: 12, discard: true }
        )
        const log = yield* Stream.runCollect(stores[1]?.events(query.id, 0) ?? Stream.empty)
        assert.deepStrictEqual(
          log.map(({ seq }) => seq),
          Array.from({ length: 120 }, (_, seq) => seq)
        )
        assert.isTrue(Result.isSuccess(yield* Effect.result(stores[2]?.getQuery(query.id) ?? Effect.void)))
      }).pipe(Effect.scoped)
    )
  })
})
