import { assert, describe, it } from "@effect/vitest"
import { Id, AgentLifecycle, SandboxError, SandboxLabels, StateStoreError } from "@remote-agent/domain"
import { LaunchIntents, StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes } from "@remote-agent/sandbox"
import { Effect, Fiber, Option, Stream } from "effect"
import { cases } from "../support/intentsCases.ts"
import {
  exit,
  faultAt,
  finish,
  layer,
  layerLogged,
  Logged,
  nothing,
  nothingLeft,
  type Options,
  pass,
  standing,
  start,
  unreachable
} from "../support/support.ts"
import { byId } from "../support/byId.ts"

const launch = Effect.flatMap(byId, (orchestrator) => orchestrator.launch())
const open = Effect.flatMap(LaunchIntents.LaunchIntents, ({ list }) => Stream.runCollect(list))

const broken = new StateStoreError.StateStoreError({
  operation: "test",
  reason: new StateStoreError.LogClosed({ id: "broken" })
})

describe("Intents.layerMemory", () => {
  it.effect.each(cases.map((one) => [one.name, one] as const))("%s", ([, { run }]) =>
    Effect.provide(run, LaunchIntents.layerMemory)
  )
})

describe("A launch", () => {
  it.effect(
    "stamps its sandbox with the owner, the agent, and the attempt that its intent named before",
    () => {
      const events: Array<string> = []
      const tell = (event: string) => Effect.sync(() => events.push(event))
      return Effect.gen(function* () {
        const agent = yield* launch
        const [info] = yield* (yield* MemorySandboxes.Ledger).alive
        const stamp = Option.getOrThrow(SandboxLabels.read(info?.metadata ?? {}))
        assert.strictEqual(stamp.owner, "me")
        assert.strictEqual(stamp.agentId, agent.id)
        assert.deepStrictEqual(events, [
          "record",
          `open ${stamp.attemptId} ${agent.id} me memory`,
          "create",
          "bind",
          `close ${stamp.attemptId}`
        ])
        assert.deepStrictEqual(yield* open, [])
      }).pipe(
        Effect.provide(
          layer({
            settings: { REMOTE_AGENT_OWNER: "me" },
            store: (store) => ({
              createAgent: (agent) => Effect.tap(store.createAgent(agent), tell("record")),
              updateAgent: (agent) =>
                Effect.tap(
                  store.updateAgent(agent),
                  agent.status === "launching" ? tell("bind") : Effect.void
                )
            }),
            intents: (intents) => ({
              open: (intent) =>
                Effect.tap(
                  intents.open(intent),
                  tell(`open ${intent.attemptId} ${intent.agentId} ${intent.owner} ${intent.provider}`)
                ),
              close: (attemptId) => Effect.tap(intents.close(attemptId), tell(`close ${attemptId}`))
            }),
            fault: ({ operation }) => {
              if (operation === "create") events.push("create")
              return undefined
            }
          })
        )
      )
    }
  )

  const settled: ReadonlyArray<readonly [name: string, options: Options]> = [
    ["a create that made nothing", { fault: faultAt("create", new SandboxError.QuotaExceeded({})) }],
    ["a sandbox that could not be furnished", { fault: faultAt("write", unreachable) }],
    ["a set-up that failed", { prepare: () => Stream.make(exit(3)) }]
  ]

  it.effect.each(settled)("closes its intent after %s", ([, options]) =>
    Effect.gen(function* () {
      yield* Effect.flip(launch)
      assert.deepStrictEqual(yield* open, [])
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer(options)))
  )

  const unsettled: ReadonlyArray<readonly [name: string, options: Options]> = [
    ["a create of which nobody knows what became", { fault: faultAt("create", unreachable) }],
    [
      "a sandbox that could not be ended",
      {
        fault: ({ operation }) =>
          operation === "write" || operation === "terminate" ? unreachable : undefined
      }
    ]
  ]

  it.effect.each(unsettled)("keeps its intent open after %s", ([, options]) =>
    Effect.gen(function* () {
      yield* Effect.flip(launch)
      const [agent] = yield* Stream.runCollect((yield* byId).list())
      assert.deepStrictEqual(
        (yield* open).map(({ agentId }) => agentId),
        agent === undefined ? [] : [agent.id]
      )
    }).pipe(Effect.provide([layer(options), layerLogged]))
  )

  it.effect("creates nothing when the intent cannot be written, and names the stage", () =>
    Effect.gen(function* () {
      const { message, reason } = yield* Effect.flip(launch)
      assert(reason._tag === "LaunchFailed")
      assert.strictEqual(reason.stage, "intent")
      assert.deepStrictEqual(yield* (yield* MemorySandboxes.Ledger).calls, [])
      assert.deepStrictEqual(yield* standing, [`failed: ${message}`])
    }).pipe(Effect.provide(layer({ intents: () => ({ open: () => Effect.fail(broken) }) })))
  )

  it.effect("succeeds when its intent cannot be closed, and says so in the log", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* launch).status, "active")
      assert.include((yield* Logged).lines[0], "Warn A launch intent could not be closed")
    }).pipe(Effect.provide([layer({ intents: () => ({ close: () => Effect.fail(broken) }) }), layerLogged]))
  )

  it.effect("closes its intent when it is interrupted", () =>
    Effect.gen(function* () {
      const launching = yield* start(launch)
      yield* pass("10 seconds")
      assert.lengthOf(yield* open, 1)
      yield* finish(Fiber.interrupt(launching))
      assert.deepStrictEqual(yield* open, [])
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer({ latency: ({ operation }) => (operation === "write" ? "1 minute" : 0) })))
  )

  it.effect.each(
    AgentLifecycle.AgentStatus.literals.filter((status) => status === "failed" || status === "lost")
  )("does not bind an agent that was called %s in the meantime, and leaves nothing", (status) =>
    Effect.gen(function* () {
      const launching = yield* start(Effect.flip(launch))
      const store = yield* StateStore.StateStore
      const [agent] = yield* Stream.runCollect(store.listAgents())
      const id = agent?.id ?? (yield* Id.nextAgentId)
      yield* store.updateAgent({ ...(yield* store.getAgent(id)), status })
      yield* pass("1 hour")
      const { reason } = yield* Fiber.join(launching)
      assert(reason._tag === "LaunchFailed")
      assert.strictEqual(reason.stage, "bind")
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      assert.strictEqual((yield* store.getAgent(id)).status, status)
    }).pipe(Effect.provide(layer({ latency: ({ operation }) => (operation === "write" ? "1 minute" : 0) })))
  )
})
