import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect, type Scope } from "effect"
import { clientOf, request, server, type Services } from "./support/server.ts"

const test = <E>(name: string, body: Effect.Effect<void, E, Services | Scope.Scope>) =>
  it.live(name, () => Effect.scoped(Effect.provide(body, server())), { timeout: 120_000 })

/** The official client, connected over HTTP with a token. */
const connected = (url: string, token: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client({ name: "test", version: "1.0.0" })
      const headers = { authorization: `Bearer ${token}` }
      const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } })
      await client.connect(transport)
      return client
    }),
    (client) => Effect.promise(() => client.close())
  )

interface Answered {
  readonly isError?: boolean
  readonly structuredContent?: Readonly<Record<string, unknown>>
  readonly content: ReadonlyArray<{ readonly type: string; readonly text?: string }>
}

const call = (
  client: Client,
  name: string,
  input: Readonly<Record<string, unknown>>,
  onprogress?: (progress: { readonly progress: number; readonly message?: string | undefined }) => void
) =>
  Effect.promise(
    () =>
      client.callTool({ name, arguments: { ...input } }, undefined, {
        timeout: 100_000,
        ...(onprogress === undefined ? {} : { onprogress })
      }) as Promise<Answered>
  )

const documentOf = ({ content, structuredContent }: Answered): Readonly<Record<string, unknown>> =>
  structuredContent ?? JSON.parse(content[0]?.text ?? "{}")

const tools = [
  "ask",
  "cancel_query",
  "diff_of_agent",
  "launch_agent",
  "list_agents",
  "query_agent",
  "query_events",
  "query_status",
  "terminate_agent"
]

/** A request without a client. */
const ping = (headers: Readonly<Record<string, string>>): RequestInit => ({
  method: "POST",
  headers: {
    ...headers,
    "content-type": "application/json",
    accept: "application/json, text/event-stream"
  },
  body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })
})

describe("MCP over HTTP", () => {
  test(
    "refuses a request without a token, and one whose token may only read",
    Effect.gen(function* () {
      const { token, url } = yield* clientOf("read")
      const statuses = yield* Effect.promise(() =>
        Promise.all([
          request(`${url}/mcp`, ping({})),
          request(`${url}/mcp`, ping({ authorization: "Bearer ra_wrong" })),
          request(`${url}/mcp`, ping({ authorization: `Bearer ${token}` }))
        ])
      )
      assert.deepStrictEqual(
        statuses.map(({ status }) => status),
        [401, 401, 403]
      )
    })
  )

  test(
    "the official client launches an agent, asks it with progress, reads its log, and terminates it",
    Effect.gen(function* () {
      const { token, url } = yield* clientOf("run")
      const client = yield* connected(url, token)
      const listed = yield* Effect.promise(() => client.listTools())
      assert.deepStrictEqual(listed.tools.map(({ name }) => name).toSorted(), tools)

      const launched = documentOf(yield* call(client, "launch_agent", { name: "helper", profile: "sample" }))
      assert.strictEqual(launched["status"], "active")
      const found = documentOf(yield* call(client, "list_agents", {}))
      assert.strictEqual((found["agents"] as ReadonlyArray<unknown>).length, 1)

      const messages: Array<string> = []
      const answered = documentOf(
        yield* call(
          client,
          "query_agent",
          { agent: "helper", question: "Tesla revenue 2024" },
          ({ message }) => messages.push(message ?? "")
        )
      )
      assert.include(answered["answer"], "$97,690 million")
      assert.isAbove(messages.length, 1)
      const query = answered["query"] as string

      const status = documentOf(yield* call(client, "query_status", { query }))
      assert.deepStrictEqual(status, answered)
      const events = documentOf(yield* call(client, "query_events", { query, from: 1, limit: 2 }))
      assert.strictEqual((events["events"] as ReadonlyArray<unknown>).length, 2)
      assert.strictEqual(events["next"], 3)

      const log = yield* Effect.promise(() =>
        client.readResource({ uri: `remote-agent://queries/${query}/log` })
      )
      const [first] = log.contents
      const lines = first !== undefined && "text" in first ? first.text.trim().split("\n") : []
      const store = yield* StateStore.StateStore
      const { status: stored } = yield* store.getQuery(query as never)
      assert.strictEqual(stored, "ended")
      assert.strictEqual(JSON.parse(lines.at(-1) ?? "{}").event.type, "result")

      const diff = yield* call(client, "diff_of_agent", { agent: "helper" })
      assert.isTrue(diff.isError)
      assert.include(diff.content[0]?.text ?? "", "NoRepository")
      const ended = documentOf(yield* call(client, "terminate_agent", { agent: "helper" }))
      assert.strictEqual(ended["status"], "terminated")
      const unknown = yield* call(client, "query_agent", { agent: "nobody", question: "?" })
      assert.isTrue(unknown.isError)
      assert.include(unknown.content[0]?.text ?? "", "list_agents")
    })
  )

  test(
    "ask needs no agent and leaves none, and a query can be left and cancelled",
    Effect.gen(function* () {
      const { client: rest, token, url } = yield* clientOf("run")
      const client = yield* connected(url, token)
      const asked = documentOf(
        yield* call(client, "ask", { question: "Apple revenue 2024", profile: "sample" })
      )
      assert.strictEqual(asked["outcome"], "ok")
      const { body: agent } = yield* rest.agents.launch({
        headers: {},
        payload: { profile: "sample", env: { SAMPLE_AGENT_STEP_MS: "60000" } }
      })
      const left = documentOf(
        yield* call(client, "query_agent", { agent: agent.id, question: "Tesla revenue 2024", wait: 0 })
      )
      assert.notStrictEqual(left["status"], "ended")
      const cancelled = documentOf(yield* call(client, "cancel_query", { query: left["query"] }))
      assert.strictEqual(cancelled["outcome"], "aborted")
      yield* rest.agents.terminate({ params: { id: agent.id } })
      const { items } = yield* rest.agents.list({ query: { status: ["active", "launching", "paused"] } })
      assert.deepStrictEqual(items, [])
    })
  )
})
