import { assert, describe, layer } from "@effect/vitest"
import { Agent, AgentEvent, Query } from "@remote-agent/domain"
import { Leases, MemoryStateStore, SqlStateStore, StateStore } from "@remote-agent/orchestrator"
import { Effect, Layer, Option, Predicate, Schema, Stream } from "effect"
import { makeDatabase } from "../support/database.ts"
import { newAgent, newQuery, thinking } from "../support/stateStoreCases.ts"

/** Any text at all: NUL, halves of pairs, and whatever a language or a database may take for its own. */
const AnyText = Schema.Union([
  Schema.String,
  Schema.Literals(["\u0000", "\ud83d", "\udc00\ud83d", "\\u0000", "'\"`;--", "\u2028\ufffe", "\u{10ffff}"])
])

const Events = Schema.Array(
  Schema.Union([AgentEvent.Thinking, AgentEvent.Raw, AgentEvent.ToolEnd, AgentEvent.Session])
)

/** As JSON, whatever the order of its keys: what is no difference there is none to a store. */
const inOrder = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    Predicate.isObject(part) && !Array.isArray(part)
      ? Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1))
      : part
  )

const queryAndLog = Effect.fnUntraced(function* (all: ReadonlyArray<AgentEvent.AgentEvent>, text: string) {
  const store = yield* StateStore.StateStore
  const query = new Query.Query({ ...(yield* newQuery((yield* newAgent()).id)), text, session: text })
  yield* store.createQuery(query)
  assert.deepStrictEqual(yield* store.getQuery(query.id), query)
  const given = [...all, thinking(text)]
  yield* store.appendEvents(query.id, given)
  const log = yield* Stream.runCollect(store.events(query.id, 0))
  assert.strictEqual(inOrder(log.map(({ event }) => event)), inOrder(given))
})

const agentAndLease = Effect.fnUntraced(function* (agent: Agent.Agent, text: string) {
  const [store, leases] = [yield* StateStore.StateStore, yield* Leases.Leases]
  const { id } = yield* newAgent()
  // A name of its own: that of a living agent is taken.
  const own = Agent.AgentName.make(`${agent.name.slice(0, 37)}-${id.slice(4)}`)
  const given = new Agent.Agent({ ...agent, id, name: own, detail: text, profile: text })
  yield* store.createAgent(given)
  assert.strictEqual(inOrder(yield* store.getAgent(id)), inOrder(given))
  const { labels, name, profile, status } = given
  const found = yield* Stream.runCollect(store.listAgents({ labels, name, profile, status }))
  assert.include(
    found.map((one) => one.id),
    id
  )
  const lease = yield* leases.acquire(text, { holder: text, ttl: "1 hour" })
  assert.deepStrictEqual(yield* leases.current(text), Option.some(lease))
})

const huge = Effect.gen(function* () {
  const store = yield* StateStore.StateStore
  const query = yield* newQuery((yield* newAgent()).id)
  yield* store.createQuery(query)
  // Twenty-four million bytes as JSON.
  const text = "\u0000é\ud83d".repeat(1_500_000)
  yield* store.appendEvents(query.id, [thinking(text)])
  const [first] = yield* Stream.runCollect(store.events(query.id, 0))
  assert.isTrue(first?.event.type === "thinking" && first.event.text === text)
})

const layerPostgres = Layer.unwrap(
  Effect.map(
    Effect.flatMap(makeDatabase, ({ newUrl }) => newUrl),
    (url) => SqlStateStore.layerPostgres({ url })
  )
)

const stores = {
  memory: MemoryStateStore.layer,
  SQLite: SqlStateStore.layerSqliteMemory,
  Postgres: layerPostgres
}

for (const [name, state] of Object.entries(stores)) {
  describe(`a state in ${name}`, () => {
    layer(state, { timeout: "2 minutes" })((test) => {
      test.effect.prop("keeps any query and any events as they were", [Events, AnyText], ([all, text]) =>
        queryAndLog(all, text)
      )

      test.effect.prop(
        "keeps any agent and any lease as they were, and finds the agent by what it is",
        [Agent.Agent, AnyText],
        ([agent, text]) => agentAndLease(agent, text)
      )

      test.effect("keeps an event of millions of characters", () => huge)
    })
  })
}
