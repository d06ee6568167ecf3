import { amount } from "#test/tier"
import { assert, describe, it, vi } from "@effect/vitest"
import { type Agent, AgentLifecycle, type Query, SandboxLabels } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { LaunchIntents, MemoryStateStore, Reaper, StateImport, StateStore } from "@remote-agent/orchestrator"
import { Sandboxes } from "@remote-agent/sandbox"
import { Effect, Redacted, Schema, type Scope, Stream } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { randomInt } from "node:crypto"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as FaultProxy from "../../../sandbox/test/faults/FaultProxy.ts"
import { layer, type Surroundings } from "../support/lifeProcess.ts"
import { makeDatabase } from "../support/database.ts"
import { newPath } from "../support/storeSupport.ts"
import { none } from "../../../sandbox/test/faults/Fault.ts"
import { random } from "../support/crashPlan.ts"
import { type Act, plan, saying } from "../support/lifePlan.ts"
import { type Death, live } from "../support/crashHarness.ts"
import { byId } from "../support/byId.ts"

// Real processes: how long they take is up to the machine.
vi.setConfig({ testTimeout: 3_600_000 })

const program = fileURLToPath(import.meta.resolve("../fixtures/agentPlan.ts"))

/**
 * How many kills there are on each database, and of which plans: more with `REMOTE_AGENT_CRASHES`, others with
 * `REMOTE_AGENT_SEED`.
 */
const kills = Number(process.env["REMOTE_AGENT_CRASHES"] ?? amount(2, 10))
const seed = Number(process.env["REMOTE_AGENT_SEED"] ?? amount(1, randomInt(1e9)))

const decodeNote = Schema.decodeSync(Schema.fromJsonString(Schema.Struct({ query: Schema.String })))

/** What came of a life: its acts that were done, and the one that was cut short. */
interface Told {
  readonly acts: ReadonlyArray<Act>
  readonly done: number
  readonly begun: number
}

const acted = ({ acts, done }: Told, agent: number, act: Act["act"]) =>
  acts.slice(0, done).findLast((one) => one.agent === agent && one.act === act) !== undefined

const begun = ({ acts, begun: count }: Told, agent: number, act: Act["act"]) =>
  acts.slice(0, count).some((one) => one.agent === agent && one.act === act)

/** The questions of acts. */
const asked = (acts: ReadonlyArray<Act>) =>
  acts.flatMap(({ act }, index) =>
    act === "query" || act === "start"
      ? [`question ${index}`]
      : act === "queries"
        ? [`question ${index} a`, `question ${index} b`]
        : []
  )

const answered = ({ outcome }: Query.Query) => outcome === "ok"

const textOf = (event: { readonly type: string }) =>
  "text" in event ? event.text : "answer" in event ? event.answer : event.type

/** What the provider holds, the agents of the state, and the intents that are open. */
const look = Effect.gen(function* () {
  const [sandboxes, store, intents] = yield* Effect.all([
    Sandboxes.Sandboxes,
    StateStore.StateStore,
    LaunchIntents.LaunchIntents
  ])
  return {
    agents: yield* Stream.runCollect(store.listAgents()),
    queries: yield* Stream.runCollect(store.listQueries()),
    held: yield* Stream.runCollect(sandboxes.list()),
    intents: yield* Stream.runCollect(intents.list)
  }
})

const homeOf = ({ binding, status }: Agent.Agent) =>
  binding !== undefined && AgentLifecycle.mayHoldSandbox(status) ? [binding.sandboxId] : []

