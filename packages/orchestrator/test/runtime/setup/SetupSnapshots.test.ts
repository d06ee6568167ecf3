import { assert, describe, it } from "@effect/vitest"
import { OrchestratorError, Profile, SandboxError } from "@remote-agent/domain"
import { LaunchIntents, SnapshotIndex } from "@remote-agent/orchestrator"
import { MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Fiber, Layer, Redacted, Stream } from "effect"
import * as SetupSnapshots from "../../../src/runtime/setup/SetupSnapshots.ts"
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
  start,
  tiny,
  unreachable
} from "../../support/support.ts"
import { byId } from "../../support/byId.ts"

const named = (name: string) =>
  new Profile.Profile({
    ...tiny,
    name,
    cacheable: true,
    setup: [new Profile.ProfileCommand({ argv: ["prepare", name] })]
  })

const slow = named("slow")

/** Counts the set-ups, each of which takes a minute. */
const world = (options: Options = {}) => {
  const setUps: Array<string> = []
  return {
    setUps,
    layer: layer({
      profiles: [slow],
      settings: { REMOTE_AGENT_PROFILE: "slow" },
      prepare: (_, { files, id }) => {
        setUps.push(id)
        return Stream.fromEffect(
          files.write("made", "by set-up").pipe(Effect.delay("1 minute"), Effect.as(exit(0)))
        )
      },
      ...options
    })
  }
}

const launch = Effect.flatMap(byId, (orchestrator) => orchestrator.launch())
const kept = Effect.flatMap(MemorySandboxes.Ledger, ({ snapshots }) => snapshots)
const listed = Effect.flatMap(SnapshotIndex.SnapshotIndex, ({ list }) => list)

const fault = (stage: "create" | "setup" | "health", reason: SandboxError.Reason) =>
  SetupSnapshots.isTemplateFault(
    new OrchestratorError.LaunchFailed({ stage, cause: SandboxError.fail("create", reason) })
  )

/** How many set-ups and templates two launches make. */
const twice = (options: Options, second = launch) => {
  const { layer: provided, setUps } = world(options)
  return Effect.gen(function* () {
    yield* finish(launch)
    yield* finish(second)
    return [setUps.length, (yield* kept).length]
  }).pipe(Effect.provide(provided))
}

describe("KeptSetUps, the decisions", () => {
  it("blames a template for what the provider refuses and for bad health, and for nothing else", () => {
    assert.isTrue(fault("create", new SandboxError.InvalidRequest({ detail: "no such template" })))
    assert.isTrue(fault("health", new SandboxError.Gone({})))
    const sick = new OrchestratorError.CommandFailed({ program: "check", exitCode: 1 })
    assert.isTrue(
      SetupSnapshots.isTemplateFault(new OrchestratorError.LaunchFailed({ stage: "health", cause: sick }))
    )
    assert.isFalse(fault("create", new SandboxError.QuotaExceeded({})))
    assert.isFalse(fault("create", new SandboxError.Unauthorized({})))
    assert.isFalse(fault("create", unreachable))
    assert.isFalse(fault("setup", new SandboxError.Gone({})))
  })

  it("looks for every line of a secret that is long enough to be one", () => {
    assert.deepStrictEqual(
      SetupSnapshots.needles([Redacted.make("first-line\nshort\n  second-line  "), "1", "a plain value"]),
      ["first-line", "second-line", "a plain value"]
    )
  })

  it("takes what has something to set up, however that is said", () => {
    const bare = new Profile.Profile({ ...tiny, setup: [] })
    assert.isFalse(SetupSnapshots.worthwhile(bare))
    assert.isTrue(SetupSnapshots.worthwhile(tiny))
    const source = new Profile.Source({ repository: "https://h.test/r", ref: "v1", folder: "{home}/r" })
    assert.isTrue(SetupSnapshots.worthwhile(new Profile.Profile({ ...bare, source })))
    const needs = [new Profile.Tool({ name: "git" })]
    assert.isFalse(SetupSnapshots.worthwhile(new Profile.Profile({ ...bare, needs })))
  })
})

