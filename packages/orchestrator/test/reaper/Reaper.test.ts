import { assert, describe, it } from "@effect/vitest"
import { Agent, Id, Profile, type SandboxError } from "@remote-agent/domain"
import { Reaper, StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Fiber, Layer, Stream } from "effect"
import {
  agents,
  alive,
  layerReaper,
  open,
  reap,
  recorded,
  said,
  stamped,
  terminated
} from "../support/reaperSupport.ts"
import { exit, faultAt, type Options, pass, standing, start, tiny, unreachable } from "../support/support.ts"
import { byId } from "../support/byId.ts"

const launch = Effect.flatMap(byId, (orchestrator) => orchestrator.launch())

/** A launch in a process that dies where `options` make it hang: nobody is left to clean up after it. */
const dyingLaunch = Effect.andThen(
  Effect.forkDetach(Effect.exit(launch)),
  Effect.replicateEffect(Effect.yieldNow, 300, { discard: true })
)

const hangsAt = (operation: SandboxError.Operation): Options => ({
  latency: (call) => (call.operation === operation ? "10000 days" : 0)
})

const launchingOnly =
  (at: "before" | "after"): NonNullable<Options["store"]> =>
  (store) => ({
    updateAgent: (agent) => {
      if (agent.status !== "launching") return store.updateAgent(agent)
      return at === "before" ? Effect.never : Effect.andThen(store.updateAgent(agent), Effect.never)
    }
  })

/** A process that died no longer says that it is at work. */
const dead: NonNullable<Options["intents"]> = () => ({ renew: () => Effect.never })

/** Pages of two. */
const paged = Reaper.layer.pipe(
  Layer.provideMerge(
    Layer.effect(
      Sandboxes.Sandboxes,
      Effect.map(Sandboxes.Sandboxes, (service) => ({
        ...service,
        list: (filter?: Sandboxes.Filter) => Stream.rechunk(service.list(filter), 2)
      }))
    )
  ),
  Layer.provideMerge(layerReaper())
)

const cutShort = "failed: Its launch was cut short before it had a sandbox."

interface Crash {
  readonly options: Options
  readonly done: ReadonlyArray<string>
  /** How the agent stands afterwards; an `active` one has its sandbox. */
  readonly standing: string
}

const crashes: ReadonlyArray<readonly [step: string, Crash]> = [
  [
    "after the record",
    {
      options: { intents: () => ({ open: () => Effect.never }) },
      done: ["mark-failed abandoned-launch done"],
      standing: cutShort
    }
  ],
  [
    "after the intent",
    {
      options: hangsAt("create"),
      done: ["mark-failed abandoned-launch done", "forget never-created done"],
      standing: cutShort
    }
  ],
  [
    "after the create",
    { options: hangsAt("write"), done: ["terminate abandoned-launch done"], standing: "failed: " }
  ],
  [
    "before the bind",
    {
      options: { store: launchingOnly("before") },
      done: ["terminate abandoned-launch done"],
      standing: "failed: "
    }
  ],
  [
    "after the bind",
    {
      options: { store: launchingOnly("after") },
      done: ["terminate abandoned-launch done"],
      standing: "failed: "
    }
  ],
  [
    "in the set-up",
    { options: hangsAt("spawn"), done: ["terminate abandoned-launch done"], standing: "failed: " }
  ],
  [
    "after it was active",
    {
      options: { intents: () => ({ close: () => Effect.never }) },
      done: ["forget settled done", "leave-alone bound left"],
      standing: "active"
    }
  ],
  ["never", { options: {}, done: ["leave-alone bound left"], standing: "active" }]
]

