/** Tests without a network, a key or real time: sandboxes and GitHub are in memory, and time is virtual. */
import { assert, it } from "@effect/vitest"
import type { GitHubModel } from "@remote-agent/github"
import { DateTime, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { layer as remoteAgentLayer, MemorySandboxes, type Sandbox } from "remote-agent/memory"
import { GitHubMemory } from "remote-agent/testing"
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

/** The agent's program, scripted: it echoes the query, fails on `fail` and hangs on `hang`. */
const agent = ({ stdin }: Sandbox.Command): MemorySandboxes.Program => {
  if (typeof stdin !== "string") return MemorySandboxes.answer("healthy\n")
  const { query } = Schema.decodeSync(Request)(stdin)
  if (query === "hang") return Stream.never
  const result =
    query === "fail" ? { outcome: "error", error: "no idea" } : { outcome: "ok", answer: `re: ${query}` }
  return MemorySandboxes.answer(`${JSON.stringify({ type: "result", answer: "", ...result })}\n`)
}

const layer = (options: MemorySandboxes.Options = {}) =>
  Layer.merge(
    remoteAgentLayer({ run: agent, ...options }),
    GitHubMemory.layer({ repositories: { "acme/research": { issues: [issue] } } })
  )

/** The comments that the program wrote, and the number of its sandboxes that are still running. */
const after = Effect.gen(function* () {
  const [ledger, calls] = [yield* MemorySandboxes.Ledger, yield* GitHubMemory.Calls]
  return { alive: (yield* ledger.alive).length, comments: yield* calls.comments(repo, 1) }
})

it.effect("posts the answers as a comment, and leaves no sandbox", () =>
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
    // In steps, so that other fibers run in between.
    yield* Effect.repeat(TestClock.adjust("10 seconds"), { times: 40 })
    assert.strictEqual(yield* Fiber.join(fiber), 1)
    assert.strictEqual((yield* after).alive, 0)
  }).pipe(Effect.provide(layer()))
)
