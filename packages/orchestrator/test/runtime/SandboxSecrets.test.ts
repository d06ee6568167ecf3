import { assert, describe, it } from "@effect/vitest"
import { Profile, SandboxError } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes, type Sandbox } from "@remote-agent/sandbox"
import { Effect, Fiber, Layer, Logger, Redacted, Schema, Stream } from "effect"
import * as SandboxSecrets from "../../src/runtime/SandboxSecrets.ts"
import * as OtherProcess from "../support/otherProcess.ts"
import {
  answers,
  exit,
  layer,
  line,
  nothing,
  nothingLeft,
  out,
  pass,
  resultLine,
  start,
  tiny
} from "../support/support.ts"
import { byId } from "../support/byId.ts"

const old = "fake-key-of-before"
const now = "fake-key-of-today"
const given = "fake-key-of-a-launch"

const keyed = new Profile.Profile({
  ...tiny,
  env: [new Profile.EnvRule({ name: "A_KEY", from: ["A_SETTING"], secret: true, required: true })]
})

const printed = (env: Readonly<Record<string, string>>) =>
  Object.entries(env)
    .map(([name, value]) => `${name}=${value}\0`)
    .join("")

const isEnv = (command: Sandbox.Command) => "argv" in command && command.argv[0] === "env"

const says = ({ env }: MemorySandboxes.Machine) => `${env["A_KEY"]} and ${env["MORE"]}`

/** An agent that says its keys in all it does, in a sandbox that counts how often it was asked for its environment. */
const scene = (environment: (machine: MemorySandboxes.Machine) => MemorySandboxes.Program = tells) => {
  const asked: Array<string> = []
  return {
    asked,
    layer: layer({
      profiles: [keyed],
      settings: { A_SETTING: now },
      other: (command, machine) => {
        if (!isEnv(command)) return undefined
        asked.push(machine.id)
        return environment(machine)
      },
      answer: (text, _, machine) => {
        const thought = line({ type: "event", event: { type: "thinking", message: says(machine) } })
        const slow = Stream.concat(
          Stream.make(thought),
          Stream.fromEffect(Effect.delay(Effect.succeed(resultLine(says(machine))), "5 seconds"))
        )
        return text === "slow" ? slow : Stream.make(thought, resultLine(says(machine)))
      }
    })
  }
}

const tells = ({ env }: MemorySandboxes.Machine) => MemorySandboxes.answer(printed(env))

/** Everything that the store has. */
const stored = Effect.gen(function* () {
  const store = yield* StateStore.StateStore
  const queries = yield* Stream.runCollect(store.listQueries())
  const events = yield* Effect.forEach(queries, ({ id }) => Stream.runCollect(store.events(id, 0)))
  return JSON.stringify([yield* Stream.runCollect(store.listAgents()), queries, events])
})

const env = { A_KEY: Redacted.make(old), MORE: Redacted.make(given) }

const Name = Schema.String.check(Schema.isPattern(/^[A-Za-z_]\w{0,8}$/))

describe("what the environment of a sandbox tells", () => {
  it.effect.prop(
    "is found by its names alone, whatever the values are",
    { values: Schema.Record(Name, Schema.String) },
    ({ values }) =>
      Effect.sync(() => {
        const clean = Object.fromEntries(
          Object.entries(values).map(([name, value]) => [name, value.replaceAll("\0", "")])
        )
        const whole = printed({ FIRST: "a=b\nA_KEY=no", ...clean })
        for (const [name, value] of Object.entries(clean)) {
          assert.deepStrictEqual(SandboxSecrets.find(whole, [name])?.map(Redacted.value), [value])
        }
        assert.deepStrictEqual(SandboxSecrets.find(whole, ["NOT_THERE_AT_ALL", ""]), [])
      })
  )

  it("is nothing where it is cut or empty", () => {
    assert.isUndefined(SandboxSecrets.find("A_KEY=half", ["A_KEY"]))
    assert.isUndefined(SandboxSecrets.find("", ["A_KEY"]))
  })
})