describe("Reaper.reap", () => {
  it.effect.each(crashes)(
    "puts right what a crash %s has left, once it is old enough, and nothing before",
    ([, { done, options, standing: expected }]) =>
      Effect.gen(function* () {
        yield* dyingLaunch
        const before = yield* alive
        yield* pass("9 minutes")
        for (const one of said(yield* reap())) assert.match(one, /^leave-alone .* left$/)
        assert.deepStrictEqual(yield* alive, before)
        yield* pass("4 minutes")
        assert.deepStrictEqual(said(yield* reap()).toSorted(), done.toSorted())
        const [now] = yield* standing
        assert.isTrue(now?.startsWith(expected), now)
        const [agent] = yield* agents
        assert.deepStrictEqual(yield* alive, agent?.binding === undefined ? [] : [agent.binding.sandboxId])
        assert.deepStrictEqual(yield* open, [])
        yield* reap()
        assert.deepStrictEqual(yield* standing, [now])
      }).pipe(
        Effect.provide(
          layerReaper({
            ...options,
            // The reaper that comes later is not the one that died.
            intents: (intents) => {
              const died = options.intents?.(intents)
              let closed = false
              const close = (attemptId: Id.AttemptId) => {
                const first = !closed && died?.close !== undefined
                closed = true
                return first ? Effect.never : intents.close(attemptId)
              }
              return { ...died, ...dead(intents), close }
            }
          })
        )
      )
  )

  it.effect("touches nothing of a launch that is under way, at whatever step", () =>
    Effect.gen(function* () {
      const launching = yield* start(launch)
      for (let minute = 0; launching.pollUnsafe() === undefined; minute++) {
        for (const entry of said(yield* reap({ removePaused: true })))
          assert.match(entry, /left$/, `${minute}`)
        yield* pass("1 minute")
      }
      const agent = yield* Fiber.join(launching)
      assert.strictEqual(agent.status, "active")
      assert.deepStrictEqual(yield* alive, [agent.binding?.sandboxId])
      assert.deepStrictEqual(yield* terminated, [])
    }).pipe(
      Effect.provide(
        layerReaper({
          latency: ({ operation }) => (operation === "create" || operation === "write" ? "3 minutes" : 0),
          profiles: [new Profile.Profile({ ...tiny, setup: [...tiny.setup, ...tiny.setup, ...tiny.setup] })],
          // Longer in all than any grace: it is the intent that tells that somebody is at work.
          prepare: () => Stream.fromEffect(Effect.delay(Effect.succeed(exit(0)), "290 seconds"))
        })
      )
    )
  )

  it.effect("never touches another owner's or an unstamped sandbox, and ends an orphan of its own", () =>
    Effect.gen(function* () {
      const theirs = [
        yield* stamped("other"),
        yield* stamped(undefined),
        yield* stamped("other", (yield* recorded("terminated")).id)
      ]
      const ended = [yield* stamped("me"), yield* stamped("me", (yield* recorded("failed")).id)]
      yield* pass("300 days")
      const { entries } = yield* reap({ removePaused: true })
      assert.sameMembers(
        entries.map(({ decision }) => decision.sandboxId),
        ended.map(({ id }) => id),
        "only what carries our stamp is listed at all"
      )
      assert.deepStrictEqual(yield* alive, theirs.map(({ id }) => id).toSorted())
      assert.sameMembers(
        [...(yield* terminated)],
        ended.map(({ id }) => id)
      )
    }).pipe(Effect.provide(layerReaper()))
  )

  it.effect("makes no plan of a provider that cannot be reached, or that never answers", () =>
    Effect.gen(function* () {
      yield* stamped("me")
      yield* pass("1 hour")
      const plan = Effect.flatMap(Reaper.Reaper, (reaper) => reaper.plan())
      for (const attempt of [
        Effect.asVoid(plan),
        Effect.asVoid(reap()),
        Effect.asVoid(reap({ dryRun: true }))
      ]) {
        const fiber = yield* start(Effect.flip(attempt))
        yield* pass("1 hour")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.reason._tag, "SandboxFailed")
        assert.strictEqual(error.operation, "reap")
      }
      assert.lengthOf(yield* alive, 1)
    }).pipe(
      Effect.provide(
        layerReaper({
          fault: faultAt("list", unreachable, 0),
          latency: ({ operation }) => (operation === "list" ? "3 minutes" : 0)
        })
      )
    )
  )

  it.effect("calls an agent lost when its sandbox is confirmed gone, and not before", () =>
    Effect.gen(function* () {
      const agent = yield* launch
      yield* (yield* Sandboxes.Sandboxes).terminate(agent.binding?.sandboxId ?? assert.fail())
      assert.deepStrictEqual(said(yield* reap()), ["leave-alone not-seen left"])
      assert.deepStrictEqual(yield* standing, ["active"])
      assert.deepStrictEqual(said(yield* reap()), ["mark-lost gone done"])
      const [lost] = yield* agents
      assert.strictEqual(lost?.status, "lost")
      assert.isUndefined(lost?.binding)
    }).pipe(Effect.provide(layerReaper({ fault: faultAt("info", unreachable, 0) })))
  )

  const budgets: ReadonlyArray<Reaper.Budget> = [{ pages: 1 }, { items: 1 }, { items: 3 }]

  it.effect.each(budgets)("concludes nothing from what it did not see within %o", (budget) =>
    Effect.gen(function* () {
      const agent = yield* launch
      yield* (yield* Sandboxes.Sandboxes).terminate(agent.binding?.sandboxId ?? assert.fail())
      for (let count = 0; count < 4; count++) yield* stamped("me")
      yield* pass("1 hour")
      const report = yield* reap({ budget })
      assert.isFalse(report.complete)
      assert.notInclude(said(report), "mark-lost gone done")
      assert.deepStrictEqual(yield* standing, ["active"])
      while (!(yield* reap({ budget })).complete);
      assert.deepStrictEqual(yield* alive, [])
      assert.match((yield* standing)[0] ?? "", /^lost: /)
    }).pipe(Effect.provide(paged))
  )

  it.effect("begins nothing when the time is up, and finishes it with the next pass", () =>
    Effect.gen(function* () {
      for (let count = 0; count < 5; count++) yield* stamped("me")
      yield* pass("1 hour")
      const fiber = yield* start(reap({ budget: { time: "90 seconds" }, concurrency: 2 }))
      yield* pass("10 minutes")
      const report = yield* Fiber.join(fiber)
      const outcomes = report.entries.map(({ outcome }) => outcome).toSorted()
      assert.deepStrictEqual(outcomes, ["done", "done", "done", "done", "postponed"])
      const second = yield* start(reap())
      yield* pass("10 minutes")
      yield* Fiber.join(second)
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(
      Effect.provide(
        layerReaper({ latency: ({ operation }) => (operation === "terminate" ? "1 minute" : 0) })
      )
    )
  )

  it.effect("names what has slept too long, and ends it with its agent only when asked", () =>
    Effect.gen(function* () {
      const agent = yield* launch
      yield* pass("6 days")
      assert.deepStrictEqual(said(yield* reap({ removePaused: true })), ["leave-alone bound left"])
      yield* pass("2 days")
      assert.deepStrictEqual(said(yield* reap()), ["leave-alone expired-paused left"])
      assert.deepStrictEqual(yield* alive, [agent.binding?.sandboxId])
      assert.deepStrictEqual(said(yield* reap({ removePaused: true })), ["terminate expired-paused done"])
      assert.deepStrictEqual(yield* alive, [])
      assert.match((yield* standing)[0] ?? "", /^terminated: It has been paused/)
    }).pipe(Effect.provide(layerReaper()))
  )

  it.effect("does nothing in a dry run but say what it would do", () =>
    Effect.gen(function* () {
      const { id } = yield* stamped("me")
      yield* pass("1 hour")
      const report = yield* reap({ dryRun: true })
      assert.deepStrictEqual(said(report), ["terminate unknown-agent planned"])
      assert.strictEqual(report.entries[0]?.decision.sandboxId, id)
      assert.deepStrictEqual(yield* alive, [id])
      assert.deepStrictEqual(yield* terminated, [])
    }).pipe(Effect.provide(layerReaper()))
  )

  it.effect("tells what it could not end, keeps the intent, and ends it with the next pass", () =>
    Effect.gen(function* () {
      yield* dyingLaunch
      yield* pass("15 minutes")
      const report = yield* reap()
      assert.deepStrictEqual(said(report), ["terminate abandoned-launch failed"])
      const { error } = report.entries[0] ?? {}
      assert(error?._tag === "SandboxError")
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.lengthOf(yield* open, 1)
      assert.deepStrictEqual(said(yield* reap()), ["terminate ended-agent done"])
      assert.deepStrictEqual(yield* alive, [])
      assert.deepStrictEqual(yield* open, [])
    }).pipe(
      Effect.provide(
        layerReaper({ ...hangsAt("write"), intents: dead, fault: faultAt("terminate", unreachable, 0) })
      )
    )
  )

  it.effect("lets a bind win that happens between its plan and its last look", () =>
    Effect.gen(function* () {
      const agent = yield* recorded("launching")
      const { id } = yield* stamped("me", agent.id)
      yield* pass("1 hour")
      const reaping = yield* start(reap())
      const binding = new Agent.Binding({ sandboxId: id, provider: "memory", home: MemorySandboxes.home })
      yield* (yield* StateStore.StateStore).updateAgent(new Agent.Agent({ ...agent, binding }))
      yield* pass("1 minute")
      assert.deepStrictEqual(said(yield* Fiber.join(reaping)), ["terminate abandoned-launch spared"])
      assert.deepStrictEqual(yield* alive, [id])
      assert.deepStrictEqual(yield* standing, ["launching"])
    }).pipe(
      Effect.provide(layerReaper({ latency: ({ operation }) => (operation === "info" ? "1 minute" : 0) }))
    )
  )

  it.effect("lets a bind win that happens after its last look", () => {
    let held = Id.SandboxId.make("none")
    return Effect.gen(function* () {
      const agent = yield* recorded("launching")
      const { id } = yield* stamped("me", agent.id)
      held = id
      yield* pass("1 hour")
      assert.deepStrictEqual(said(yield* reap()), ["terminate abandoned-launch spared"])
      assert.deepStrictEqual(yield* alive, [id])
      assert.deepStrictEqual(yield* standing, ["launching"])
    }).pipe(
      Effect.provide(
        layerReaper({
          store: (store) => ({
            updateAgent: (agent) =>
              Effect.gen(function* () {
                const before = yield* store.getAgent(agent.id)
                const binding = new Agent.Binding({
                  sandboxId: held,
                  provider: "memory",
                  home: MemorySandboxes.home
                })
                yield* store.updateAgent(new Agent.Agent({ ...before, binding }))
                return yield* store.updateAgent(agent)
              })
          })
        })
      )
    )
  })

  it.effect("may run twice at once", () =>
    Effect.gen(function* () {
      yield* dyingLaunch
      for (let count = 0; count < 6; count++) yield* stamped("me")
      yield* pass("1 hour")
      const both = [yield* start(reap()), yield* start(reap({ concurrency: 1 }))]
      yield* pass("10 minutes")
      const reports = yield* Effect.forEach(both, Fiber.join)
      const outcomes = new Set(reports.flatMap(({ entries }) => entries.map(({ outcome }) => outcome)))
      outcomes.delete("spared")
      assert.deepStrictEqual([...outcomes], ["done"])
      assert.deepStrictEqual(yield* alive, [])
      assert.deepStrictEqual(yield* open, [])
      assert.match((yield* standing)[0] ?? "", /^failed: /)
    }).pipe(
      Effect.provide(
        layerReaper({
          intents: dead,
          latency: ({ operation }) =>
            operation === "write" ? "10000 days" : operation === "create" ? 0 : "7 seconds"
        })
      )
    )
  )
})

describe("agents that have ended", () => {
  it.effect("are not read, however many there are, but those that a sandbox was made for", () => {
    const [filters, read] = [new Array<StateStore.AgentFilter | undefined>(), new Array<Id.AgentId>()]
    const watched: NonNullable<Options["store"]> = (store) => ({
      listAgents: (filter) => {
        filters.push(filter)
        return store.listAgents(filter)
      },
      getAgent: (id) => {
        read.push(id)
        return store.getAgent(id)
      }
    })
    return Effect.gen(function* () {
      yield* Effect.replicateEffect(recorded("terminated"), 50, { discard: true })
      const { id } = yield* recorded("terminated")
      yield* stamped("me", id)
      yield* stamped("you", (yield* recorded("terminated")).id)
      yield* pass("1 day")
      const report = yield* reap()
      assert.deepStrictEqual(said(report), ["terminate ended-agent done"])
      assert.lengthOf(yield* alive, 1)
      assert.deepStrictEqual(filters, [{ status: ["launching", "active", "paused"] }])
      // Once for the plan, and once right before it is carried out.
      assert.deepStrictEqual(read, [id, id])
    }).pipe(Effect.provide(layerReaper({ store: watched })))
  })
})
