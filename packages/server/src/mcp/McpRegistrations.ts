import { AgentEvent, Id } from "@remote-agent/domain"
import { Orchestrator, type Repositories, StateStore } from "@remote-agent/orchestrator"
import { Effect, Layer, Schema, Stream } from "effect"
import { McpProtocol, McpSchema, McpServer } from "effect/ai"
import { toolkit } from "./McpTools.ts"
import * as ToolHandlers from "./toolHandlers.ts"

const encodeEvent = Schema.encodeEffect(Schema.fromJsonString(Schema.toCodecJson(AgentEvent.EventRecord)))

const queryId = McpSchema.param("query", Id.QueryId)

/** The logs and the answers of queries. */
const resources = Layer.unwrap(
  Effect.gen(function* () {
    const [{ queries }, store] = [yield* Orchestrator.Orchestrator, yield* StateStore.StateStore]
    const log = McpServer.resource`remote-agent://queries/${queryId}/log`({
      name: "The log of a query",
      description: "Every event of a query, one JSON document per line",
      mimeType: "application/x-ndjson",
      content: (_uri, id) =>
        store.events(id, 0).pipe(
          Stream.mapEffect((record) => Effect.orDie(encodeEvent(record))),
          Stream.runCollect,
          Effect.map((lines) => lines.map((line) => `${line}\n`).join(""))
        )
    })
    const answer = McpServer.resource`remote-agent://queries/${queryId}/answer`({
      name: "The answer of a query",
      description: "The text that an agent answered, empty until the query has ended well",
      mimeType: "text/plain",
      content: (_uri, id) =>
        Effect.gen(function* () {
          const handle = yield* queries.get(id)
          if (handle.record.status !== "ended") return ""
          return yield* Effect.map(
            Effect.catchReason(handle.result, "OrchestratorError", "QueryFailed", ({ result }) =>
              Effect.succeed(result)
            ),
            (result) => result.answer
          )
        })
    })
    return Layer.merge(log, answer)
  })
)

/**
 * The tools and the resources of an MCP server.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  never,
  never,
  McpServer.McpServer | Orchestrator.Orchestrator | Repositories.Repositories | StateStore.StateStore
> = Layer.merge(Layer.provide(McpServer.toolkit(toolkit), ToolHandlers.layer), resources)

/**
 * What every MCP server of this package has in common.
 *
 * @category constants
 * @since 0.2.0
 */
export const options = {
  name: "remote-agent",
  instructions:
    "Delegates questions and tasks to agents that run in sandboxes of their own. `ask` answers one question; `launch_agent` and `query_agent` work with an agent that stays. Terminate agents that are no longer needed.",
  protocols: [
    McpProtocol.v2025_11_25,
    McpProtocol.v2025_06_18,
    McpProtocol.v2025_03_26,
    McpProtocol.v2024_11_05
  ]
} as const