/** What a fresh process finds of a life that was cut short, makes of it, and can still do with it. */
const recovered = Effect.fnUntraced(function* (told: Told, notes: string, owner: string) {
  const orchestrator = yield* byId
  const reaper = yield* Reaper.Reaper
  const store = yield* StateStore.StateStore
  const ran = () =>
    existsSync(notes)
      ? readFileSync(notes, "utf8")
          .trimEnd()
          .split("\n")
          .map((line) => decodeNote(line).query)
      : []

  for (const { id, status } of (yield* look).queries) {
    if (status !== "ended") yield* Stream.runDrain(orchestrator.events(id))
  }
  yield* reaper.reap({ grace: 0, createDeadline: 0 })
  const { agents, held, intents, queries } = yield* look

  // Nothing is unknown, and nothing is homeless.
  const ours = held.flatMap(({ id, metadata }) => (metadata[SandboxLabels.ownerKey] === owner ? [id] : []))
  assert.deepStrictEqual(ours.toSorted(), agents.flatMap(homeOf).toSorted(), "sandboxes")
  assert.lengthOf(intents, 0, "intents")

  // Every agent once, in a status that its acts allow.
  for (const agent of [0, 1]) {
    const known = agents.filter(({ name }) => name === `agent-${agent}`)
    const [launched, ended] = [acted(told, agent, "launch"), begun(told, agent, "terminate")]
    assert.isAtMost(known.length, begun(told, agent, "launch") ? 1 : 0, `agent ${agent}`)
    if (launched) assert.lengthOf(known, 1, `agent ${agent}`)
    for (const { status } of known) {
      const allowed = !launched
        ? ["failed", "active"]
        : acted(told, agent, "terminate")
          ? ["terminated"]
          : ended
            ? ["active", "paused", "terminated", "lost"]
            : ["active", "paused"]
      assert.include(allowed, status, `agent ${agent}`)
    }
  }

  // Every query once, its log without a gap, its program run once at the most.
  const [must, may] = [asked(told.acts.slice(0, told.done)), asked(told.acts.slice(0, told.begun))]
  const texts = queries.map(({ text }) => text)
  assert.strictEqual(new Set(texts).size, texts.length, "queries")
  assert.includeMembers(texts, must, "queries")
  assert.includeMembers(may, texts, "queries")
  const runs = ran()
  assert.strictEqual(new Set(runs).size, runs.length, "runs")
  for (const query of queries) {
    const { id, outcome, status, text } = query
    assert.strictEqual(status, "ended", text)
    if (must.includes(text)) assert.strictEqual(outcome, "ok", text)
    assert.strictEqual(runs.includes(text), answered(query), `${text} ended as ${outcome}`)
    const log = yield* Stream.runCollect(store.events(id, 0))
    assert.deepStrictEqual(
      log.map(({ seq }) => seq),
      log.map((_, index) => index)
    )
    if (answered(query))
      assert.deepStrictEqual(
        log.map(({ event }) => textOf(event)),
        saying,
        text
      )
    else
      assert.deepStrictEqual(
        log.map(({ event }) => event.type),
        ["result"],
        text
      )
  }
  for (const { id, queryCount, usage } of agents) {
    const mine = queries.filter(({ agentId }) => agentId === id)
    assert.strictEqual(usage.inputTokens, mine.filter(answered).length, "usage")
    assert.isAtMost(queryCount, mine.length)
  }

  // Whoever lives can be asked and updated, and everybody can be ended.
  for (const { id, name, status } of agents) {
    if (status === "active" || status === "paused") {
      yield* orchestrator.query(id, `${name}, still there?`)
      yield* orchestrator.update(id)
    }
    assert.strictEqual((yield* orchestrator.terminate(id)).status, "terminated")
  }
  const left = (yield* look).held.filter(({ metadata }) => metadata[SandboxLabels.ownerKey] === owner)
  assert.lengthOf(left, 0, "sandboxes at the end")
})

/** A document is whole or is not there. */
const exported = Effect.fnUntraced(function* (told: Told, file: string) {
  const whole = told.acts.slice(0, told.done).some(({ act }) => act === "export")
  if (!existsSync(file)) return assert.isFalse(whole, "export")
  const { store } = yield* MemoryStateStore.make
  const { agents } = yield* StateImport.importFrom(store, file, () => Effect.succeed("running"))
  assert.lengthOf(agents, new Set(agents.map(({ id }) => id)).size)
})

