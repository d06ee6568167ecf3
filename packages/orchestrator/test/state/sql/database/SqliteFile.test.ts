import { assert, describe, it } from "@effect/vitest"
import { Agent, type StateStoreError } from "@remote-agent/domain"
import { Effect, Fiber, Stream } from "effect"
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import * as Migrations from "../../../../src/state/sql/database/Migrations.ts"
import { newAgent, newQuery, reasonOf, thinking } from "../../../support/stateStoreCases.ts"
import { newPath, openBoth, openStore, withSql } from "../../../support/storeSupport.ts"

/** A file with 300 agents that nobody has open, and one of the agents. */
const filled = Effect.gen(function* () {
  const path = yield* newPath
  const agent = yield* newAgent()
  yield* Effect.scoped(
    Effect.gen(function* () {
      const store = yield* openStore(path)
      yield* store.createAgent(agent)
      for (let index = 1; index < 300; index++) yield* store.createAgent(yield* newAgent())
    })
  )
  return { path, agent }
})

const mode = (path: string) => Effect.promise(async () => ((await stat(path)).mode & 0o777).toString(8))

const bytes = (path: string) => Effect.promise(() => readFile(path))

const write = (path: string, content: string | Uint8Array) => Effect.promise(() => writeFile(path, content))

/** The schema of version 1 as it was released. */
const schema1 = [
  `CREATE TABLE remote_migrations (migration_id integer PRIMARY KEY NOT NULL, created_at datetime NOT NULL DEFAULT current_timestamp, name VARCHAR(255) NOT NULL)`,
  `CREATE TABLE remote_agents (id TEXT PRIMARY KEY NOT NULL, revision BIGINT NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE remote_queries (id TEXT PRIMARY KEY NOT NULL, agent_id TEXT NOT NULL, status TEXT NOT NULL, outcome TEXT, ended_at TEXT, next_seq BIGINT NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE remote_events (query_id TEXT NOT NULL REFERENCES remote_queries (id), seq BIGINT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (query_id, seq))`,
  `INSERT INTO remote_migrations (migration_id, name) VALUES (1, 'agents_queries_events')`
]

const id = "agt_01hzzzzzzzzzzzzzzzzzzzzzzz"
const row = `INSERT INTO remote_agents VALUES ('${id}', 7, 'active', '${JSON.stringify({
  id,
  name: "old",
  profile: "tiny",
  status: "active",
  revision: 7,
  queryCount: 0,
  createdAt: "2026-01-01T00:00:00.000Z",
  updatedAt: "2026-01-02T00:00:00.000Z"
})}')`

const olderFile = Effect.gen(function* () {
  const path = yield* newPath
  yield* withSql(path, (sql) =>
    Effect.forEach([...schema1, row], (statement) => sql.unsafe(statement), { discard: true })
  )
  return path
})

