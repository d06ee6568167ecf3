import { assert, describe, it } from "@effect/vitest"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import * as llmServer from "../../orchestrator/test/support/llmServer.ts"
import { clientOf, server } from "./support/server.ts"

/** How this machine reaches the registry, which a sandbox is not told. */
const registryEnv = Object.fromEntries(
  ["NODE_EXTRA_CA_CERTS", "npm_config_registry"].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
)

/** Claude Code with the tools of the server. */
const withTools = {
  "claude-code": {
    run: {
      argv: [
        "{run}/bin/claude",
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",
        "--bare",
        "--mcp-config",
        "{home}/mcp.json",
        "--allowedTools",
        "mcp__agents__ask"
      ]
    }
  }
}

/** A model that delegates the question, and answers with what it was told. */
const delegating: llmServer.Script = ({ conversation, toolResults }) =>
  toolResults === 0
    ? { tool: "mcp__agents__ask", args: { question: "Tesla revenue 2024", profile: "sample" } }
    : { text: /\$97,690 million/.test(conversation) ? "The helper says $97,690 million." : "No answer came." }

describe("Claude Code with the MCP server", () => {
  it.live("delegates a question to an agent in a sandbox of its own, and gets the answer", () =>
    Effect.gen(function* () {
      const model = yield* llmServer.make(delegating)
      const settings = {
        ENABLE_CLAUDE_CODE: "true",
        ANTHROPIC_API_KEY: "sk-canary-0123456789abcdef",
        ANTHROPIC_BASE_URL: model.url,
        REMOTE_AGENT_PROFILES: JSON.stringify(withTools)
      }
      yield* Effect.gen(function* () {
        const { token, url } = yield* clientOf("run")
        const { agents } = yield* Orchestrator.Orchestrator
        const claude = yield* agents.launchScoped({
          profile: "claude-code",
          env: registryEnv,
          ttl: "30 minutes"
        })
        const servers = {
          agents: { type: "http", url: `${url}/mcp`, headers: { Authorization: `Bearer ${token}` } }
        }
        yield* claude.files.write("mcp.json", JSON.stringify({ mcpServers: servers }))
        const result = yield* claude.query("What was Tesla's revenue in 2024?")
        assert.include(result.answer, "The helper says $97,690 million.")
      }).pipe(Effect.scoped, Effect.provide(server({}, settings)))
    }).pipe(Effect.scoped)
  )
})
