/**
 * The tools that other agents get.
 *
 * @since 0.2.0
 */
import { Agent, AgentEvent, AgentLifecycle, Id, Query } from "@remote-agent/domain"
import { Schema } from "effect"
import { McpSchema, Tool, Toolkit } from "effect/ai"

/**
 * Why a tool failed, for the model that called it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ToolFailure = Schema.Struct({
  /** The name of the reason, such as `AgentNotFound`. */
  reason: Schema.String,
  message: Schema.String
})
/** @since 0.2.0 */
export type ToolFailure = typeof ToolFailure.Type

const agent = Schema.String.annotate({
  description: "An agent: its id, the beginning of its id, or its name"
})
const query = Id.QueryId.annotate({ description: "The id of a query, qry_…" })
const question = Schema.String.check(Schema.isNonEmpty()).annotate({ description: "The question or task" })
const seconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 86_400 }))
const timeout = Schema.optionalKey(seconds.annotate({ description: "How many seconds the answer may take" }))
const model = Schema.optionalKey(Query.ModelName.annotate({ description: "The model to use" }))
const profile = Schema.optionalKey(
  Schema.String.annotate({ description: "The kind of agent, such as claude-code, codex or dexter" })
)

/**
 * An agent as tools show it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const AgentSummary = Schema.Struct({
  id: Id.AgentId,
  name: Schema.String,
  status: AgentLifecycle.AgentStatus,
  profile: Schema.String,
  labels: Schema.Record(Schema.String, Schema.String),
  queries: Schema.Int
})

/**
 * A query as tools show it. `answer` is there once it has ended well, `error` once it has not.
 *
 * @category schemas
 * @since 0.2.0
 */
export const QuerySummary = Schema.Struct({
  query: Id.QueryId,
  agent: Id.AgentId,
  status: Query.QueryStatus,
  outcome: Schema.optionalKey(AgentEvent.Outcome),
  answer: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String)
})
/** @since 0.2.0 */
export type QuerySummary = typeof QuerySummary.Type

const tool = <
  const Name extends string,
  Fields extends Schema.Struct.Fields,
  Success extends Schema.Constraint
>(
  name: Name,
  description: string,
  fields: Fields,
  success: Success
) =>
  Tool.make(name, {
    description,
    parameters: Schema.Struct(fields),
    success,
    failure: ToolFailure,
    failureMode: "return",
    dependencies: [McpSchema.McpRequestContext]
  })

/**
 * The tools: list, launch, ask, query, follow, cancel, terminate and compare.
 *
 * @category tools
 * @since 0.2.0
 */
export const toolkit = Toolkit.make(
  tool(
    "list_agents",
    "List agents, oldest first. Terminated ones are left out unless a status is named.",
    {
      status: Schema.optionalKey(AgentLifecycle.AgentStatus),
      profile,
      label: Schema.optionalKey(Schema.String.annotate({ description: "key=value" })),
      limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })))
    },
    Schema.Struct({ agents: Schema.Array(AgentSummary) })
  )
    .annotate(Tool.Readonly, true)
    .annotate(Tool.Destructive, false),
  tool(
    "launch_agent",
    "Launch an agent in a sandbox of its own. It stays until it is terminated or its time to live is over.",
    {
      name: Schema.optionalKey(Agent.AgentName),
      profile,
      labels: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
      repository: Schema.optionalKey(
        Schema.String.annotate({ description: "The repository it works on: owner/name or an address" })
      ),
      ref: Schema.optionalKey(Schema.String.annotate({ description: "A branch, tag or commit of it" })),
      ttl: Schema.optionalKey(seconds.annotate({ description: "How many seconds its sandbox lives" }))
    },
    AgentSummary
  ).annotate(Tool.Destructive, false),
  tool(
    "ask",
    "Ask an agent of its own one question, wait for the answer, and terminate the agent.",
    { question, profile, model, timeout },
    QuerySummary
  ).annotate(Tool.Destructive, false),
  tool(
    "query_agent",
    "Ask an agent a question and wait for the answer. When the wait is over first, the query goes on: see query_status.",
    {
      agent,
      question,
      session: Schema.optionalKey(
        Schema.String.annotate({ description: "The conversation it belongs to; a new one when absent" })
      ),
      model,
      timeout,
      wait: Schema.optionalKey(
        Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400 })).annotate({
          description: "How many seconds to wait for the answer; until it is there when absent"
        })
      )
    },
    QuerySummary
  ).annotate(Tool.Destructive, false),
  tool(
    "query_status",
    "Tell whether a query waits, runs or has ended, and its answer.",
    { query },
    QuerySummary
  )
    .annotate(Tool.Readonly, true)
    .annotate(Tool.Destructive, false),
  tool(
    "query_events",
    "Read what an agent did for a query: its events in order, from a number on.",
    {
      query,
      from: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
      limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })))
    },
    Schema.Struct({
      events: Schema.Array(Schema.Struct({ seq: Schema.Int, type: Schema.String, text: Schema.String })),
      /** The `from` of the next call. */
      next: Schema.Int
    })
  )
    .annotate(Tool.Readonly, true)
    .annotate(Tool.Destructive, false),
  tool("cancel_query", "Cancel a query that waits or runs.", { query }, QuerySummary),
  tool(
    "terminate_agent",
    "Terminate an agent and delete its sandbox with all files in it.",
    { agent },
    AgentSummary
  ),
  tool(
    "diff_of_agent",
    "Show what an agent has changed in its repository since its last commit, as a patch.",
    { agent },
    Schema.Struct({ files: Schema.Array(Schema.String), patch: Schema.String })
  )
    .annotate(Tool.Readonly, true)
    .annotate(Tool.Destructive, false)
)
