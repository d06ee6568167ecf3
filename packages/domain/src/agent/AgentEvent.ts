import { Schema } from "effect"
import { QueryId } from "../Id.ts"
import { resultFields } from "../query/QueryOutcome.ts"
import { TokenUsage } from "../query/TokenUsage.ts"

export { Limit, Outcome } from "../query/QueryOutcome.ts"

const text = { text: Schema.String }

const tool = {
  tool: Schema.String,
  /** The agent's own id of this call. */
  callId: Schema.optionalKey(Schema.String),
  /** Arguments, progress or result, as the agent reported them. */
  data: Schema.optionalKey(Schema.Json)
}

/** The agent program is up: the first event of a run. */
export const Ready = Schema.Struct({
  type: Schema.Literal("ready"),
  agent: Schema.String,
  version: Schema.optionalKey(Schema.String)
})

/** The agent named the session that holds this conversation. */
export const Session = Schema.Struct({ type: Schema.Literal("session"), sessionId: Schema.String })

/** A thought of the agent, in its own words. */
export const Thinking = Schema.Struct({ type: Schema.Literal("thinking"), ...text })

/** A piece of the answer. */
export const Text = Schema.Struct({ type: Schema.Literal("text"), ...text })

/** Information that is neither thought nor answer. */
export const Notice = Schema.Struct({
  type: Schema.Literal("notice"),
  ...text,
  /** Present when the notice does not come from the agent. */
  by: Schema.optionalKey(Schema.Literal("orchestrator")),
  /** Present when the agent ran on for too long after its result and was killed. */
  limit: Schema.optionalKey(Schema.Literal("completion"))
})

/** The agent started to use a tool. */
export const ToolStart = Schema.Struct({ type: Schema.Literal("tool_start"), ...tool })

/** A tool reported its progress. */
export const ToolProgress = Schema.Struct({ type: Schema.Literal("tool_progress"), ...tool })

/** A tool finished. */
export const ToolEnd = Schema.Struct({ type: Schema.Literal("tool_end"), ...tool })

/** A tool failed. The agent may continue. */
export const ToolError = Schema.Struct({ type: Schema.Literal("tool_error"), ...tool })

/** The agent's model provider failed, and the agent tries again. */
export const Retry = Schema.Struct({
  type: Schema.Literal("retry"),
  attempt: Schema.Int,
  max: Schema.optionalKey(Schema.Int),
  status: Schema.optionalKey(Schema.Int),
  delayMillis: Schema.optionalKey(Schema.Finite)
})

/** A line that this version does not understand, unchanged. It is never fatal. */
export const Raw = Schema.Struct({ type: Schema.Literal("raw"), line: Schema.String })

/** The usage of this query so far, as a lower bound. Its `wallMillis` is 0. Only some agents report it. */
export const UsageEvent = Schema.Struct({ type: Schema.Literal("usage"), usage: TokenUsage })

/** The result: the last event of every query, and the only one of its type. */
export const ResultEvent = Schema.Struct({ type: Schema.Literal("result"), ...resultFields })
export type ResultEvent = typeof ResultEvent.Type

/**
 * An event of an agent. Every kind of agent produces the same events; `type` discriminates them.
 *
 * @category models
 * @since 0.1.0
 */
export const AgentEvent = Schema.Union([
  Ready,
  Session,
  Thinking,
  Text,
  Notice,
  ToolStart,
  ToolProgress,
  ToolEnd,
  ToolError,
  Retry,
  UsageEvent,
  Raw,
  ResultEvent
])
export type AgentEvent = typeof AgentEvent.Type

/**
 * An event in the log of its query. `seq` starts at 0 and has no gaps.
 *
 * @category models
 * @since 0.1.0
 */
export class EventRecord extends Schema.Class<EventRecord>("@remote-agent/domain/EventRecord")({
  queryId: QueryId,
  seq: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  at: Schema.DateTimeUtcFromString,
  event: AgentEvent
}) {}

/**
 * Describes an event in one line for people. The line is empty for events that are only for programs.
 *
 * @category formatting
 * @since 0.1.0
 */
export const describe = (event: AgentEvent): string => {
  switch (event.type) {
    case "ready":
      return `${event.agent} ${event.version ?? ""} is ready`.replace("  ", " ")
    case "thinking":
    case "text":
    case "notice":
      return event.text
    case "tool_start":
      return event.data === undefined ? event.tool : `${event.tool} ${JSON.stringify(event.data)}`
    case "tool_error":
      return `${event.tool} failed`
    case "retry":
      return `retrying (attempt ${event.attempt})`
    case "result":
      return event.outcome === "ok" ? event.answer : `${event.outcome}: ${event.error ?? event.answer}`
    case "session":
    case "tool_progress":
    case "tool_end":
    case "usage":
    case "raw":
      return ""
  }
}
