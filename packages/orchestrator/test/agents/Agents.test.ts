import { assert, describe, it } from "@effect/vitest"
import {
  Agent,
  Id,
  Profile,
  SandboxError,
  SandboxLabels,
  StateStoreError,
  TokenUsage
} from "@remote-agent/domain"
import { type StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { DateTime, Duration, Effect, Fiber, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
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
  tiny,
  unreachable
} from "../support/support.ts"
import { byId } from "../support/byId.ts"

const storeFailure = new StateStoreError.StateStoreError({
  operation: "test",
  reason: new StateStoreError.LogClosed({ id: "broken" })
})

type Store = StateStore.StateStore["Service"]

/** A store whose writes of a launch go through `at`. */
const stored =
  (
    stage: "bind" | "activate",
    at: (write: ReturnType<Store["updateAgent"]>) => ReturnType<Store["updateAgent"]>
  ): NonNullable<Options["store"]> =>
  (store) => ({
    updateAgent: (agent) => {
      const of = agent.status === "active" ? "activate" : agent.status === "launching" ? "bind" : undefined
      const write = store.updateAgent(agent)
      return of === stage ? at(write) : write
    }
  })

const ends = (exitCode: number) => () => Stream.make(exit(exitCode))
const never = () => Stream.never

const launch = Effect.flatMap(byId, (orchestrator) => orchestrator.launch())
const sandboxIdOf = (agent: Agent.Agent) => agent.binding?.sandboxId ?? Id.SandboxId.make("none")

/** Holds an agent of a scope for so long. */
const held = (duration: Duration.Input) =>
  Effect.scoped(
    Effect.gen(function* () {
      const agent = yield* (yield* byId).launchScoped()
      yield* Effect.sleep(duration)
      return agent
    })
  )

describe("Orchestrator.launch", () => {
  it.effect("makes an active agent that is bound to its sandbox, and records it", () => {
    const seen: Array<Readonly<Record<string, string>>> = []
    const prepare = (_: Sandbox.Command, { env }: MemorySandboxes.Machine) => {
      seen.push(env)
      return Stream.make(exit(0))
    }
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const agent = yield* orchestrator.launch({
        name: Agent.AgentName.make("ada"),
        env: { A_KEY: Redacted.make("secret"), PLAIN: "1" }
      })
      const [info] = yield* (yield* MemorySandboxes.Ledger).alive
      assert.deepStrictEqual(
        { ...agent },
        {
          id: agent.id,
          name: Agent.AgentName.make("ada"),
          profile: "tiny",
          status: "active",
          binding: new Agent.Binding({
            sandboxId: sandboxIdOf(agent),
            provider: "memory",
            home: MemorySandboxes.home
          }),
          labels: {},
          persistent: true,
          secretVariables: ["A_KEY"],
          usage: TokenUsage.zero,
          revision: agent.revision,
          queryCount: 0,
          createdAt: agent.createdAt,
          updatedAt: agent.updatedAt
        }
      )
      assert.strictEqual(info?.id, sandboxIdOf(agent))
      const { [SandboxLabels.attemptKey]: attempt, ...metadata } = info?.metadata ?? {}
      assert.match(attempt ?? "", /^att_/)
      assert.deepStrictEqual(metadata, {
        [SandboxLabels.ownerKey]: "me",
        [SandboxLabels.agentKey]: agent.id,
        [SandboxLabels.profileKey]: "tiny"
      })
      assert.deepStrictEqual(yield* orchestrator.get(agent.id), agent)
      assert.deepStrictEqual(seen, [{ HOME: MemorySandboxes.home, A_KEY: "secret", PLAIN: "1" }])
    }).pipe(Effect.provide(layer({ prepare, settings: { REMOTE_AGENT_OWNER: "me" } })))
  })

  it.effect("names an agent after its profile when nobody does", () =>
    Effect.gen(function* () {
      assert.match((yield* launch).name, /^tiny-.{6}$/)
    }).pipe(Effect.provide(layer()))
  )

  const failing: ReadonlyArray<readonly [stage: string, options: Options]> = [
    ["record", { store: () => ({ createAgent: () => Effect.fail(storeFailure) }) }],
    ["create", { fault: faultAt("create", new SandboxError.QuotaExceeded({})) }],
    ["assets", { fault: faultAt("write", new SandboxError.NotEnoughSpace({})) }],
    ["bind", { store: stored("bind", () => Effect.fail(storeFailure)) }],
    ["setup", { prepare: ends(3) }],
    ["setup", { fault: faultAt("spawn", unreachable, 0) }],
    ["health", { check: ends(4) }],
    ["health", { fault: faultAt("spawn", new SandboxError.ProviderFailed({ status: 500 }), 1) }],
    ["activate", { store: stored("activate", () => Effect.fail(storeFailure)) }]
  ]

  it.effect.each(failing)(
    "that fails at %s names the stage, leaves no sandbox and says why",
    ([stage, options]) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(launch)
        assert(error.reason._tag === "LaunchFailed")
        assert.strictEqual(error.operation, "launch")
        assert.strictEqual(error.reason.stage, stage)
        assert.deepStrictEqual(yield* nothingLeft, nothing)
        assert.deepStrictEqual(yield* standing, stage === "record" ? [] : [`failed: ${error.message}`])
        const agents = yield* Stream.runCollect((yield* byId).list())
        assert.isFalse(agents.some(({ binding }) => binding !== undefined))
      }).pipe(Effect.provide(layer(options)))
  )

  const slow: ReadonlyArray<readonly [stage: string, options: Options]> = [
    [
      "record",
      { store: (store) => ({ createAgent: (agent) => Effect.delay(store.createAgent(agent), "1 second") }) }
    ],
    ["create", { latency: ({ operation }) => (operation === "create" ? "1 second" : 0) }],
    ["assets", { latency: ({ operation }) => (operation === "write" ? "1 second" : 0) }],
    ["bind", { store: stored("bind", Effect.delay("1 second")) }],
    ["setup", { prepare: never }],
    ["health", { check: never }],
    ["activate, not yet written", { store: stored("activate", Effect.delay("1 second")) }],
    [
      "activate, written already",
      {
        store: stored(
          "activate",
          Effect.tap(() => Effect.sleep("1 second"))
        )
      }
    ]
  ]

  it.effect.each(slow)(
    "that is interrupted at %s leaves no sandbox and an agent that failed",
    ([, options]) =>
      Effect.gen(function* () {
        const launching = yield* start(launch)
        yield* pass("500 millis")
        assert.isUndefined(launching.pollUnsafe())
        yield* finish(Fiber.interrupt(launching))
        assert.deepStrictEqual(yield* nothingLeft, nothing)
        assert.deepStrictEqual(yield* standing, ["failed: The launch was interrupted."])
      }).pipe(Effect.provide(layer(options)))
  )

  it.effect(
    "says so in the log when it cannot end the sandbox of a failed launch, and keeps hold of it",
    () =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        const error = yield* Effect.flip(orchestrator.launch())
        assert.strictEqual(error.reason._tag, "LaunchFailed")
        assert.strictEqual((yield* nothingLeft).alive, 1)
        const [line] = (yield* Logged).lines
        assert.include(line, "Error A launch failed, and its sandbox may still be running")
        const [agent] = yield* Stream.runCollect(orchestrator.list())
        assert(agent !== undefined)
        assert.strictEqual(agent.status, "failed")
        assert.strictEqual((yield* orchestrator.terminate(agent.id)).status, "terminated")
        assert.deepStrictEqual(yield* nothingLeft, nothing)
      }).pipe(
        Effect.provide([
          layer({ prepare: ends(3), fault: faultAt("terminate", unreachable, 0) }),
          layerLogged
        ])
      )
  )

  it.effect("refuses a profile that needs isolation where there is none, before anything is done", () =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(launch)
      assert(reason._tag === "IsolationRequired")
      assert.strictEqual(reason.profile, "tiny")
      assert.deepStrictEqual(yield* (yield* MemorySandboxes.Ledger).calls, [])
      assert.deepStrictEqual(yield* standing, [])
    }).pipe(Effect.provide(layer({ isolation: "missing" })))
  )

  it.effect("runs a trusted profile without isolation, and any where the user waived it", () =>
    Effect.gen(function* () {
      const trusted = new Profile.Profile({ ...tiny, trusted: true })
      for (const options of [
        { isolation: "missing", profiles: [trusted] },
        { isolation: "waived" }
      ] satisfies ReadonlyArray<Options>) {
        assert.strictEqual((yield* Effect.provide(launch, layer(options))).status, "active")
      }
    })
  )

  it.effect("refuses a profile that is not known and names those that are", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { message, reason } = yield* Effect.flip(orchestrator.launch({ profile: "dexter" }))
      assert(reason._tag === "UnknownProfile")
      assert.deepStrictEqual(reason.known, ["tiny"])
      assert.include(message, "tiny")
      assert.deepStrictEqual(yield* (yield* MemorySandboxes.Ledger).calls, [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("refuses a life that is longer than the longest allowed, before anything is done", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { reason } = yield* Effect.flip(orchestrator.launch({ ttl: "2 hours" }))
      assert(reason._tag === "LaunchFailed")
      assert(reason.cause._tag === "SandboxError")
      assert.strictEqual(reason.cause.reason._tag, "InvalidRequest")
      assert.include(reason.cause.message, "E2B_MAX_TIMEOUT")
      assert.deepStrictEqual(yield* (yield* MemorySandboxes.Ledger).calls, [])
      assert.deepStrictEqual(yield* standing, [])
    }).pipe(Effect.provide(layer({ settings: { E2B_MAX_TIMEOUT: "3600" } })))
  )

  it.effect("ends at the end of its life: it pauses with E2B_AUTO_PAUSE and dies without", () =>
    Effect.gen(function* () {
      for (const pauses of [true, false]) {
        yield* Effect.gen(function* () {
          const { alive } = yield* MemorySandboxes.Ledger
          yield* launch
          yield* pass("59 seconds")
          assert.deepStrictEqual(
            (yield* alive).map(({ state }) => state),
            ["running"]
          )
          yield* pass("1 second")
          assert.deepStrictEqual(
            (yield* alive).map(({ state }) => state),
            pauses ? ["paused"] : []
          )
        }).pipe(
          Effect.provide(layer({ settings: { E2B_DEFAULT_TIMEOUT: "60", E2B_AUTO_PAUSE: String(pauses) } }))
        )
      }
    })
  )
})

