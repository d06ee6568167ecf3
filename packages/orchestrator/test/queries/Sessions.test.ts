import { assert, describe, it } from "@effect/vitest"
import { Profile } from "@remote-agent/domain"
import { type AgentHandle, Orchestrator } from "@remote-agent/orchestrator"
import { type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Schema, Stream } from "effect"
import { exit, layer as layerOf, line, pass, tiny } from "../support/support.ts"

/** An agent with session ids of its own, which it is told to continue by `--resume`. */
const coder = new Profile.Profile({
  ...tiny,
  name: "coder",
  run: new Profile.RunSpec({ ...tiny.run, resumeArgv: ["--resume", "{session}"] }),
  session: new Profile.SessionSpec({ kind: "agent-id", files: ["{home}/.coder"] })
})

/** An agent whose runner keeps conversations in files, under our names for them. */
const keeper = new Profile.Profile({
  ...tiny,
  name: "keeper",
  session: new Profile.SessionSpec({ kind: "runner-file", files: ["{work}/.keeper"] })
})

const resumedBy = (command: Sandbox.Command): string | undefined =>
  "argv" in command && command.argv.includes("--resume") ? command.argv.at(-1) : undefined

const thought = line({ type: "event", event: { type: "thinking", message: "hm" } })
const session = (id: string) => line({ type: "session", sessionId: id })
const answered = (sessionId?: string) =>
  line({ type: "result", outcome: "ok", answer: "42", ...(sessionId === undefined ? {} : { sessionId }) })

/** Runs the coder, which makes a new id for every conversation and refuses ids that it does not know. */
const coding = (resumed: Array<string | undefined>) => {
  const known = new Set<string>()
  const made: Array<string> = []
  const layer = layerOf({
    profiles: [coder],
    settings: { REMOTE_AGENT_PROFILE: "coder" },
    answer: (text, command) => {
      const asked = resumedBy(command)
      resumed.push(asked)
      if (asked !== undefined && !known.has(asked)) return Stream.make(exit(1))
      const id = asked ?? `own-${made.length}`
      if (asked === undefined) made.push(id)
      // Names its session, and dies before the conversation is on its disk.
      if (text === "die") return Stream.make(session(id), exit(1))
      known.add(id)
      return Stream.make(session(id), thought, answered(id), exit(0))
    }
  })
  return { known, layer }
}

/** Queries are told apart by when they were made. */
const query = (agent: AgentHandle.AgentHandle, ...asked: Parameters<AgentHandle.AgentHandle["query"]>) =>
  Effect.tap(agent.query(...asked), pass("1 second"))

describe("the conversation of a query", () => {
  it.effect("is its own without a session; `continue` goes on with the last one", () => {
    const resumed: Array<string | undefined> = []
    const { layer } = coding(resumed)
    return Effect.gen(function* () {
      const agent = yield* (yield* Orchestrator.Orchestrator).agents.launch()
      yield* query(agent, "one")
      yield* query(agent, "two")
      yield* query(agent, "three", { continue: true })
      yield* query(agent, "four", { session: "apple" })
      yield* query(agent, "five", { continue: true })
      yield* query(agent, "six", { session: "apple", newSession: true })
      assert.deepStrictEqual(resumed, [undefined, undefined, "own-1", undefined, "own-2", undefined])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is started when there is none to continue", () => {
    const resumed: Array<string | undefined> = []
    const { layer } = coding(resumed)
    return Effect.gen(function* () {
      const agent = yield* (yield* Orchestrator.Orchestrator).agents.launch()
      yield* query(agent, "one", { continue: true })
      yield* query(agent, "two", { continue: true })
      assert.deepStrictEqual(resumed, [undefined, "own-0"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not shared by the queries of a pool", () => {
    const resumed: Array<string | undefined> = []
    const { layer } = coding(resumed)
    return Effect.gen(function* () {
      const pool = yield* (yield* Orchestrator.Orchestrator).pools.open({ size: 1 })
      yield* Stream.runDrain(pool.query(["a", "b", "c"]))
      assert.deepStrictEqual(resumed, [undefined, undefined, undefined])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("is not continued in a sandbox that took the place of the one with its files", () => {
    const resumed: Array<string | undefined> = []
    const { known, layer } = coding(resumed)
    return Effect.gen(function* () {
      const { agents } = yield* Orchestrator.Orchestrator
      const agent = yield* agents.launch()
      yield* query(agent, "one", { session: "apple" })
      assert(agent.record.binding !== undefined)
      yield* (yield* Sandboxes.Sandboxes).terminate(agent.record.binding.sandboxId)
      known.clear()
      yield* Effect.flip(agent.files.list("."))
      const { answer } = yield* query(agent, "two", { session: "apple", replace: true })
      assert.strictEqual(answer, "42")
      assert.deepStrictEqual(resumed, [undefined, undefined])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not continued when its program died before it could keep it", () => {
    const resumed: Array<string | undefined> = []
    const { layer } = coding(resumed)
    return Effect.gen(function* () {
      const agent = yield* (yield* Orchestrator.Orchestrator).agents.launch()
      yield* Effect.flip(query(agent, "die", { session: "apple" }))
      yield* query(agent, "two", { session: "apple" })
      assert.deepStrictEqual(resumed, [undefined, undefined])
    }).pipe(Effect.provide(layer))
  })

  it.effect("starts over after its program refused once to continue it", () => {
    const resumed: Array<string | undefined> = []
    const { known, layer } = coding(resumed)
    return Effect.gen(function* () {
      const agent = yield* (yield* Orchestrator.Orchestrator).agents.launch()
      yield* query(agent, "one", { session: "apple" })
      known.clear()
      yield* Effect.flip(query(agent, "two", { session: "apple" }))
      yield* query(agent, "three", { session: "apple" })
      assert.deepStrictEqual(resumed, [undefined, "own-0", undefined])
    }).pipe(Effect.provide(layer))
  })

  const Request = Schema.fromJsonString(
    Schema.Struct({
      session: Schema.optionalKey(Schema.String),
      newSession: Schema.optionalKey(Schema.Boolean)
    })
  )

  it.effect("follows the same rule with a runner that keeps it in a file", () => {
    const asked: Array<unknown> = []
    return Effect.gen(function* () {
      const agent = yield* (yield* Orchestrator.Orchestrator).agents.launch()
      yield* query(agent, "one")
      yield* query(agent, "two", { continue: true })
      yield* query(agent, "three", { session: "apple" })
      assert.deepStrictEqual(asked, [
        { session: "default", newSession: true },
        { session: "default" },
        { session: "apple" }
      ])
    }).pipe(
      Effect.provide(
        layerOf({
          profiles: [keeper],
          settings: { REMOTE_AGENT_PROFILE: "keeper" },
          answer: (_, { stdin }) => {
            asked.push(Schema.decodeUnknownSync(Request)(stdin))
            return Stream.make(answered(), exit(0))
          }
        })
      )
    )
  })
})
