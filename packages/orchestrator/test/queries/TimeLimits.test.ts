import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { Effect, Layer, Stream } from "effect"

// A busy machine starts processes slowly; nothing here depends on how long they take.
const limit = { timeout: 120_000 }

/** A line of the runner's protocol as a shell prints it. */
const say = (value: unknown) => `echo '${JSON.stringify(value)}'`

const ready = say({ type: "ready", agent: "t", version: "1" })
const result = (outcome: string, answer: string) =>
  say({ type: "result", outcome, answer, ...(outcome === "ok" ? {} : { error: "x" }) })

/** Programs that go on without a word, and print a result of that outcome when they are told to end. */
const farewell = (outcome: string) =>
  `${ready}\ntrap '${result(outcome, "late").replaceAll("'", `'"'"'`)}; exit 1' TERM\nsleep 100 & wait\n`

const profile = (script: string, run: Readonly<Record<string, string>>) => ({
  extends: "custom",
  run: { protocol: "runner-jsonl", input: "stdin-json", ...run },
  assets: [{ path: "{run}/agent", mode: "0755", content: `#!/bin/sh\n${script}` }]
})

const idle = { idleTimeout: "2 seconds", wallTimeout: "15 minutes" }
const wall = { idleTimeout: "10 minutes", wallTimeout: "2 seconds" }

const profiles = {
  "idle-aborted": profile(farewell("aborted"), idle),
  "idle-ok": profile(farewell("ok"), idle),
  "wall-ok": profile(farewell("ok"), wall),
  "idle-after-result": profile(`${ready}\n${result("ok", "early")}\n${farewell("error")}`, {
    ...idle,
    completionGrace: "10 minutes"
  })
}

const layer = Orchestrator.layer.pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      LocalSandboxes.layer({ isolation: "none" }),
      RemoteAgentConfig.layerFrom({ REMOTE_AGENT_PROFILES: JSON.stringify(profiles) })
    )
  )
)

/** The end of a query's log: the notices and the result. */
const endOf = (name: keyof typeof profiles) =>
  Effect.gen(function* () {
    const { agents, queries } = yield* Orchestrator.Orchestrator
    const agent = yield* agents.launchScoped({ profile: name })
    const events = yield* Stream.runCollect(agent.stream("?"))
    const last = events.at(-1)
    assert(last?.event.type === "result")
    // A process that reads the log of the program later comes to the same end.
    const again = yield* queries.get(last.queryId)
    assert.deepStrictEqual((yield* Stream.runCollect(again.events())).at(-1), last)
    const { answer, limit: by, outcome } = last.event
    const notices = events.flatMap(({ event }) => (event.type === "notice" ? [event.limit] : []))
    return { answer, by, notices, outcome }
  }).pipe(Effect.scoped)

describe("a program that a time limit killed", () => {
  it.live(
    "has the limit that killed it, and what it printed after our signal is not its result",
    () =>
      Effect.gen(function* () {
        for (const [name, by] of [
          ["idle-aborted", "idle"],
          ["idle-ok", "idle"],
          ["wall-ok", "wall"]
        ] as const) {
          assert.deepStrictEqual(yield* endOf(name), { answer: "", by, notices: [], outcome: "timeout" })
        }
      }).pipe(Effect.provide(layer)),
    limit
  )

  it.live(
    "keeps the result that it gave before, with a notice",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* endOf("idle-after-result"), {
          answer: "early",
          by: undefined,
          notices: ["completion"],
          outcome: "ok"
        })
      }).pipe(Effect.provide(layer)),
    limit
  )
})
