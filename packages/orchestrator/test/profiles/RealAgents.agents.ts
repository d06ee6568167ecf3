import { assert, describe, it } from "@effect/vitest"
import { type AgentEvent, RemoteAgentConfig, Id, type Profile } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { AgentRuntime, EventReader, Profiles, QueryCommand } from "@remote-agent/orchestrator"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Layer, Stream } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as dexterRepository from "../support/dexterRepository.ts"
import * as llmServer from "../support/llmServer.ts"

const key = "sk-canary-0123456789abcdef"

/** How this machine reaches the registry, which a sandbox is not told. */
const registryEnv = Object.fromEntries(
  ["NODE_EXTRA_CA_CERTS", "npm_config_registry"].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
)

/** Whether the arguments of any process on this machine hold the key. */
const inArguments = (): boolean =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(key)
      } catch {
        return false
      }
    })

/** The agent of a profile in a sandbox, set up and healthy, with the settings that `configure` makes for a model. */
const launched = Effect.fnUntraced(function* (
  name: string,
  script: llmServer.Script,
  configure: (url: string) => {
    readonly profile?: unknown
    readonly settings?: Readonly<Record<string, string>>
  }
) {
  let exposed = false
  const model = yield* llmServer.make((call) => {
    exposed ||= inArguments()
    return script(call)
  })
  const { profile: changes, settings } = configure(model.url)
  const profiles = yield* Layer.build(
    Layer.provide(
      Profiles.layer(),
      RemoteAgentConfig.layerFrom({
        ENABLE_CLAUDE_CODE: "true",
        ANTHROPIC_API_KEY: key,
        OPENAI_API_KEY: key,
        ...settings,
        ...(changes === undefined ? {} : { REMOTE_AGENT_PROFILES: JSON.stringify({ [name]: changes }) })
      })
    )
  )
  const service = Effect.provide(Profiles.Profiles, profiles)
  const profile: Profile.Profile = yield* Effect.flatMap(service, (all) => all.get(name))
  const { env, secrets } = yield* Effect.flatMap(service, (all) => all.prepare(profile))
  const sandbox = yield* (yield* Sandboxes.Sandboxes).create({
    ttl: "30 minutes",
    env: { ...registryEnv, ...env }
  })
  const runtime = yield* AgentRuntime.AgentRuntime
  const place = yield* runtime.prepareFiles(sandbox, profile)
  yield* runtime.setUp(place)
  yield* runtime.checkHealth(place)

  const ask = Effect.fnUntraced(function* (text: string, more: Partial<QueryCommand.Request> = {}) {
    const request = { id: yield* Id.nextQueryId, text, ...more }
    const { files: _, ...command } = QueryCommand.make(profile, request, place.home)
    const { read } = yield* EventReader.make({ ...profile.run, secrets })
    const seen = yield* Stream.runCollect(
      Stream.flattenIterable(Stream.mapEffect(sandbox.spawn(command), read))
    )
    const result = seen.at(-1)
    assert(result?.type === "result", JSON.stringify(seen))
    assert.notInclude(JSON.stringify(seen), key)
    assert.isFalse(exposed, "the key is in the arguments of a process")
    return { seen, result }
  })
  return { ask, model, place, runtime, sandbox }
})

const layer = Layer.mergeAll(AgentRuntime.layer, LocalSandboxes.layer())

const types = (events: ReadonlyArray<AgentEvent.AgentEvent>) => events.map(({ type }) => type)

type Configure = Parameters<typeof launched>[2]

interface Agent {
  readonly name: string
  readonly model: string
  /** A call of its shell. */
  readonly shell: (command: string) => ReturnType<llmServer.Script>
  readonly configure: Configure
}