describe("A second launch of a profile", () => {
  it.effect("starts from what the first has set up, and does not set up again", () => {
    const { layer: provided, setUps } = world()
    return Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      yield* finish(launch)
      const second = yield* launch
      assert.lengthOf(setUps, 1)
      assert.lengthOf(yield* kept, 1)
      const id = second.binding?.sandboxId
      assert(id !== undefined)
      const { sandbox } = yield* sandboxes.connect(id, "1 hour")
      assert.strictEqual(yield* sandbox.files.readString("made"), "by set-up")
    }).pipe(Effect.provide(provided))
  })

  it.effect("sets up again when the profile is another one, is not cacheable, or the setting is off", () => {
    const other = new Profile.Profile({ ...named("other"), name: "slow" })
    const not = new Profile.Profile({ ...slow, cacheable: false })
    return Effect.gen(function* () {
      const profiles = [slow, new Profile.Profile({ ...other, name: "other" })]
      const second = Effect.flatMap(byId, (all) => all.launch({ profile: "other" }))
      assert.deepStrictEqual(yield* twice({ profiles }, second), [2, 2])
      assert.deepStrictEqual(yield* twice({ profiles: [not] }), [2, 0])
      const settings = { REMOTE_AGENT_PROFILE: "slow", REMOTE_AGENT_SETUP_CACHE: "false" }
      assert.deepStrictEqual(yield* twice({ settings }), [2, 0])
    })
  })

  it.effect("sets up again after an update, and after a day", () => {
    const { layer: provided, setUps } = world()
    return Effect.gen(function* () {
      const launching = yield* start(launch)
      yield* pass("1 minute")
      const { id } = yield* Fiber.join(launching)
      const updating = yield* start(Effect.flatMap(byId, (all) => all.update(id)))
      yield* pass("1 minute")
      yield* Fiber.join(updating)
      assert.deepStrictEqual(yield* kept, [])
      assert.lengthOf(setUps, 2)
      yield* finish(launch)
      assert.lengthOf(setUps, 3)
      const [before] = yield* kept
      yield* launch
      yield* pass("1 day")
      yield* finish(launch)
      assert.lengthOf(setUps, 4)
      const after = yield* kept
      assert.lengthOf(after, 1)
      assert.notStrictEqual(after[0], before)
    }).pipe(Effect.provide(provided))
  })

  it.effect("sets up anew when the provider does not know the template any more, and keeps that", () => {
    const { layer: provided, setUps } = world()
    return Effect.gen(function* () {
      yield* finish(launch)
      const [template] = yield* kept
      assert(template !== undefined)
      yield* (yield* Sandboxes.Sandboxes).removeSnapshot(template)
      const { status } = yield* finish(launch)
      assert.strictEqual(status, "active")
      assert.lengthOf(setUps, 2)
      const templates = (yield* listed).map((entry) => entry.template)
      assert.deepStrictEqual(templates, yield* kept)
      assert.notInclude(templates, template)
      assert.deepStrictEqual(yield* Stream.runCollect((yield* LaunchIntents.LaunchIntents).list), [])
    }).pipe(Effect.provide(provided))
  })

  it.effect(
    "sets up anew in another sandbox when the one from the template is not well, and ends that one",
    () => {
      const health: Array<string> = []
      const { layer: provided, setUps } = world({
        // Only what was set up in this very sandbox is well.
        check: (_, { id }) => {
          health.push(id)
          return Stream.suspend(() => Stream.make(exit(setUps.includes(id) ? 0 : 1)))
        }
      })
      return Effect.gen(function* () {
        const first = yield* finish(launch)
        const second = yield* finish(launch)
        assert.lengthOf(health, 3)
        assert.strictEqual(second.binding?.sandboxId, health[2])
        const alive = (yield* (yield* MemorySandboxes.Ledger).alive).map(({ id }) => id)
        assert.sameMembers(alive, [first.binding?.sandboxId, second.binding?.sandboxId])
        assert.deepStrictEqual(yield* Stream.runCollect((yield* LaunchIntents.LaunchIntents).list), [])
        assert.lengthOf(yield* kept, 1)
      }).pipe(Effect.provide(provided))
    }
  )

  it.effect("keeps the template, and fails, when the provider has no room", () => {
    const { layer: provided, setUps } = world({
      fault: faultAt("create", new SandboxError.QuotaExceeded({}), 1)
    })
    return Effect.gen(function* () {
      yield* finish(launch)
      const { reason } = yield* Effect.flip(finish(launch))
      assert.strictEqual(reason._tag, "LaunchFailed")
      assert.lengthOf(yield* kept, 1)
      assert.lengthOf(setUps, 1)
    }).pipe(Effect.provide(provided))
  })
})