describe("Orchestrator.terminate", () => {
  it.effect("ends the sandbox and may be repeated", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* orchestrator.launch()
      for (let times = 0; times < 2; times++) {
        const agent = yield* orchestrator.terminate(id)
        assert.strictEqual(agent.status, "terminated")
        assert.isUndefined(agent.binding)
        assert.deepStrictEqual(yield* nothingLeft, nothing)
      }
    }).pipe(Effect.provide(layer()))
  )

  it.effect("succeeds when the sandbox is gone already", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const agent = yield* orchestrator.launch()
      yield* (yield* Sandboxes.Sandboxes).terminate(sandboxIdOf(agent))
      assert.strictEqual((yield* orchestrator.terminate(agent.id)).status, "terminated")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("fails and changes nothing when the provider cannot be reached", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const agent = yield* orchestrator.launch()
      const error = yield* Effect.flip(orchestrator.terminate(agent.id))
      assert.strictEqual(error.reason._tag, "SandboxFailed")
      assert.strictEqual(error.operation, "terminate")
      assert.isTrue(error.isRetryable)
      // But for the note that somebody wants its end: whether that came about, nobody knows.
      const { endRequestedAt, revision, ...kept } = yield* orchestrator.get(agent.id)
      assert.isDefined(endRequestedAt)
      assert.deepStrictEqual({ ...kept, revision: revision - 1 }, { ...agent })
      yield* orchestrator.terminate(agent.id)
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer({ fault: faultAt("terminate", unreachable, 0) })))
  )

  it.effect("says which agent there is none of", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const id = yield* Id.nextAgentId
      const errors = [
        yield* Effect.flip(orchestrator.terminate(id)),
        yield* Effect.flip(orchestrator.get(id)),
        yield* Effect.flip(orchestrator.query(id, "why?"))
      ]
      for (const { reason } of errors) {
        assert(reason._tag === "AgentNotFound")
        assert.strictEqual(reason.id, id)
      }
    }).pipe(Effect.provide(layer()))
  )

  const inLaunch: ReadonlyArray<readonly [stage: string, options: Options]> = [
    ["created", { latency: ({ operation }) => (operation === "create" ? "1 minute" : 0) }],
    ["furnished", { latency: ({ operation }) => (operation === "write" ? "1 minute" : 0) }],
    ["set up", { prepare: () => Stream.fromEffect(Effect.delay(Effect.succeed(exit(0)), "1 minute")) }],
    ["checked", { check: () => Stream.fromEffect(Effect.delay(Effect.succeed(exit(0)), "1 minute")) }],
    ["activated", { store: stored("activate", Effect.delay("1 minute")) }]
  ]

  it.effect.each(inLaunch)(
    "of an agent that is being %s makes the launch fail and leaves nothing",
    ([, options]) =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        const launching = yield* start(Effect.flip(orchestrator.launch()))
        const [agent] = yield* Stream.runCollect(orchestrator.list())
        assert(agent?.status === "launching")
        yield* orchestrator.terminate(agent.id)
        yield* pass("1 hour")
        assert.strictEqual((yield* Fiber.join(launching)).reason._tag, "LaunchFailed")
        assert.deepStrictEqual(yield* nothingLeft, nothing)
        assert.deepStrictEqual(yield* standing, ["terminated"])
      }).pipe(Effect.provide(layer(options)))
  )
})