describe("a state file", () => {
  it.live("is created for its owner alone, in folders that are too", () =>
    Effect.gen(function* () {
      const path = join(dirname(yield* newPath), "a", "b", "state.db")
      const store = yield* openStore(path)
      yield* store.createAgent(yield* newAgent())
      assert.strictEqual(yield* mode(path), "600")
      assert.strictEqual(yield* mode(`${path}-wal`), "600")
      assert.strictEqual(yield* mode(dirname(path)), "700")
      assert.strictEqual(yield* mode(dirname(dirname(path))), "700")
    }).pipe(Effect.scoped)
  )

  it.live("gives back everything after it was closed, and leaves only its marker beside it", () =>
    Effect.gen(function* () {
      const { agent, path } = yield* filled
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(dirname(path))), [
        "state.db",
        "state.db.made"
      ])
      const store = yield* openStore(path)
      assert.deepStrictEqual(yield* store.getAgent(agent.id), agent)
      assert.strictEqual(yield* Stream.runCount(store.listAgents()), 300)
    }).pipe(Effect.scoped)
  )

  it.live("shows every client what the others wrote, and may be created by many at once", () =>
    Effect.gen(function* () {
      const [path, agent] = [yield* newPath, yield* newAgent()]
      const stores = yield* Effect.replicateEffect(openStore(path), 8, { concurrency: 8 })
      const query = yield* newQuery(agent.id)
      yield* stores[0]?.createQuery(query) ?? Effect.void
      yield* Effect.forEach(
        stores.flatMap((store) => Array.from({ length: 20 }, () => store)),
        (store) => store.appendEvents(query.id, [thinking("a"), thinking("b")]),
        { concurrency: "unbounded", discard: true }
      )
      for (const store of stores) {
        const log = yield* Stream.runCollect(store.events(query.id, 0))
        assert.deepStrictEqual(
          log.map(({ seq }) => seq),
          Array.from({ length: 320 }, (_, seq) => seq)
        )
      }
    }).pipe(Effect.scoped)
  )

  it.live("of a newer schema is refused and left as it is", () =>
    Effect.gen(function* () {
      const { path } = yield* filled
      yield* withSql(path, (sql) => sql`INSERT INTO remote_migrations (migration_id, name) VALUES (99, 'x')`)
      const before = yield* bytes(path)
      const error = yield* Effect.flip(openStore(path))
      const { reason } = error
      assert(reason._tag === "NewerSchema")
      assert.deepStrictEqual([reason.store, reason.found, reason.supported], [path, 99, Migrations.latest])
      assert.isFalse(error.isRetryable)
      assert.isTrue(before.equals(yield* bytes(path)))
    }).pipe(Effect.scoped)
  )

  it.live("of an older schema may have several living agents of one name, of which the oldest holds it", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const rows = [
        ["zx", "terminated"],
        ["zy", "active"],
        ["zz", "paused"]
      ] as const
      const ids = rows.map(([end]) => `${id.slice(0, -2)}${end}`)
      yield* withSql(path, (sql) =>
        Effect.forEach(
          [
            ...schema1,
            ...rows.map(([end, status]) =>
              row.replaceAll(id, `${id.slice(0, -2)}${end}`).replaceAll("active", status)
            )
          ],
          (statement) => sql.unsafe(statement),
          { discard: true }
        )
      )
      const store = yield* openStore(path)
      const [past, oldest, other] = yield* Stream.runCollect(store.listAgents({ name: "old" }))
      assert(past !== undefined && oldest !== undefined && other !== undefined)
      assert.deepStrictEqual([past.id, oldest.id, other.id] as ReadonlyArray<string>, ids)
      const found = yield* store.findAgents("old")
      assert.deepStrictEqual(
        found.map((agent) => agent.id),
        [other.id, oldest.id]
      )
      const another = new Agent.Agent({ ...(yield* newAgent()), name: oldest.name })
      const refused = yield* reasonOf(store.createAgent(another))
      assert(refused._tag === "NameTaken")
      assert.strictEqual(refused.id, oldest.id)
      const resumed = yield* store.updateAgent(new Agent.Agent({ ...other, status: "active" }))
      yield* store.updateAgent(new Agent.Agent({ ...oldest, status: "terminated" }))
      yield* store.updateAgent(resumed)
      const again = yield* reasonOf(store.createAgent(another))
      assert(again._tag === "NameTaken")
      assert.strictEqual(again.id, other.id)
    }).pipe(Effect.scoped)
  )

  it.live("of an older schema is brought up to date, with a copy of what it was beside it", () =>
    Effect.gen(function* () {
      const path = yield* olderFile
      const store = yield* openStore(path)
      const agents = yield* Stream.runCollect(store.listAgents())
      const found = yield* Stream.runCollect(store.listAgents({ name: "old", profile: "tiny" }))
      assert.deepStrictEqual(found, agents)
      assert.deepStrictEqual(
        agents.map((one): unknown => [one.id, one.name, one.revision]),
        [[id, "old", 7]]
      )
      const backup = `${path}.schema-1.backup`
      assert.strictEqual(yield* mode(backup), "600")
      const [steps, kept] = yield* withSql(backup, (sql) =>
        Effect.all([
          sql`SELECT migration_id FROM remote_migrations`,
          sql`SELECT id, revision FROM remote_agents`
        ])
      )
      assert.deepStrictEqual(
        steps.map(({ migration_id }) => migration_id),
        [1]
      )
      assert.deepStrictEqual(
        kept.map((one) => [one["id"], one["revision"]]),
        [[id, 7]]
      )
      const names = yield* Effect.promise(() => readdir(dirname(path)))
      assert.deepStrictEqual(
        names.filter((name) => name.endsWith(".tmp")),
        []
      )
    }).pipe(Effect.scoped)
  )

  it.live("of an older schema may be opened by many at once, and its copy can be put back in its place", () =>
    Effect.gen(function* () {
      const path = yield* olderFile
      yield* Effect.scoped(Effect.replicateEffect(openStore(path), 6, { concurrency: 6 }))
      yield* Effect.promise(() => copyFile(`${path}.schema-1.backup`, path))
      const store = yield* openStore(path)
      assert.strictEqual(yield* Stream.runCount(store.listAgents()), 1)
    }).pipe(Effect.scoped)
  )

  const damage: Readonly<Record<string, (path: string) => Promise<void>>> = {
    "holds something else": (path) => writeFile(path, "remember the milk\n".repeat(400)),
    "holds a few bytes": (path) => writeFile(path, "{}"),
    "was cut in half": async (path) => truncate(path, (await stat(path)).size / 2),
    "lost its first page": async (path) => {
      const content = await readFile(path)
      await writeFile(path, content.fill(0, 100, 4096))
    },
    "lost all but its first page": async (path) => {
      const content = await readFile(path)
      await writeFile(path, content.fill(0x55, 4096))
    }
  }
  for (const [what, harm] of Object.entries(damage)) {
    it.live(`that ${what} is named and left as it is`, () =>
      Effect.gen(function* () {
        const { path } = yield* filled
        yield* Effect.promise(() => harm(path))
        const before = yield* bytes(path)
        const error = yield* Effect.flip(Effect.scoped(openStore(path)))
        assert.strictEqual(error.reason._tag, "Damaged")
        assert.include(error.message, path)
        assert.isTrue(before.equals(yield* bytes(path)))
      }).pipe(Effect.scoped)
    )
  }

  it.live("that was emptied is not taken for a new one, and one that was removed is", () =>
    Effect.gen(function* () {
      const { path } = yield* filled
      yield* write(path, "")
      const error = yield* Effect.flip(Effect.scoped(openStore(path)))
      assert.strictEqual(error.reason._tag, "Damaged")
      assert.include(error.message, "Restore a backup")
      assert.lengthOf(yield* bytes(path), 0)
      yield* Effect.promise(() => rm(path))
      const store = yield* openStore(path)
      assert.strictEqual(yield* Stream.runCount(store.listAgents()), 0)
    }).pipe(Effect.scoped)
  )

  it.live("of another program is named and left as it is", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      yield* withSql(path, (sql) => sql`CREATE TABLE recipes (name TEXT)`)
      const before = yield* bytes(path)
      assert.strictEqual((yield* reasonOf(Effect.scoped(openStore(path))))._tag, "Damaged")
      assert.isTrue(before.equals(yield* bytes(path)))
    }).pipe(Effect.scoped)
  )

  it.live("whose last pages are damaged says so when they are read, and is left as it is", () =>
    Effect.gen(function* () {
      const { path } = yield* filled
      const content = yield* bytes(path)
      yield* write(path, content.fill(0x55, content.length - 8 * 4096))
      const failure = yield* Effect.scoped(
        Effect.gen(function* () {
          return yield* Stream.runDrain((yield* openStore(path)).listAgents())
        })
      ).pipe(reasonOf)
      assert.strictEqual(failure._tag, "Damaged")
      assert.isTrue(content.equals(yield* bytes(path)))
    }).pipe(Effect.scoped)
  )

  it.live("with a row that is not what was written says so, and goes on with the others", () =>
    Effect.gen(function* () {
      const { agent, path } = yield* filled
      yield* withSql(
        path,
        (sql) => sql`UPDATE remote_agents SET body = '{"secret": 1}' WHERE id = ${agent.id}`
      )
      const store = yield* openStore(path)
      const error = yield* Effect.flip(store.getAgent(agent.id))
      assert.strictEqual(error.reason._tag, "Damaged")
      assert.notInclude(error.message, "secret")
      yield* store.createAgent(yield* newAgent())
    }).pipe(Effect.scoped)
  )

  /** As somebody whom the modes of files bind. */
  const asNobody = Effect.acquireRelease(
    Effect.sync(() => {
      const user = process.geteuid?.()
      if (user === 0) process.seteuid?.(65_534)
      return user
    }),
    (user) => Effect.sync(() => (user === 0 ? process.seteuid?.(0) : undefined))
  )

  const refusals: Readonly<
    Record<
      string,
      { readonly prepare: (path: string) => Promise<void>; readonly obstacle: "readOnly" | "unreachable" }
    >
  > = {
    "in a folder that may only be read": {
      prepare: (path) => chmod(dirname(path), 0o555),
      obstacle: "readOnly"
    },
    "that may only be read": {
      prepare: async (path) => {
        await chmod(dirname(path), 0o777)
        await writeFile(path, "", { mode: 0o444 })
      },
      obstacle: "readOnly"
    },
    "whose folder is a file": {
      prepare: async (path) => {
        await rm(dirname(path), { recursive: true })
        await writeFile(dirname(path), "")
      },
      obstacle: "unreachable"
    },
    "that is a folder": { prepare: (path) => mkdir(path), obstacle: "unreachable" }
  }
  for (const [what, { obstacle, prepare }] of Object.entries(refusals)) {
    it.live(`${what} cannot be opened, which says why, and can be once it may be written`, () =>
      Effect.gen(function* () {
        const path = yield* newPath
        yield* Effect.promise(() => prepare(path))
        const reason = yield* Effect.gen(function* () {
          if (obstacle === "readOnly") yield* asNobody
          return yield* reasonOf(openStore(path))
        }).pipe(Effect.scoped)
        assert(reason._tag === "Unavailable")
        assert.deepStrictEqual([reason.store, reason.obstacle], [path, obstacle])
        if (obstacle !== "readOnly") return
        yield* Effect.promise(() => chmod(dirname(path), 0o700))
        yield* (yield* openStore(path)).createAgent(yield* newAgent())
      }).pipe(Effect.scoped)
    )
  }
})