const agents: ReadonlyArray<Agent> = [
  {
    name: "claude-code",
    model: "claude-sonnet-4-6",
    shell: (command) => ({ tool: "Bash", args: { command, description: "x" } }),
    configure: (url) => ({ settings: { ANTHROPIC_BASE_URL: url } })
  },
  {
    name: "codex",
    model: "gpt-5.2",
    shell: (cmd) => ({ tool: "exec_command", args: { cmd } }),
    configure: (url) => ({
      profile: {
        assets: [
          {
            path: "{home}/.codex/config.toml",
            content: `model_provider = "key"
[model_providers.key]
name = "stand-in"
base_url = "${url}/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
`
          }
        ]
      }
    })
  },
  {
    name: "opencode",
    model: "stand-in/m",
    shell: (command) => ({ tool: "bash", args: { command, description: "x" } }),
    configure: (url) => ({
      profile: {
        assets: [
          {
            path: "{work}/opencode.json",
            content: JSON.stringify({
              autoupdate: false,
              share: "disabled",
              small_model: "stand-in/m",
              provider: {
                "stand-in": {
                  npm: "@ai-sdk/openai-compatible",
                  options: { baseURL: `${url}/v1`, apiKey: "{env:OPENAI_API_KEY}" },
                  models: { m: { name: "m" } }
                }
              }
            })
          }
        ]
      }
    })
  }
]

const question = `What's "2+2"? \\ $(id) {home}\nand more`

describe.each(agents)("$name, installed from the registry, with a stand-in for its model", (agent) => {
  it.live(
    "answers, uses a tool, goes on with its session, and tells a failure; its key is seen nowhere",
    () =>
      Effect.gen(function* () {
        yield* Effect.gen(function* () {
          const { ask, model, place, runtime } = yield* launched(
            agent.name,
            ({ conversation, toolResults, tools }) => {
              if (conversation.includes("fail now")) return { status: 401, message: "the key is invalid" }
              // A title for the session, and the like.
              if (tools.length === 0) return { text: "A title" }
              return toolResults === 0 && !conversation.includes("second turn")
                ? agent.shell('printf "%s" "$OPENAI_API_KEY$ANTHROPIC_API_KEY"; echo from-the-shell')
                : { text: "It is four." }
            },
            agent.configure
          )
          const first = yield* ask(question, { model: agent.model, budgetUsd: 5 })
          assert.strictEqual(first.result.outcome, "ok", JSON.stringify(first.seen))
          assert.strictEqual(first.result.answer, "It is four.")
          assert.includeMembers(types(first.seen), ["ready", "session", "tool_start", "tool_end", "text"])
          assert.include(JSON.stringify(first.seen), "from-the-shell")
          assert.isAbove(first.result.usage.inputTokens, 0)
          assert.isAbove(first.result.usage.wallMillis, 0)
          assert(model.calls.every((call) => call.key === key))
          assert(
            model.calls.some(({ conversation }) =>
              conversation.includes(JSON.stringify(question).slice(1, -1))
            )
          )

          const { sessionId } = first.result
          assert.isString(sessionId)
          const before = model.calls.length
          const second = yield* ask("second turn", { model: agent.model, agentSession: sessionId })
          assert.strictEqual(second.result.answer, "It is four.", JSON.stringify(second.seen))
          assert.strictEqual(second.result.sessionId, sessionId)
          assert(
            model.calls.slice(before).some(({ conversation }) => conversation.includes("from-the-shell"))
          )

          const failed = yield* ask("fail now", { model: agent.model })
          assert.strictEqual(failed.result.outcome, "error", JSON.stringify(failed.seen))
          assert.include(failed.result.error, "the key is invalid")
          assert.strictEqual(failed.result.answer, "")

          // A second time it finds everything.
          yield* runtime.setUp(place)
        }).pipe(Effect.scoped)
        assert.strictEqual(yield* Effect.flatMap(E2bServer.E2bServer, (server) => server.live), 0)
      }).pipe(Effect.provide(layer))
  )
})

const example = fileURLToPath(new URL("../../../../examples/custom-tools/", import.meta.url))

/** A profile of the example, whose files are beside its configuration. */
const exampleOf = (name: string) => {
  const profile = JSON.parse(readFileSync(`${example}/remote-agent.json`, "utf8")).profiles[name]
  const assets = profile.assets.map((asset: { readonly file: string }) => ({
    ...asset,
    file: `${example}${asset.file}`
  }))
  return { ...profile, assets }
}

