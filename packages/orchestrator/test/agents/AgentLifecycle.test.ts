import { assert, describe, it } from "@effect/vitest"
import { Agent, type AgentEvent, Budget, Profile, type Query, TokenUsage } from "@remote-agent/domain"
import { type Agents, type Queries, StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Deferred, Duration, Effect, Exit, Fiber, Schema, Stream } from "effect"
import * as OtherProcess from "../support/otherProcess.ts"
import {
  answers,
  exit,
  finish,
  hangs,
  layer,
  line,
  nothingLeft,
  type Options,
  pass,
  resultLine,
  RunnerRequest,
  start,
  taking,
  tiny
} from "../support/support.ts"
import { byId, type ById } from "../support/byId.ts"

const here = byId
const launch = (spec?: Parameters<ById["launch"]>[0]) =>
  Effect.flatMap(here, (orchestrator) => orchestrator.launch(spec))

const hanging: Options = { answer: (text) => (text === "hang" ? hangs : undefined) }

/** Whether anybody's sandbox runs or sleeps. */
const states = Effect.flatMap(MemorySandboxes.Ledger, ({ alive }) =>
  Effect.map(alive, (all) => all.map(({ state }) => state))
)

/** Takes away the sandbox of an agent behind our back. */
const lose = Effect.fnUntraced(function* ({ binding }: Agent.Agent) {
  assert(binding !== undefined)
  yield* (yield* Sandboxes.Sandboxes).terminate(binding.sandboxId)
})

const texts = (queries: ReadonlyArray<Query.Query>) => queries.map(({ text }) => text)
const ids = (agents: ReadonlyArray<Agent.Agent>) => agents.map((agent) => agent.id)

/** An answer for which the agent says that it used so much. */
const costing = (costUsd: number): MemorySandboxes.Program =>
  Stream.make(
    line({
      type: "result",
      outcome: "ok",
      answer: "42",
      sessionId: "their-session",
      usage: { inputTokens: 10, outputTokens: 5, costUsd }
    })
  )

const tokens = (inputTokens: number) =>
  line({ type: "event", event: { type: "usage", inputTokens, outputTokens: 10 } })

const thought = line({ type: "event", event: { type: "thinking", message: "hm" } })

/** Tells that it uses more and more, and would go on for ever. */
const greedy: Options = {
  answer: (text) =>
    text === "greedy"
      ? Stream.concat(Stream.make(tokens(100), tokens(900), tokens(990), thought), Stream.never)
      : undefined
}