describe("Keeping a set-up", () => {
  it.effect("is done once when ten launch at the same time", () => {
    const { layer: provided, setUps } = world({
      latency: ({ operation }) => (operation === "snapshot" ? "30 seconds" : 0)
    })
    return Effect.gen(function* () {
      yield* finish(
        Effect.all(
          Array.from({ length: 10 }, () => launch),
          { concurrency: 10 }
        )
      )
      assert.lengthOf(setUps, 10)
      const taken = (yield* (yield* MemorySandboxes.Ledger).calls).filter(
        ({ operation }) => operation === "snapshot"
      )
      assert.lengthOf(taken, 1)
      assert.lengthOf(yield* listed, 1)
    }).pipe(Effect.provide(provided))
  })

  it.effect("is not done again by a launch that had begun before it was done", () => {
    const { layer: provided, setUps } = world()
    return Effect.gen(function* () {
      yield* start(launch)
      yield* pass("30 seconds")
      yield* finish(launch)
      assert.lengthOf(setUps, 2)
      const taken = (yield* (yield* MemorySandboxes.Ledger).calls).filter(
        ({ operation }) => operation === "snapshot"
      )
      assert.lengthOf(taken, 1)
    }).pipe(Effect.provide(provided))
  })

  it.effect("fails no launch, whatever fails: it is logged, and nothing stays behind", () => {
    const { layer: provided } = world({ fault: faultAt("snapshot", new SandboxError.NotEnoughSpace({})) })
    return Effect.gen(function* () {
      const { status } = yield* finish(launch)
      assert.strictEqual(status, "active")
      assert.deepStrictEqual(yield* listed, [])
      const { lines } = yield* Logged
      assert.isTrue(lines.some((line) => line.includes("could not be kept")))
    }).pipe(Effect.provide(Layer.merge(provided, layerLogged)))
  })

  it.effect("leaves no template and no agent when the launch is interrupted meanwhile", () => {
    const { layer: provided } = world({
      latency: ({ operation }) => (operation === "snapshot" ? "30 seconds" : 0)
    })
    return Effect.gen(function* () {
      const fiber = yield* start(launch)
      yield* pass("1 minute")
      yield* pass("10 seconds")
      const ending = yield* start(Fiber.interrupt(fiber))
      yield* finish(Fiber.join(ending))
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      // It was complete by then, and is written down: whoever launches next uses it.
      assert.deepStrictEqual(
        (yield* listed).map(({ template }) => template),
        yield* kept
      )
    }).pipe(Effect.provide(provided))
  })

  it.effect("removes the template that was used least recently when there are too many", () => {
    const all = Array.from({ length: SetupSnapshots.capacity + 1 }, (_, index) => named(`p${index}`))
    const { layer: provided } = world({ profiles: all, settings: { REMOTE_AGENT_PROFILE: "p0" } })
    return Effect.gen(function* () {
      const { launch: launchOf } = yield* byId
      for (const { name } of all.slice(0, -1)) yield* finish(launchOf({ profile: name }))
      const oldest = yield* kept
      assert.lengthOf(oldest, SetupSnapshots.capacity)
      yield* launchOf({ profile: "p0" })
      yield* finish(launchOf({ profile: all.at(-1)?.name }))
      const left = yield* kept
      assert.lengthOf(left, SetupSnapshots.capacity)
      assert.include(left, oldest[0])
      assert.notInclude(left, oldest[1])
    }).pipe(Effect.provide(provided))
  })
})

describe("The keys of a profile", () => {
  it.effect("count as present when the launch gives them, unless they are empty", () => {
    const env = [
      new Profile.EnvRule({ name: "SOME_KEY", from: ["SOME_SETTING"], secret: true, required: true })
    ]
    return Effect.gen(function* () {
      const { launch: launchWith } = yield* byId
      const { status } = yield* launchWith({ env: { SOME_KEY: Redacted.make("given") } })
      assert.strictEqual(status, "active")
      for (const given of [{}, { SOME_KEY: "" }, { SOME_SETTING: "given" }]) {
        const { reason } = yield* Effect.flip(launchWith({ env: given }))
        assert.strictEqual(reason._tag, "NotConfigured")
      }
    }).pipe(Effect.provide(layer({ profiles: [new Profile.Profile({ ...tiny, env })] })))
  })
})