describe("Claude Code with a tool of the user's own, by the Model Context Protocol", () => {
  it.live("is offered the tool, and tells its model what it answers", () =>
    Effect.gen(function* () {
      const tool = "mcp__rates__exchange_rate"
      const { ask, model } = yield* launched(
        "claude-code-with-tool",
        ({ toolResults, tools }) => {
          if (tools.length === 0) return { text: "A title" }
          return toolResults === 0
            ? { tool, args: { amount: 100, from: "EUR", to: "USD" } }
            : { text: "109 dollars." }
        },
        (url) => ({ profile: exampleOf("claude-code-with-tool"), settings: { ANTHROPIC_BASE_URL: url } })
      )
      const { result, seen } = yield* ask("What are 100 EUR in USD?", { model: "claude-sonnet-4-6" })
      assert.strictEqual(result.outcome, "ok", JSON.stringify(seen))
      assert.strictEqual(result.answer, "109 dollars.")
      assert(model.calls.some(({ tools }) => tools.includes(tool)))
      assert.include(model.calls.at(-1)?.conversation, "100 EUR are 109.00 USD.")
      assert.deepStrictEqual(
        seen.flatMap((event) => ("tool" in event ? [`${event.type} ${event.tool}`] : [])),
        [`tool_start ${tool}`, `tool_end ${tool}`]
      )
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})

describe("Dexter's runner on Bun, installed from the registry, on an agent with Dexter's interface", () => {
  it.live("sets up, answers and remembers", () =>
    Effect.gen(function* () {
      const { repository } = yield* dexterRepository.make
      const { ask, model } = yield* launched(
        "dexter",
        ({ toolResults }) =>
          toolResults === 0
            ? { tool: "get_market_data", args: { ticker: "AAPL" } }
            : { text: "It is 271.5." },
        (url) => ({
          profile: { source: { repository } },
          settings: { OPENAI_BASE_URL: `${url}/v1`, DEXTER_MODEL: "gpt-4.1", DEXTER_MAX_STEPS: "4" }
        })
      )
      const { result, seen } = yield* ask("What is AAPL?", { session: "s" })
      assert.strictEqual(result.outcome, "ok", JSON.stringify(seen))
      assert.deepStrictEqual(types(seen), ["ready", "tool_start", "tool_end", "result"])
      const again = yield* ask("And now?", { session: "s" })
      assert.strictEqual(again.result.outcome, "ok", JSON.stringify(again.seen))
      assert.include(model.calls.at(-1)?.conversation, "It is 271.5.")
      assert.strictEqual(model.calls.at(-1)?.model, "gpt-4.1")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})

describe("Dexter's set-up, where GitHub cannot be reached", () => {
  it.live(
    "takes the library that comes from there from the registry, and fails when anything else is missing",
    () =>
      Effect.gen(function* () {
        const sandbox = yield* (yield* Sandboxes.Sandboxes).create({ ttl: "30 minutes", env: registryEnv })
        const program = readFileSync(new URL("../../assets/dexter-setup.mjs", import.meta.url), "utf8")
        yield* sandbox.files.write("dexter-setup.mjs", program)
        // In the place of Bun, which ends like this when it has installed all but one.
        const setUp = Effect.fnUntraced(function* (script: string) {
          yield* sandbox.files.write("bun", `#!/bin/sh\n${script}\nexit 1\n`)
          yield* sandbox.exec({ argv: ["chmod", "+x", "bun"] })
          return (yield* sandbox.exec({ argv: ["node", "dexter-setup.mjs", "./bun"] })).exitCode
        })
        assert.notStrictEqual(yield* setUp("true"), 0)
        assert.strictEqual(yield* setUp("mkdir -p node_modules"), 0)
        const library = yield* sandbox.files.readString("node_modules/libsignal/package.json")
        assert.strictEqual(JSON.parse(library).version, "6.0.0")
        // It is there now, so that what is missing is something else.
        assert.notStrictEqual(yield* setUp("true"), 0)
      }).pipe(Effect.scoped, Effect.provide(layer))
  )
})
