import { AgentRuntime, Profiles, QueryCommand } from "@remote-agent/orchestrator"
import { Effect, Layer, Stream } from "effect"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { RemoteAgentConfig, Id, Profile } from "@remote-agent/domain"
import { assert, it, vi } from "@effect/vitest"
import { describeWhere } from "#test/where"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"

// A busy machine starts processes slowly; nothing here depends on how long they take.
vi.setConfig({ testTimeout: 120_000 })

const isolates = inject("isolations").length > 0

const example = fileURLToPath(new URL("../../../../examples/custom-tools/", import.meta.url))

const settings = JSON.parse(readFileSync(`${example}/remote-agent.json`, "utf8"))

const layer = Layer.mergeAll(
  AgentRuntime.layer,
  LocalSandboxes.layer(),
  Layer.provide(
    Profiles.layer(),
    RemoteAgentConfig.layerFrom({ REMOTE_AGENT_PROFILES: JSON.stringify(settings.profiles) })
  )
)

/** The profile of the example, whose files are beside its configuration. */
const profileOf = Effect.fnUntraced(function* (name: string) {
  const profile = yield* (yield* Profiles.Profiles).get(name)
  const assets = profile.assets.map((asset) =>
    asset.file === undefined ? asset : new Profile.Asset({ ...asset, file: `${example}${asset.file}` })
  )
  return new Profile.Profile({ ...profile, assets })
})

const placed = Effect.fnUntraced(function* (profile: Profile.Profile) {
  const sandbox = yield* (yield* Sandboxes.Sandboxes).create({ ttl: "10 minutes" })
  return yield* (yield* AgentRuntime.AgentRuntime).prepareFiles(sandbox, profile)
})

describeWhere(isolates, "no isolation works here")("the example of custom tools", () => {
  it.live("gives the sample agent a tool, whose failure is told, and it still answers everything else", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(yield* profileOf("sample-with-tool"))
      yield* runtime.checkHealth(place)
      const ask = Effect.fnUntraced(function* (text: string) {
        const events = yield* Stream.runCollect(runtime.run(place, { id: yield* Id.nextQueryId, text }))
        const result = events.at(-1)
        assert(result?.type === "result")
        return {
          result,
          tools: events.flatMap((event) => ("tool" in event ? [`${event.type} ${event.tool}`] : []))
        }
      })
      const rate = yield* ask("What are 100 EUR in USD?")
      assert.strictEqual(rate.result.answer, "100 EUR are 109.00 USD.")
      assert.deepStrictEqual(rate.tools, ["tool_start exchange_rate", "tool_end exchange_rate"])
      const failed = yield* ask("What are 100 EUR in XXX?")
      assert.strictEqual(failed.result.outcome, "error")
      assert.include(failed.result.error, "XXX")
      assert.deepStrictEqual(failed.tools, ["tool_start exchange_rate", "tool_error exchange_rate"])
      assert.include((yield* ask("What was Tesla's revenue in 2024?")).result.answer, "97,690")
      yield* place.sandbox.files.write(".agent/tools/broken.mjs", "export default {}")
      const broken = yield* ask("What was Tesla's revenue in 2024?")
      assert.strictEqual(broken.result.outcome, "error")
      assert.include(broken.result.error, "broken.mjs")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("puts a skill with a name and a description, and rules, where Dexter looks for them", () =>
    Effect.gen(function* () {
      const { sandbox } = yield* placed(yield* profileOf("dexter-with-skill-and-rules"))
      assert.match(yield* sandbox.files.readString("work/.dexter/RULES.md"), /^# Rules\n/)
      const skill = yield* sandbox.files.readString(".agent/.dexter/skills/dividend-check/SKILL.md")
      assert.match(skill, /^---\nname: dividend-check\ndescription: \S[^\n]+\n---\n/)
      assert.include(yield* sandbox.files.readString(".agent/dexter-runner.mjs"), "--request")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live(
    "gives Claude Code a server of tools, which answers, and tells a failure of the tool from one of the call",
    () =>
      Effect.gen(function* () {
        const profile = yield* profileOf("claude-code-with-tool")
        const { home, sandbox } = yield* placed(profile)
        const { argv, cwd } = QueryCommand.make(profile, { id: yield* Id.nextQueryId, text: "?" }, home)
        assert.strictEqual(argv[argv.indexOf("--mcp-config") + 1], `${home}/.agent/mcp.json`)
        assert.include(argv.join(" "), "mcp__rates__exchange_rate")
        // The arguments that it has without the tool are those of the profile that it extends.
        const ours = yield* (yield* Profiles.Profiles).get("claude-code")
        assert.includeMembers([...profile.run.argv], ours.run.argv.slice(0, -1))

        const { mcpServers } = JSON.parse(yield* sandbox.files.readString(".agent/mcp.json"))
        const { args, command } = mcpServers.rates
        const requests = [
          { id: 1, method: "initialize", params: { protocolVersion: "2025-06-18", capabilities: {} } },
          { method: "notifications/initialized" },
          { id: 2, method: "tools/list" },
          ...[
            { name: "exchange_rate", arguments: { amount: 100, from: "EUR", to: "USD" } },
            { name: "exchange_rate", arguments: { amount: 100, from: "EUR", to: "XXX" } },
            { name: "other", arguments: {} }
          ].map((params, index) => ({ id: 3 + index, method: "tools/call", params })),
          { id: 6, method: "resources/list" }
        ]
        const { exitCode, stderr, stdout } = yield* sandbox.exec({
          argv: [command, ...args],
          cwd,
          stdin: requests.map((request) => `${JSON.stringify({ jsonrpc: "2.0", ...request })}\n`).join("")
        })
        assert.strictEqual(exitCode, 0, stderr)
        const replies = stdout
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line))
        assert.deepStrictEqual(
          replies.map(({ id, jsonrpc }) => [jsonrpc, id]),
          [1, 2, 3, 4, 5, 6].map((id) => ["2.0", id])
        )
        assert.deepInclude(replies[0].result, { protocolVersion: "2025-06-18", capabilities: { tools: {} } })
        assert.strictEqual(replies[1].result.tools[0].name, "exchange_rate")
        assert.deepStrictEqual(replies[2].result, {
          content: [{ type: "text", text: "100 EUR are 109.00 USD." }]
        })
        assert.isTrue(replies[3].result.isError)
        assert.include(replies[3].result.content[0].text, "XXX")
        assert.deepStrictEqual([replies[4].error.code, replies[5].error.code], [-32602, -32601])
      }).pipe(Effect.scoped, Effect.provide(layer))
  )
})