/** Where the state of a life is: a new and empty place each time. */
type NewState = Effect.Effect<string, never, Scope.Scope>

/** A life that dies, and what a fresh process makes of it. */
const dieOnce = Effect.fnUntraced(function* (
  newState: NewState,
  cache: string,
  number: number,
  owner: string,
  death?: Death
) {
  const server = yield* E2bServer.E2bServer
  const key = Redacted.value(server.apiKey)
  const folder = dirname(yield* newPath)
  const [notes, file] = [join(folder, "notes"), join(folder, "export.json")]
  const state = yield* newState
  const proxy = yield* FaultProxy.make({ url: server.url, apiKey: key }, () => none)
  const around: Surroundings = { url: proxy.url, key, state, owner, notes }
  const args = [String(number), JSON.stringify(around), file]
  const life = yield* live(program, args, { NODE_COMPILE_CACHE: cache }, death)
  const what = `seed ${number} ${JSON.stringify(death)} after ${life.lines.at(-1)}`
  assert.isTrue(life.killed || life.code === 0, `${what} ended with ${life.code}: ${life.stderr}`)
  // What the server was told, it does, whoever is left to hear of it.
  while (proxy.connections() > 0 || proxy.pending() > 0) {
    yield* Effect.promise(() => new Promise(setImmediate))
  }
  const count = (word: string) => life.lines.filter((line) => line.startsWith(word)).length
  const told: Told = { acts: plan(number), done: count("end"), begun: count("begin") }
  const checks = Effect.andThen(
    Effect.provide(recovered(told, notes, owner), layer({ ...around, url: server.url })),
    exported(told, file)
  )
  yield* Effect.tapCause(checks, (cause) => Effect.logError(what, cause))
  return { killed: life.killed, steps: Number(life.lines.at(-1)?.split(" ")[1] ?? 0), told }
}, Effect.scoped)

const databases = {
  SQLite: Effect.succeed<NewState>(newPath),
  Postgres: Effect.map(makeDatabase, ({ newUrl }): NewState => Effect.map(newUrl, Redacted.value))
}

/** Kills at steps all over the plan, before and after, and then at any step of other plans. */
const sweep = Effect.fnUntraced(function* (newState: NewState, count: number) {
  const cache = dirname(yield* newPath)
  const { steps, told } = yield* dieOnce(newState, cache, 0, "whole")
  assert.strictEqual(told.done, told.acts.length)
  const next = random(seed)
  const half = Math.min(Math.ceil(count / 2), 2 * steps)
  const results = yield* Effect.forEach(
    Array.from({ length: count }).keys(),
    (cut) => {
      const scheduled = cut < half
      const step = scheduled ? 1 + Math.floor((cut * steps) / half) : 1 + Math.floor(next() * steps * 0.8)
      const when = (scheduled ? cut % 2 === 0 : next() < 0.5) ? "before" : "after"
      const number = scheduled ? 0 : 1 + Math.floor(next() * 1e9)
      return dieOnce(newState, cache, number, `cut-${cut}`, { _tag: "AtStep", step, when })
    },
    { concurrency: 2 }
  )
  return { deaths: results.filter(({ killed }) => killed).length, steps }
})

describe("agents whose processes are killed", () => {
  for (const name of ["SQLite", "Postgres"] as const) {
    it.live(`are neither lost nor doubled in ${name}, nor are their queries and sandboxes`, () =>
      Effect.gen(function* () {
        const { deaths, steps } = yield* sweep(yield* databases[name], kills)
        yield* Effect.logInfo(`${name}: seed ${seed}, ${deaths} kills; the whole plan has ${steps} steps`)
        const server = yield* E2bServer.E2bServer
        assert.strictEqual(yield* server.live, 0)
      }).pipe(Effect.scoped, Effect.provide(E2bServer.layer({ isolation: "none" })))
    )
  }
})