describe("the keys that a sandbox was given", () => {
  it.effect("are struck out by the process that launched it, which asks the sandbox nothing", () => {
    const { asked, layer: made } = scene()
    return Effect.gen(function* () {
      const orchestrator = yield* byId
      const { id } = yield* orchestrator.launchScoped({ env })
      const { answer } = yield* orchestrator.query(id, "what?")
      assert.strictEqual(answer, "*** and ***")
      const all = yield* stored
      assert.notInclude(all, old)
      assert.notInclude(all, given)
      assert.deepStrictEqual(asked, [])
      assert.deepStrictEqual((yield* orchestrator.get(id)).secretVariables, ["A_KEY", "MORE"])
    }).pipe(Effect.scoped, Effect.tap(nothingLeftThere), Effect.provide(made))
  })

  it.effect("are struck out by another process too, which asks the sandbox once", () => {
    const { asked, layer: made } = scene()
    return Effect.gen(function* () {
      const { id } = yield* (yield* byId).launchScoped({ env })
      const { orchestrator } = yield* OtherProcess.make
      for (const text of ["one", "two", "three"]) {
        assert.strictEqual((yield* orchestrator.query(id, text)).answer, "*** and ***")
      }
      const all = yield* stored
      assert.notInclude(all, old)
      assert.notInclude(all, given)
      assert.lengthOf(asked, 1)
    }).pipe(Effect.scoped, Effect.provide(made))
  })

  it.effect("are struck out of a query that is taken over", () => {
    const { layer: made } = scene()
    return Effect.gen(function* () {
      const { id } = yield* (yield* byId).launchScoped({ env })
      const first = yield* OtherProcess.make
      yield* Effect.forkDetach(first.orchestrator.query(id, "slow"))
      yield* pass("1 second")
      yield* first.die
      const second = yield* OtherProcess.make
      const next = yield* start(second.orchestrator.query(id, "next"))
      yield* pass("1 minute")
      assert.strictEqual((yield* Fiber.join(next)).answer, "*** and ***")
      const all = yield* stored
      assert.include(all, '"answer":"*** and ***"')
      assert.notInclude(all, old)
      assert.notInclude(all, given)
    }).pipe(Effect.scoped, Effect.provide(made))
  })

  it.effect("are struck out where the sandbox falls asleep before it has told them", () => {
    let sleeps = 1
    const { asked, layer: made } = scene((machine) =>
      sleeps-- > 0
        ? Stream.fail(SandboxError.fail("spawn", new SandboxError.Paused({}), machine.id))
        : tells(machine)
    )
    return Effect.gen(function* () {
      const { id } = yield* (yield* byId).launchScoped({ env })
      const { orchestrator } = yield* OtherProcess.make
      assert.strictEqual((yield* orchestrator.query(id, "what?")).answer, "*** and ***")
      assert.lengthOf(asked, 2)
    }).pipe(Effect.scoped, Effect.provide(made))
  })

  it.effect(
    "are those that are set here where the sandbox tells nothing, and a warning says so without them",
    () => {
      const { asked, layer: made } = scene(() => Stream.make(out("A_KEY=half\0"), exit(125)))
      const warnings: Array<string> = []
      const logger = Logger.make(({ message }) => void warnings.push(String(message)))
      return Effect.gen(function* () {
        const { id } = yield* (yield* byId).launchScoped({
          env: { MORE: Redacted.make(given) }
        })
        const { orchestrator } = yield* OtherProcess.make
        const { answer } = yield* orchestrator.query(id, "what?")
        assert.strictEqual(answer, `*** and ${given}`)
        yield* orchestrator.query(id, "again?")
        assert.lengthOf(asked, 1)
        assert.lengthOf(warnings, 1)
        assert.include(warnings[0], "A_KEY, MORE")
        assert.notInclude(warnings.join(), "fake-key")
      }).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(made, Logger.layer([logger]))))
    }
  )

  it.effect("are not asked for where there are none", () => {
    const asked: Array<string> = []
    return Effect.gen(function* () {
      const { id } = yield* (yield* byId).launchScoped({ env: { STEPS: "20" } })
      const { orchestrator } = yield* OtherProcess.make
      assert.isTrue((yield* orchestrator.query(id, "what?")).ok)
      assert.deepStrictEqual(asked, [])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        layer({
          answer: () => answers("so"),
          other: (command) => {
            if (isEnv(command)) asked.push("env")
            return undefined
          }
        })
      )
    )
  })
})

const nothingLeftThere = Effect.flatMap(nothingLeft, (left) =>
  Effect.sync(() => assert.deepStrictEqual(left, nothing))
)