describe("Orchestrator.list", () => {
  it.effect("gives every agent there is a record of, oldest first", () =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const ids: Array<Id.AgentId> = []
      for (let count = 0; count < 4; count++) {
        ids.push((yield* orchestrator.launch()).id)
        yield* pass("1 second")
      }
      yield* Effect.forEach(ids.slice(0, 2), (id) => orchestrator.terminate(id))
      const agents = yield* Stream.runCollect(orchestrator.list())
      assert.deepStrictEqual(
        agents.map(({ id }) => id),
        ids
      )
      assert.deepStrictEqual(yield* standing, ["terminated", "terminated", "active", "active"])
    }).pipe(Effect.provide(layer()))
  )
})

describe("Orchestrator.launchScoped", () => {
  it.effect("holds an agent for hours on a life of minutes, and ends it with its scope", () =>
    Effect.gen(function* () {
      const { alive } = yield* MemorySandboxes.Ledger
      const fiber = yield* start(held("5 hours"))
      for (let minutes = 0; minutes < 5 * 60 - 1; minutes++) {
        yield* TestClock.adjust("1 minute")
        const [info] = yield* alive
        assert(info !== undefined)
        const left = DateTime.distance(yield* DateTime.now, info.endsAt)
        assert.isTrue(Duration.isGreaterThan(left, Duration.minutes(1)), "has some life left")
        assert.isTrue(Duration.isLessThanOrEqualTo(left, Duration.minutes(3)), "has a short life")
      }
      yield* pass("1 minute")
      const agent = yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      assert.deepStrictEqual(yield* standing, ["terminated"])
      assert.strictEqual(agent.status, "active")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("holds an agent whose set-up takes longer than its short life", () =>
    Effect.gen(function* () {
      const agent = yield* finish(held("1 hour"))
      assert.strictEqual(agent.status, "active")
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(
      Effect.provide(
        layer({
          prepare: () => Stream.fromEffect(Effect.delay(Effect.succeed(exit(0)), "4 minutes"))
        })
      )
    )
  )

  it.effect("gives it the life that was asked for, again and again", () =>
    Effect.gen(function* () {
      const { alive } = yield* MemorySandboxes.Ledger
      const orchestrator = yield* byId
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* orchestrator.launchScoped({ ttl: "1 hour" })
          yield* pass("59 minutes")
          const [info] = yield* alive
          assert(info !== undefined)
          const left = DateTime.distance(yield* DateTime.now, info.endsAt)
          assert.isTrue(Duration.isGreaterThanOrEqualTo(left, Duration.minutes(40)))
        })
      )
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("takes a shorter life where the longest allowed is shorter than ours", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* finish(held("10 minutes"))).status, "active")
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer({ settings: { E2B_MAX_TIMEOUT: "60", E2B_DEFAULT_TIMEOUT: "60" } })))
  )

  it.effect("logs a life that cannot be extended and goes on; the provider ends the sandbox then", () =>
    Effect.gen(function* () {
      const { alive } = yield* MemorySandboxes.Ledger
      yield* start(held("1 hour"))
      yield* pass("2 minutes")
      assert.lengthOf(yield* alive, 1)
      yield* pass("10 minutes")
      assert.lengthOf(yield* alive, 0)
      assert.include((yield* Logged).lines[0], "Warn The ttl of a sandbox could not be extended")
    }).pipe(Effect.provide([layer({ fault: faultAt("extend", unreachable) }), layerLogged]))
  )

  it.effect("stops extending the life of a sandbox that is gone", () =>
    Effect.gen(function* () {
      const ledger = yield* MemorySandboxes.Ledger
      const orchestrator = yield* byId
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { id } = yield* orchestrator.launchScoped()
          yield* orchestrator.terminate(id)
          yield* pass("10 minutes")
          const before = (yield* ledger.calls).length
          yield* pass("1 hour")
          assert.lengthOf(yield* ledger.calls, before)
        })
      )
      assert.deepStrictEqual((yield* Logged).lines, [])
    }).pipe(Effect.provide([layer(), layerLogged]))
  )

  it.effect("leaves the record of a launch that failed as it is", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(held("1 hour"))
      assert.deepStrictEqual(yield* standing, [`failed: ${error.message}`])
    }).pipe(Effect.provide(layer({ check: ends(4) })))
  )

  it.effect("logs a sandbox that it cannot end, and lets the provider end it soon", () =>
    Effect.gen(function* () {
      yield* finish(held("1 minute"))
      assert.include((yield* Logged).lines[0], "Error The sandbox of an agent may still be running")
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide([layer({ fault: faultAt("terminate", unreachable) }), layerLogged]))
  )

  it.effect.each(["create", "write", "spawn"] as const)("leaves nothing when it is interrupted in %s", (at) =>
    Effect.gen(function* () {
      const fiber = yield* start(held("1 hour"))
      yield* pass("30 seconds")
      yield* finish(Fiber.interrupt(fiber))
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      assert.deepStrictEqual(yield* standing, ["failed: The launch was interrupted."])
    }).pipe(Effect.provide(layer({ latency: ({ operation }) => (operation === at ? "1 minute" : 0) })))
  )
})
