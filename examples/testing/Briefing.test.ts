/** Tests without a network, a key or a real second: sandboxes and GitHub are in memory, and time is virtual. */
import { assert, it } from "@effect/vitest"
import { RemoteAgentConfig } from "@remote-agent/domain"
import type { GitHubModel } from "@remote-agent/github"
import { GitHubMemory } from "@remote-agent/github/testing"
import { Orchestrator } from "@remote-agent/orchestrator"
import { MemorySandboxes, type Sandbox } from "@remote-agent/sandbox"
import { DateTime, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { brief } from "./Briefing.ts"

const repo = { owner: "acme", name: "research" }

const issue: GitHubModel.Issue = {
  number: 1,
  url: "https://github.com/acme/research/issues/1",
  title: "Briefing",
  body: "",
  state: "open",
  author: "ada",
  labels: [],
  createdAt: DateTime.makeUnsafe(0),
  updatedAt: DateTime.makeUnsafe(0)
}

const Request = Schema.fromJsonString(Schema.Struct({ query: Schema.String }))

/** The agent program, scripted: it echoes, fails when it is told to, and hangs when it is told to. */
const agent = ({ stdin }: Sandbox.Command): MemorySandboxes.Program => {
  if (typeof stdin !== "string") return MemorySandboxes.answer("healthy\n")
  const { query } = Schema.decodeSync(Request)(stdin)
  if (query === "hang") return Stream.never
  const said =
    query === "fail" ? { outcome: "error", error: "no idea" } : { outcome: "ok", answer: `re: ${query}` }
  return MemorySandboxes.answer(`${JSON.stringify({ type: "result", answer: "", ...said })}\n`)
}

const layer = (options: MemorySandboxes.Options = {}) =>
  Layer.merge(
    Orchestrator.layer.pipe(
      Layer.provideMerge(MemorySandboxes.layer({ run: agent, ...options })),
      Layer.provide(RemoteAgentConfig.layerFrom({}))
    ),
    GitHubMemory.layer({ repositories: { "acme/research": { issues: [issue] } } })
  )

/** What the program wrote, and what is left of its sandboxes. */
const after = Effect.gen(function* () {
  const [ledger, calls] = [yield* MemorySandboxes.Ledger, yield* GitHubMemory.Calls]
  return { alive: (yield* ledger.alive).length, comments: yield* calls.comments(repo, 1) }
})

it.effect("comments what the agents said, and leaves no sandbox", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* brief(repo, 1, ["one?", "fail", "two?"]), 2)
    assert.deepStrictEqual(yield* after, {
      alive: 0,
      comments: ["one? re: one?\nfail (no answer)\ntwo? re: two?"]
    })
  }).pipe(Effect.provide(layer()))
)

it.effect("gives up on an agent that hangs, after five minutes of virtual time", () =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(brief(repo, 1, ["hang", "two?"]))
    // In steps: what happens in between needs time, too.
    yield* Effect.repeat(TestClock.adjust("10 seconds"), { times: 40 })
    assert.strictEqual(yield* Fiber.join(fiber), 1)
    assert.strictEqual((yield* after).alive, 0)
  }).pipe(Effect.provide(layer()))
)
