import { assert, describe, it } from "@effect/vitest"
import { Agent, Id, Profile } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Fiber, Stream } from "effect"
import {
  ends,
  exit,
  finish,
  hangs,
  layer,
  nothing,
  nothingLeft,
  out,
  pass,
  said,
  start,
  taking,
  tiny
} from "./support/support.ts"

const here = Orchestrator.Orchestrator

describe("an agent handle", () => {
  it.effect("runs queries, reads the record again, and terminates the agent", () =>
    Effect.gen(function* () {
      const { agents } = yield* here
      const agent = yield* agents.launch({ name: Agent.AgentName.make("one") })
      assert.strictEqual(agent.record.status, "active")
      const { answer } = yield* agent.query("why?")
      assert.strictEqual(answer, "re: why?")
      const events = yield* Stream.runCollect(agent.stream("how?"))
      assert.deepStrictEqual(said(events), ["0 hm", "1 re: how?"])
      assert.strictEqual((yield* agent.pause()).status, "paused")
      assert.strictEqual(agent.record.status, "active")
      assert.strictEqual((yield* agent.refresh).status, "paused")
      assert.strictEqual((yield* agent.info).sandbox, "paused")
      assert.strictEqual((yield* agent.resume).status, "active")
      assert.isTrue((yield* agent.health).healthy)
      yield* agent.rename(Agent.AgentName.make("two"))
      const { labels, name } = yield* agent.label({ team: "a" })
      assert.deepStrictEqual([name, labels], ["two", { team: "a" }])
      assert.strictEqual((yield* agent.terminate).status, "terminated")
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("is made from an id or from a record, and an unknown id fails with AgentNotFound", () =>
    Effect.gen(function* () {
      const { agents } = yield* here
      const { id, record } = yield* agents.launch()
      assert.strictEqual((yield* (yield* agents.get(id)).query("a")).answer, "re: a")
      assert.strictEqual((yield* agents.of(record).query("b")).answer, "re: b")
      const { reason } = yield* Effect.flip(agents.get(yield* Id.nextAgentId))
      assert.strictEqual(reason._tag, "AgentNotFound")
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "runs commands and reads and writes files in the sandbox, and resumes it only where allowed",
    () =>
      Effect.gen(function* () {
        const agent = yield* (yield* here).agents.launch()
        assert.deepStrictEqual(yield* agent.exec({ argv: ["say", "hi"] }), {
          exitCode: 3,
          stdout: "hi",
          stderr: ""
        })
        yield* agent.files.write("work/a.txt", "text")
        assert.strictEqual(yield* agent.files.readString("work/a.txt"), "text")
        assert.deepStrictEqual(
          (yield* agent.files.list("work")).map(({ name }) => name),
          ["a.txt"]
        )
        const events = yield* Stream.runCollect(agent.spawn({ argv: ["say", "ho"] }))
        assert.deepStrictEqual(
          events.map(({ _tag }) => _tag),
          ["Started", "Stdout", "Exit"]
        )
        yield* agent.pause()
        const refused = yield* Effect.flip(agent.exec({ argv: ["say", "hi"] }, { resume: false }))
        assert.strictEqual(refused.reason._tag, "AgentPaused")
        assert.strictEqual((yield* agent.refresh).status, "paused")
        yield* agent.exec({ argv: ["say", "hi"] })
        assert.strictEqual((yield* agent.refresh).status, "active")
      }).pipe(
        Effect.provide(
          layer({
            other: (command) =>
              "argv" in command && command.argv[0] === "say"
                ? Stream.make(out(command.argv[1] ?? ""), exit(3))
                : undefined
          })
        )
      )
  )

  it.effect(
    "a file that is not there fails, and the sandbox of a running query stays connected and alive",
    () =>
      Effect.gen(function* () {
        const { agents } = yield* here
        const agent = yield* agents.launch({ ttl: "1 minute" })
        const running = yield* start(agent.query(taking(110_000)))
        const { reason } = yield* Effect.flip(agent.files.read("nothing"))
        assert(reason._tag === "SandboxFailed")
        assert.strictEqual(reason.cause.reason._tag, "FileNotFound")
        for (let minute = 0; minute < 9; minute++) yield* pass("1 minute")
        assert.strictEqual((yield* Fiber.join(running)).outcome, "ok")
      }).pipe(Effect.provide(layer()))
  )

  it.effect("keeps its sandbox alive while the scope is open", () =>
    Effect.gen(function* () {
      const { agents } = yield* here
      const agent = yield* agents.launch({ ttl: "2 minutes", persistent: false })
      const { id } = yield* agent.sandbox()
      for (let minute = 0; minute < 6; minute++) yield* pass("1 minute")
      assert.strictEqual((yield* (yield* Sandboxes.Sandboxes).info(id)).state, "running")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("an agent whose sandbox is gone is lost, whatever was asked of it", () =>
    Effect.gen(function* () {
      const { agents } = yield* here
      const agent = yield* agents.launch()
      assert(agent.record.binding !== undefined)
      yield* (yield* Sandboxes.Sandboxes).terminate(agent.record.binding.sandboxId)
      const { reason } = yield* Effect.flip(agent.files.list("."))
      assert.strictEqual(reason._tag, "AgentLost")
      assert.strictEqual((yield* agent.refresh).status, "lost")
    }).pipe(Effect.provide(layer()))
  )
})

describe("a query handle", () => {
  it.effect("follows a query that was started, and tells its result", () =>
    Effect.gen(function* () {
      const { agents, queries } = yield* here
      const agent = yield* agents.launch()
      const query = yield* agent.start(taking(1000))
      const { answer, queryId } = yield* finish(query.result)
      assert.deepStrictEqual([answer, queryId], ["re:  in 1000 millis", query.id])
      const again = yield* queries.get(query.id)
      assert.strictEqual(again.record.status, "ended")
      assert.deepStrictEqual(said(yield* Stream.runCollect(again.events(1))), ["1 re:  in 1000 millis"])
      assert.deepStrictEqual(
        (yield* Stream.runCollect(queries.list({ agentId: agent.id }))).map(({ id }) => id),
        [query.id]
      )
    }).pipe(Effect.provide(layer()))
  )

  it.effect("cancels the query, whose result is then a failure", () =>
    Effect.gen(function* () {
      const agent = yield* (yield* here).agents.launch()
      const query = yield* agent.start("why?")
      const waiting = yield* start(Effect.flip(query.result))
      assert.strictEqual((yield* finish(query.cancel("me"))).status, "ended")
      const { reason } = yield* finish(Fiber.join(waiting))
      assert(reason._tag === "QueryFailed")
      assert.strictEqual(reason.result.outcome, "aborted")
    }).pipe(Effect.provide(layer({ answer: () => hangs })))
  )

  it.effect("an unknown id fails with QueryNotFound", () =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip((yield* here).queries.get(yield* Id.nextQueryId))
      assert.strictEqual(reason._tag, "QueryNotFound")
    }).pipe(Effect.provide(layer()))
  )
})

describe("queries.ask", () => {
  it.effect("gives the result while the agent is still there, which is terminated with the scope", () =>
    Effect.gen(function* () {
      const { queries } = yield* here
      const ledger = yield* MemorySandboxes.Ledger
      yield* Effect.scoped(
        Effect.gen(function* () {
          assert.strictEqual((yield* queries.ask("why?")).answer, "re: why?")
          assert.lengthOf(yield* ledger.alive, 1)
        })
      )
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("a failure is there before the agent is terminated, too", () =>
    Effect.gen(function* () {
      const { queries } = yield* here
      const ledger = yield* MemorySandboxes.Ledger
      yield* Effect.scoped(
        Effect.gen(function* () {
          assert.strictEqual((yield* Effect.flip(queries.ask("why?"))).reason._tag, "QueryFailed")
          assert.lengthOf(yield* ledger.alive, 1)
        })
      )
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer({ answer: () => ends("error", "no") })))
  )
  it.effect("keeps no copy of its setup that only this process could find", () =>
    Effect.gen(function* () {
      const { agents, queries } = yield* here
      const ledger = yield* MemorySandboxes.Ledger
      const snapshots = Effect.map(
        ledger.calls,
        (calls) => calls.filter(({ operation }) => operation === "snapshot").length
      )
      yield* Effect.scoped(queries.ask("why?"))
      assert.strictEqual(yield* snapshots, 0)
      yield* agents.launch()
      assert.strictEqual(yield* snapshots, 1)
    }).pipe(Effect.provide(layer({ profiles: [new Profile.Profile({ ...tiny, cacheable: true })] })))
  )
})

const statuses = <E>(all: Stream.Stream<Agent.Agent, E>) =>
  Effect.map(Stream.runCollect(all), (found) =>
    Object.fromEntries(found.map(({ id, status }) => [id, status]))
  )

describe("the status of an agent whose sandbox the provider has paused", () => {
  it.effect(
    "is paused in observe and info, though the record does not say so yet, and it is not resumed",
    () =>
      Effect.gen(function* () {
        const { agents } = yield* here
        const asleep = yield* agents.launch({ persistent: true, ttl: "1 minute" })
        const awake = yield* agents.launch({ persistent: true, ttl: "1 hour" })
        yield* pass("2 minutes")
        assert.deepStrictEqual(yield* statuses(agents.observe()), {
          [asleep.id]: "paused",
          [awake.id]: "active"
        })
        assert.deepStrictEqual(yield* statuses(agents.observe({ status: "paused" })), {
          [asleep.id]: "paused"
        })
        assert.strictEqual((yield* asleep.info).agent.status, "paused")
        assert.strictEqual((yield* asleep.info).sandbox, "paused")
        assert.strictEqual((yield* awake.info).agent.status, "active")
      }).pipe(Effect.provide(layer()))
  )
})