/** What a store says about its database and about itself while the database refuses to write. */
const refused = (error: StateStoreError.StateStoreError) => {
  const { isRetryable, reason } = error
  assert(reason._tag === "Unavailable")
  return [reason.obstacle, isRetryable]
}

describe("a store whose database fails", () => {
  it.live("does nothing by half when there is no room, and goes on when there is", () =>
    Effect.gen(function* () {
      const { sql, store } = yield* openBoth({ path: yield* newPath })
      const query = yield* newQuery((yield* newAgent()).id)
      yield* store.createQuery(query)
      const [pages] = yield* sql<{ page_count: number }>`PRAGMA page_count`
      yield* sql.unsafe(`PRAGMA max_page_count = ${(pages?.page_count ?? 0) + 8}`)
      const batch = ["a", "b", "c"].map((text) => thinking(text.repeat(1500)))
      let done = 0
      const append = Effect.map(store.appendEvents(query.id, batch), () => void (done += batch.length))
      const error = yield* Effect.flip(Effect.forever(append))
      assert.deepStrictEqual(refused(error), ["full", false])
      const log = yield* Stream.runCollect(store.events(query.id, 0))
      assert.isAbove(done, 0)
      assert.lengthOf(log, done)
      yield* sql.unsafe(`PRAGMA max_page_count = 100000`)
      const next = yield* store.appendEvents(query.id, batch)
      assert.strictEqual(next[0]?.seq, done)
    }).pipe(Effect.scoped)
  )

  it.live("reads on while it may not write, and writes again when it may", () =>
    Effect.gen(function* () {
      const { sql, store } = yield* openBoth({ path: yield* newPath })
      const agent: Agent.Agent = yield* newAgent()
      yield* store.createAgent(agent)
      yield* sql`PRAGMA query_only = ON`
      assert.deepStrictEqual(refused(yield* Effect.flip(store.updateAgent(agent))), ["readOnly", false])
      assert.deepStrictEqual(yield* store.getAgent(agent.id), agent)
      yield* sql`PRAGMA query_only = OFF`
      assert.strictEqual((yield* store.updateAgent(agent)).revision, 1)
    }).pipe(Effect.scoped)
  )

  it.live("waits no longer than it is told for others that write, and says that trying again may help", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const { sql } = yield* openBoth({ path })
      const { store } = yield* openBoth({ path, patience: "30 millis" })
      const agent = yield* newAgent()
      const error = yield* sql.withTransaction(Effect.flip(store.createAgent(agent)))
      assert.deepStrictEqual(refused(error), ["locked", true])
      yield* store.createAgent(agent)
    }).pipe(Effect.scoped)
  )

  it.live("lets the others of its process go on while it waits for them", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const [one, two] = [yield* openBoth({ path }), yield* openBoth({ path })]
      const agent = yield* newAgent()
      // The transaction of the one ends only if the waiting of the other does not hold up the process.
      const writing = yield* one.sql.withTransaction(
        Effect.gen(function* () {
          const waiting = yield* Effect.forkDetach(two.store.createAgent(agent))
          yield* Effect.replicateEffect(Effect.yieldNow, 20, { discard: true })
          assert.isUndefined(waiting.pollUnsafe())
          return waiting
        })
      )
      yield* Fiber.join(writing)
      assert.deepStrictEqual(yield* one.store.getAgent(agent.id), agent)
    }).pipe(Effect.scoped)
  )
})
