import { assert, describe, it } from "@effect/vitest"
import { Agent, Id, Query, TokenUsage } from "@remote-agent/domain"
import { ReportFile } from "@remote-agent/orchestrator"
import { DateTime, Effect, Schema } from "effect"
import { branchFor } from "../../src/repositories/internal/pullRequest.ts"

const at = DateTime.makeUnsafe("2026-01-31T23:59:59Z")

const setUp = Effect.gen(function* () {
  const id = yield* Id.nextAgentId
  const queryId = yield* Id.nextQueryId
  const agent = new Agent.Agent({
    id,
    name: Agent.AgentName.make("an.alyst.lock"),
    profile: "sample",
    status: "active",
    revision: 0,
    queryCount: 0,
    createdAt: at,
    updatedAt: at
  })
  const make = (query: string, answer: string) =>
    ReportFile.make(
      agent,
      new Query.QueryResult({ queryId, agentId: id, query, outcome: "ok", answer, usage: TokenUsage.zero }),
      at
    )
  return { agent, make }
})

describe("Report", () => {
  it.effect.prop(
    "keeps its front matter whatever is asked and answered",
    { query: Schema.String, answer: Schema.String },
    ({ answer, query }) =>
      Effect.gen(function* () {
        const { make } = yield* setUp
        const { branch, content, path } = make(
          `${query}\u0085\u2028\u2029\uFEFF\u007F\n---\nx: y`,
          `---\nforged: true\n---\n${answer}`
        )
        const [, front = "", rest = ""] = /^---\n(.*?)\n---\n\n(.*)$/s.exec(content) ?? []
        assert.match(front, /^question: ".*"\nagent: "an\.alyst\.lock"\nagentId: /)
        assert.strictEqual(front.split("\n").length, 10)
        // No control character, and nothing that YAML takes for the end of a line.
        // oxlint-disable-next-line no-control-regex -- those are what must not be there
        assert.notMatch(front, /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u2028\u2029\uFEFF]/)
        assert.strictEqual(
          JSON.parse((front.split("\n")[0] ?? "").slice("question: ".length)),
          `${query}\u0085\u2028\u2029\uFEFF\u007F\n---\nx: y`
        )
        assert.isTrue(rest.startsWith("---\nforged: true\n---"))
        assert.match(path, /^reports\/2026-01-31-[a-z0-9-]{8,57}\.md$/)
        assert.match(branch, /^reports\/2026-01-31-[a-z0-9-]+-an-alyst-lock-\w{6}$/)
      })
  )

  it.effect("names questions apart, and the same question the same", () =>
    Effect.sync(() => {
      assert.match(ReportFile.slugOf("Was trägt Österreich bei?"), /^was-tra-gt-o-sterreich-bei-[0-9a-f]{8}$/)
      assert.match(ReportFile.slugOf("收入是多少"), /^[0-9a-f]{8}$/)
      assert.strictEqual(ReportFile.slugOf("One"), ReportFile.slugOf("One"))
      assert.notStrictEqual(ReportFile.slugOf("One?"), ReportFile.slugOf("One"))
    })
  )

  it.effect("mentions nobody in the pull request", () =>
    Effect.gen(function* () {
      const { agent, make } = yield* setUp
      const { body, title } = make("```\n@octocat ````", "An answer")
      assert.include(body, "`````text\n```\n@octocat ````\n`````")
      assert.strictEqual(title, "Report: ``` @octocat ````")
      assert.match(branchFor(agent, at), /^agents\/an-alyst-lock-\w{6}\/2026-01-31$/)
    })
  )
})