describe("Orchestrator.pause", () => {
  it.effect("puts an agent to sleep and a query wakes it, unless it must not", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch()
      assert.strictEqual((yield* orchestrator.pause(id)).status, "paused")
      assert.strictEqual((yield* orchestrator.pause(id)).status, "paused")
      assert.deepStrictEqual(yield* states, ["paused"])
      const { reason } = yield* Effect.flip(orchestrator.query(id, "why?", { resume: false }))
      assert.strictEqual(reason._tag, "AgentPaused")
      assert.deepStrictEqual(yield* states, ["paused"])
      assert.isTrue((yield* orchestrator.query(id, "why?")).ok)
      assert.strictEqual((yield* orchestrator.get(id)).status, "active")
      yield* orchestrator.pause(id)
      assert.strictEqual((yield* orchestrator.resume(id)).status, "active")
      assert.strictEqual((yield* orchestrator.resume(id)).status, "active")
      assert.deepStrictEqual(yield* states, ["running"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("does not wake a sandbox that sleeps though its record does not say so", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const agent = yield* launch()
      assert(agent.binding !== undefined)
      yield* (yield* Sandboxes.Sandboxes).pause(agent.binding.sandboxId)
      const { reason } = yield* Effect.flip(orchestrator.query(agent.id, "why?", { resume: false }))
      assert.strictEqual(reason._tag, "AgentPaused")
      assert.deepStrictEqual(yield* states, ["paused"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("refuses while a query runs, waits for it, or cancels it, also from another process", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const other = yield* OtherProcess.make
      const { id } = yield* launch()
      const asking = yield* start(other.orchestrator.query(id, taking(60_000)))
      const { reason } = yield* Effect.flip(orchestrator.pause(id))
      assert(reason._tag === "QueryRunning")
      const { current } = yield* orchestrator.info(id)
      assert.strictEqual(reason.queryId, current?.id)
      const waiting = yield* start(orchestrator.pause(id, { whenRunning: "wait" }))
      yield* pass("59 seconds")
      assert.deepStrictEqual(yield* states, ["running"])
      yield* pass("2 seconds")
      assert.isTrue((yield* Fiber.join(asking)).ok)
      assert.strictEqual((yield* Fiber.join(waiting)).status, "paused")
      const hung = yield* start(Effect.flip(other.orchestrator.query(id, "hang")))
      yield* pass("1 second")
      const pausing = yield* start(orchestrator.pause(id, { whenRunning: "cancel" }))
      yield* pass("10 seconds")
      assert.strictEqual((yield* Fiber.join(pausing)).status, "paused")
      const failed = yield* Fiber.join(hung)
      assert(failed.reason._tag === "QueryFailed")
      assert.strictEqual(failed.reason.result.outcome, "aborted")
    }).pipe(Effect.scoped, Effect.provide(layer(hanging)))
  )
})

describe("an agent whose sandbox is gone", () => {
  it.effect("gets a new one only when that is asked for, and the log says so first", () => {
    const seen: Array<unknown> = []
    return Effect.gen(function* () {
      const orchestrator = yield* here
      const agent = yield* launch({ labels: { team: "a" }, ttl: "30 minutes" })
      yield* lose(agent)
      assert.strictEqual((yield* Effect.flip(orchestrator.query(agent.id, "why?"))).reason._tag, "AgentLost")
      const { reason } = yield* Effect.flip(orchestrator.query(agent.id, "why?"))
      assert(reason._tag === "AgentNotReady")
      assert.strictEqual(reason.status, "lost")
      assert.deepStrictEqual(yield* nothingLeft, { alive: 0, commands: 0 })
      const log = yield* Stream.runCollect(
        orchestrator.stream(agent.id, "why?", { replace: { env: { A_KEY: "secret" } } })
      )
      assert.deepStrictEqual(
        log.map(({ event, seq }) => `${seq} ${event.type}`),
        ["0 notice", "1 thinking", "2 result"]
      )
      const now = yield* orchestrator.get(agent.id)
      assert.strictEqual(now.status, "active")
      assert.deepStrictEqual(now.labels, { team: "a" })
      assert.notStrictEqual(now.binding?.sandboxId, agent.binding?.sandboxId)
      assert.deepStrictEqual(seen, [undefined, "secret"])
      assert.lengthOf(yield* Stream.runCollect(orchestrator.stream(agent.id, "why?", { replace: true })), 2)
      assert.strictEqual((yield* nothingLeft).alive, 1)
      const refused = yield* Effect.flip(orchestrator.replace(agent.id))
      assert.strictEqual(refused.reason._tag, "AgentNotReady")
    }).pipe(
      Effect.provide(
        layer({
          prepare: (_, { env }) => {
            seen.push(env["A_KEY"])
            return Stream.make(exit(0))
          }
        })
      )
    )
  })

  it.effect("goes on with a query of the new one after its process died", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const agent = yield* launch()
      yield* lose(agent)
      yield* Effect.flip(orchestrator.query(agent.id, "why?"))
      const other = yield* OtherProcess.make
      yield* Effect.forkDetach(other.orchestrator.query(agent.id, taking(60_000), { replace: true }))
      yield* pass("30 seconds")
      yield* other.die
      const [query] = yield* Stream.runCollect(
        (yield* StateStore.StateStore).listQueries({ agentId: agent.id, status: "running" })
      )
      assert(query !== undefined)
      const log = yield* finish(Stream.runCollect(orchestrator.events(query.id)))
      assert.deepStrictEqual(
        log.map(({ event, seq }) => `${seq} ${event.type}`),
        ["0 notice", "1 thinking", "2 result"]
      )
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

describe("Orchestrator.info and health", () => {
  it.effect("tell what runs and what waits, and wake nothing", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch()
      yield* start(orchestrator.query(id, taking(60_000, "first")))
      yield* pass("1 second")
      yield* start(orchestrator.query(id, "second"))
      const busy = yield* orchestrator.info(id)
      assert.strictEqual(busy.sandbox, "running")
      assert.strictEqual(busy.current?.text, taking(60_000, "first"))
      assert.deepStrictEqual(texts(busy.queue), ["second"])
      yield* pass("1 minute")
      yield* orchestrator.pause(id)
      const asleep = yield* orchestrator.info(id)
      assert.strictEqual(asleep.sandbox, "paused")
      assert.isUndefined(asleep.current)
      const { checks, healthy } = yield* orchestrator.health(id)
      assert.isTrue(healthy)
      assert.deepStrictEqual(
        checks.map(({ name, status }) => `${name} ${status}`),
        ["sandbox ok", "program skipped", "disk skipped", "clock skipped", "lease ok", "age ok"]
      )
      assert.deepStrictEqual(yield* states, ["paused"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("say which check failed", () => {
    const works = { now: true }
    return Effect.gen(function* () {
      const orchestrator = yield* here
      const agent = yield* launch()
      works.now = false
      const sick = yield* orchestrator.health(agent.id)
      assert.isFalse(sick.healthy)
      assert.strictEqual(sick.checks.find(({ status }) => status === "failed")?.name, "program")
      yield* lose(agent)
      const gone = yield* orchestrator.health(agent.id)
      assert.strictEqual(gone.checks.find(({ status }) => status === "failed")?.name, "sandbox")
      assert.strictEqual((yield* orchestrator.info(agent.id)).sandbox, "gone")
    }).pipe(Effect.provide(layer({ check: () => Stream.make(exit(works.now ? 0 : 1)) })))
  })
})

describe("what health says of the life of a sandbox", () => {
  const leaseOf = Effect.fnUntraced(function* (id: Agent.Agent["id"]) {
    const { checks, healthy } = yield* (yield* here).health(id)
    const lease = checks.find(({ name }) => name === "lease")
    assert(lease !== undefined)
    return { ...lease, healthy }
  })

  it.effect("is how much is left of it, and a failure when nobody can come in time any more", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch({ ttl: "10 minutes", persistent: false })
      yield* pass("4 minutes")
      const well = yield* leaseOf(id)
      assert.deepInclude(well, { status: "ok", healthy: true })
      assert.include(well.detail, "ends in 6m")
      yield* pass("350 seconds")
      const late = yield* leaseOf(id)
      assert.deepInclude(late, { status: "failed", healthy: false })
      assert.include(late.detail, "ends in 10s")
      // Whoever comes from elsewhere connects, which gives it a new life, and says so.
      const other = yield* OtherProcess.make
      const seen = (yield* other.orchestrator.health(id)).checks.find(({ name }) => name === "lease")
      assert.include(seen?.detail, "ends in 10m")
      assert.strictEqual(seen?.status, "ok")
      yield* orchestrator.pause(id)
      assert.include((yield* leaseOf(id)).detail, "sleeps until it is woken")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("is no failure for a sandbox that is put to sleep at its end, or that is used", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const sleeper = yield* launch({ ttl: "30 seconds", persistent: true })
      const worker = yield* launch({ ttl: "30 seconds", persistent: false })
      yield* start(orchestrator.query(worker.id, taking(60_000)))
      yield* pass("20 seconds")
      const lease = yield* leaseOf(sleeper.id)
      assert.deepInclude(lease, { status: "ok", healthy: true })
      assert.include(lease.detail, "is put to sleep in 10s")
      const used = yield* leaseOf(worker.id)
      assert.deepInclude(used, { status: "ok", healthy: true })
      assert.match(used.detail, /^process\/\S+ works with it, until .* ends in (2\d|30)s/)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

describe("an agent of another provider", () => {
  it.effect("is left as it is, and nothing is concluded from not finding its sandbox here", () =>
    Effect.gen(function* () {
      const [orchestrator, store] = [yield* here, yield* StateStore.StateStore]
      const { id } = yield* launch()
      const agent = yield* store.getAgent(id)
      assert(agent.binding !== undefined)
      const binding = new Agent.Binding({ ...agent.binding, provider: "elsewhere" })
      const before = yield* store.updateAgent(new Agent.Agent({ ...agent, binding }))
      const attempts = [
        Effect.asVoid(orchestrator.terminate(id)),
        Effect.asVoid(orchestrator.pause(id)),
        Effect.asVoid(orchestrator.query(id, "hello")),
        Effect.asVoid(orchestrator.resume(id))
      ]
      for (const attempt of attempts) {
        const { reason } = yield* Effect.flip(attempt)
        assert.strictEqual(reason._tag, "OtherProvider")
      }
      assert.strictEqual((yield* orchestrator.info(id)).sandbox, "unknown")
      const after = yield* store.getAgent(id)
      assert.deepStrictEqual([after.status, after.binding], ["active", before.binding])
      assert.deepStrictEqual(yield* states, ["running"])
    }).pipe(Effect.provide(layer()))
  )
})

describe("names and labels", () => {
  it.effect("change, and agents are found and listed by them", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch({ labels: { team: "a", stage: "dev" } })
      yield* launch()
      assert.strictEqual((yield* orchestrator.rename(id, Agent.AgentName.make("ada"))).name, "ada")
      const { labels } = yield* orchestrator.label(id, { stage: undefined, tier: "1" })
      assert.deepStrictEqual(labels, { team: "a", tier: "1" })
      assert.deepStrictEqual(ids(yield* orchestrator.find("ada")), [id])
      assert.deepStrictEqual(ids(yield* Stream.runCollect(orchestrator.list({ labels: { team: "a" } }))), [
        id
      ])
      assert.lengthOf(yield* Stream.runCollect(orchestrator.list()), 2)
    }).pipe(Effect.provide(layer()))
  )
})

const seconds = (count: number) => new Budget.Budget({ wall: Duration.seconds(count) })

/** Never answers; one program stops by itself a little before the time is up that it was given. */
const stopping = (text: string, { stdin }: Sandbox.Command): MemorySandboxes.Program => {
  if (text === "hang") return hangs
  const { timeoutMs } = Schema.decodeUnknownSync(RunnerRequest)(stdin)
  return Stream.concat(
    Stream.make(line({ type: "ready", agent: "tiny" })),
    Stream.fromEffect(Effect.delay(Effect.succeed(resultLine("", "aborted")), timeoutMs))
  )
}

const dollars = '{"tiny": {"input": 1000000, "output": 0}}'

/** Counts the tokens of each thread in all, as Codex does: 100 for each turn, also for one that fails. */
const codex = () => {
  const threads = new Map<string, number>()
  const run: NonNullable<Options["other"]> = (command) => {
    if (!("argv" in command) || command.argv[0] !== "count") return undefined
    const thread = command.argv.at(2) ?? `thread-${threads.size}`
    const turns = (threads.get(thread) ?? 0) + 1
    threads.set(thread, turns)
    const usage = { input_tokens: 90 * turns, output_tokens: 10 * turns }
    return Stream.make(
      line({ type: "thread.started", thread_id: thread }),
      line({ type: "item.completed", item: { id: "1", type: "agent_message", text: thread } }),
      line(command.stdin === "fail" ? { type: "turn.failed" } : { type: "turn.completed", usage }),
      exit(0)
    )
  }
  const profile = new Profile.Profile({
    ...tiny,
    run: new Profile.RunSpec({
      ...tiny.run,
      argv: ["count"],
      input: "stdin-text",
      resumeArgv: ["resume", "{session}"],
      protocol: "codex-jsonl"
    })
  })
  return layer({ other: run, profiles: [profile], settings: { REMOTE_AGENT_PRICES: dollars } })
}

describe("an agent that counts the tokens of a session", () => {
  it.effect("is counted and priced for each query alone, whichever process asks", () =>
    Effect.gen(function* () {
      const [orchestrator, other] = [yield* here, yield* OtherProcess.make]
      const { id } = yield* launch()
      const ask = Effect.fnUntraced(function* (by: ById, text: string, options: Queries.QueryOptions) {
        const { answer, usage } = yield* by.query(id, text, options)
        return [answer, usage.inputTokens, usage.outputTokens, usage.costUsd]
      })
      assert.deepStrictEqual(yield* ask(orchestrator, "1", { session: "a" }), ["thread-0", 90, 10, 90])
      assert.deepStrictEqual(yield* ask(other.orchestrator, "2", { session: "a" }), ["thread-0", 90, 10, 90])
      assert.deepStrictEqual(yield* ask(orchestrator, "1", {}), ["thread-1", 90, 10, 90])
      const { reason } = yield* Effect.flip(orchestrator.query(id, "fail", { session: "a" }))
      assert.strictEqual(reason._tag, "QueryFailed")
      // What the failed turn did not tell is told by the next.
      assert.deepStrictEqual(yield* ask(orchestrator, "3", { session: "a" }), ["thread-0", 180, 20, 180])
      const detached = yield* orchestrator.start(id, "4", { session: "a" })
      yield* Stream.runDrain(other.orchestrator.events(detached.id))
      assert.deepStrictEqual(yield* ask(orchestrator, "1", { session: "a", newSession: true }), [
        "thread-2",
        90,
        10,
        90
      ])
      const { sessionTotals, usage } = yield* orchestrator.get(id)
      assert.strictEqual(TokenUsage.totalTokens(usage), 700)
      assert.deepStrictEqual(Object.keys(sessionTotals ?? {}).toSorted(), ["thread-1", "thread-2"])
    }).pipe(Effect.scoped, Effect.provide(codex()))
  )
})

describe("budgets", () => {
  it.effect("refuse a query when an agent has used its own up, in whichever process", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const other = yield* OtherProcess.make
      const { id } = yield* launch({ budget: new Budget.Budget({ costUsd: 1 }) })
      yield* orchestrator.query(id, "one")
      yield* other.orchestrator.query(id, "two")
      const { reason } = yield* Effect.flip(orchestrator.query(id, "three"))
      assert(reason._tag === "BudgetExceeded")
      assert.strictEqual(reason.of, "agent")
      assert.deepStrictEqual({ ...reason.exceeded }, { limit: "costUsd", allowed: 1, spent: 1.2 })
      const { outcomes, queries, usage } = yield* orchestrator.usage({ agentId: id })
      assert.strictEqual(TokenUsage.totalTokens(usage), 30)
      assert.strictEqual(queries, 3)
      assert.deepStrictEqual(outcomes, { ok: 2, aborted: 1 })
    }).pipe(Effect.scoped, Effect.provide(layer({ answer: () => costing(0.6) })))
  )

  it.effect("stop a query in the middle when it has used up its tokens, which are counted all the same", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch({ budget: new Budget.Budget({ tokens: 1500 }) })
      const { reason } = yield* Effect.flip(
        orchestrator.query(id, "greedy", { budget: new Budget.Budget({ tokens: 1000 }) })
      )
      assert(reason._tag === "BudgetExceeded")
      assert.strictEqual(reason.of, "query")
      assert.deepStrictEqual({ ...reason.exceeded }, { limit: "tokens", allowed: 1000, spent: 1000 })
      assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
      const first = yield* orchestrator.usage({ agentId: id })
      assert.deepStrictEqual(first.outcomes, { aborted: 1 })
      assert.strictEqual(TokenUsage.totalTokens(first.usage), 1000)
      assert.isUndefined(first.usage.costUsd, "nobody told a cost, and no price is known")

      const second = yield* Effect.flip(orchestrator.query(id, "greedy"))
      assert(second.reason._tag === "BudgetExceeded")
      assert.strictEqual(second.reason.of, "agent")
      assert.deepStrictEqual(
        { ...second.reason.exceeded },
        { limit: "tokens", allowed: 1500, spent: 1910 },
        "what the queries before have used counts"
      )
    }).pipe(Effect.provide(layer(greedy)))
  )

  it.effect("know what tokens cost when the agent does not say", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch()
      const { reason } = yield* Effect.flip(
        orchestrator.query(id, "greedy", { budget: new Budget.Budget({ costUsd: 0.001 }) })
      )
      assert(reason._tag === "BudgetExceeded")
      assert.strictEqual(reason.exceeded.limit, "costUsd")
      assert.closeTo(reason.exceeded.spent, 0.001, 1e-9)
      const { usage } = yield* orchestrator.usage({ agentId: id })
      assert.closeTo(usage.costUsd ?? 0, 0.00109, 1e-9)
    }).pipe(
      Effect.provide(
        layer({ ...greedy, settings: { REMOTE_AGENT_PRICES: '{"tiny": {"input": 1, "output": 10}}' } })
      )
    )
  )

  const priced: ReadonlyArray<
    readonly [model: string | undefined, setting: string | undefined, cost: number]
  > = [
    ["m1", "m2", 1],
    [undefined, "m2", 2],
    [undefined, undefined, 3],
    ["unknown", "m2", 3]
  ]

  it.effect.each(priced)(
    "price what the query's model %s costs, else the agent's %s",
    ([model, setting, cost]) => {
      const env = [new Profile.EnvRule({ name: "ITS_MODEL", from: ["MY_MODEL"] })]
      const run = new Profile.RunSpec({ ...tiny.run, modelEnv: "ITS_MODEL" })
      const prices =
        '{"m1": {"input": 1, "output": 0}, "m2": {"input": 2, "output": 0}, "tiny": {"input": 3, "output": 0}}'
      return Effect.gen(function* () {
        const orchestrator = yield* here
        const { id } = yield* launch()
        const { usage } = yield* orchestrator.query(id, "?", { model })
        assert.strictEqual(usage.costUsd, cost)
      }).pipe(
        Effect.provide(
          layer({
            profiles: [new Profile.Profile({ ...tiny, env, run })],
            settings: {
              REMOTE_AGENT_PRICES: prices,
              ...(setting === undefined ? {} : { MY_MODEL: setting })
            },
            answer: () =>
              Stream.make(
                line({ type: "result", outcome: "ok", answer: "42", usage: { inputTokens: 1_000_000 } })
              )
          })
        )
      )
    }
  )

  it.effect(
    "let an agent give its answer when it has used them up with it, and not keep silent for long",
    () =>
      Effect.gen(function* () {
        const orchestrator = yield* here
        const { id } = yield* launch()
        const budget = new Budget.Budget({ tokens: 1000 })
        const answering = yield* start(orchestrator.query(id, "what?", { budget }))
        yield* pass("29 seconds")
        assert.strictEqual((yield* Fiber.join(answering)).answer, "42")
        const silent = yield* start(Effect.flip(orchestrator.query(id, "hang", { budget })))
        yield* pass("29 seconds")
        assert.isUndefined(silent.pollUnsafe())
        yield* pass("1 second")
        assert.strictEqual((yield* Fiber.join(silent)).reason._tag, "BudgetExceeded")
        assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
      }).pipe(
        Effect.provide(
          layer({
            answer: (text) =>
              Stream.concat(
                Stream.make(tokens(990)),
                text === "hang"
                  ? Stream.never
                  : Stream.fromEffect(Effect.delay(Effect.succeed(resultLine("42")), "20 seconds"))
              )
          })
        )
      )
  )

  it.effect("count what a query has used that is stopped from outside", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch()
      const seen = yield* Deferred.make<void>()
      const asking = yield* start(
        Stream.runForEach(orchestrator.stream(id, "greedy"), ({ event }) =>
          event.type === "usage" && event.usage.inputTokens === 990
            ? Deferred.succeed(seen, undefined)
            : Effect.void
        )
      )
      yield* Deferred.await(seen)
      yield* Fiber.interrupt(asking)
      const { usage } = yield* orchestrator.usage({ agentId: id })
      assert.strictEqual(TokenUsage.totalTokens(usage), 1000)
      assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
    }).pipe(Effect.provide(layer(greedy)))
  )

  it.effect("stop a query when its time is used up, with their own error, and the log says why", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch()
      const budget = new Budget.Budget({ wall: Duration.seconds(30) })
      const seen: Array<AgentEvent.EventRecord> = []
      const asking = yield* start(
        Effect.exit(
          Stream.runForEach(orchestrator.stream(id, "hang", { budget }), (record) =>
            Effect.sync(() => seen.push(record))
          )
        )
      )
      yield* pass("29 seconds")
      assert.isUndefined(asking.pollUnsafe())
      yield* pass("1 second")
      const exited = yield* Fiber.join(asking)
      assert.isTrue(Exit.isFailure(exited))
      const { reason } = yield* Effect.flip(exited)
      assert(reason._tag === "BudgetExceeded")
      assert.strictEqual(reason.of, "query")
      const last = seen.at(-1)?.event
      assert(last?.type === "result")
      assert.strictEqual(last.outcome, "aborted")
      assert.strictEqual(last.limit, "budget")
      assert.include(last.error, "budget")
      assert.deepStrictEqual(yield* nothingLeft, { alive: 1, commands: 0 })
    }).pipe(Effect.provide(layer(hanging)))
  )

  const owners: ReadonlyArray<
    readonly [of: string, spec: Agents.LaunchSpec, query: Queries.QueryOptions, text: string]
  > = [
    ["agent", { budget: seconds(30) }, { budget: seconds(40) }, "hang"],
    ["query", { budget: seconds(40) }, { budget: seconds(30) }, "hang"],
    ["agent", { budget: new Budget.Budget({ sandboxSeconds: 30 }) }, {}, "hang"],
    ["query", {}, { budget: seconds(30), timeout: "30 seconds" }, "hang"],
    ["query", {}, { budget: seconds(30) }, "stops by itself"]
  ]

  it.effect.each(owners)(
    "stop a query that nobody follows when the time of the %s is up, and whoever finds it is told why",
    ([of, spec, options, text]) =>
      Effect.gen(function* () {
        const orchestrator = yield* here
        const { id } = yield* launch(spec)
        const query = yield* orchestrator.start(id, text, options)
        yield* pass("28 seconds")
        assert.strictEqual((yield* nothingLeft).commands, 1)
        yield* pass("2 seconds")
        assert.strictEqual((yield* nothingLeft).commands, 0, "nobody watched it")
        yield* pass("20 minutes")
        const last = (yield* finish(Stream.runCollect(orchestrator.events(query.id)))).at(-1)?.event
        assert(last?.type === "result")
        assert.strictEqual(last.outcome, "aborted")
        assert.strictEqual(last.limit, "budget")
        assert.include(last.error, `The budget of the ${of} is used up: 30`)
        assert.isAtMost(last.usage.wallMillis, 30_000, "not until it was found")
        const again = yield* Stream.runCollect(orchestrator.events(query.id))
        assert.deepStrictEqual(again.at(-1)?.event, last)
      }).pipe(Effect.provide(layer({ answer: stopping })))
  )

  it.effect(
    "end a query that is followed with their own error, when its program knew that its time was up",
    () =>
      Effect.gen(function* () {
        const orchestrator = yield* here
        const { id } = yield* launch()
        const asked = orchestrator.query(id, "stops by itself", { budget: seconds(30) })
        const asking = yield* start(Effect.flip(asked))
        yield* pass("29 seconds")
        const { reason } = yield* Fiber.join(asking)
        assert(reason._tag === "BudgetExceeded")
        assert.strictEqual(reason.of, "query")
      }).pipe(Effect.provide(layer({ answer: stopping })))
  )

  it.effect("leave a query its own limits when those are shorter", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch({ budget: seconds(40) })
      const query = yield* orchestrator.start(id, "hang", { timeout: "30 seconds" })
      assert.isUndefined(query.job?.timeLeft)
      yield* pass("20 minutes")
      const last = (yield* finish(Stream.runCollect(orchestrator.events(query.id)))).at(-1)?.event
      assert(last?.type === "result")
      assert.deepStrictEqual([last.outcome, last.limit, last.usage.wallMillis], ["timeout", "wall", 30_000])
    }).pipe(Effect.provide(layer({ answer: stopping })))
  )

  it.effect("do not stand in the way of sessions, whose own ids are kept until a new one begins", () =>
    Effect.gen(function* () {
      const orchestrator = yield* here
      const { id } = yield* launch()
      yield* orchestrator.query(id, "one", { session: "s" })
      assert.deepStrictEqual((yield* orchestrator.get(id)).sessions, { s: "their-session" })
      const failing = orchestrator.query(id, "silent", { session: "s", newSession: true })
      yield* failing
      assert.isUndefined((yield* orchestrator.get(id)).sessions)
    }).pipe(Effect.provide(layer({ answer: (text) => (text === "silent" ? answers("42") : costing(0)) })))
  )
})
