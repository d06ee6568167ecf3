import { Schema } from "effect"
import { QueryId } from "../Id.ts"
import { TokenUsage } from "../query/TokenUsage.ts"

/**
 * How a query ended.
 *
 * - `ok`: there is an answer.
 * - `error`: the agent said that it could not answer; its words are in `error`.
 * - `max_iterations`: it ran into its own limit of steps.
 * - `denied`: it asked for something that it was not allowed to do.
 * - `empty`: it finished and said nothing.
 * - `aborted`: somebody stopped it.
 * - `timeout`: it was stopped because it took or kept silent too long.
 * - `crash`: it ended without a result, whatever its exit code.
 */
export const Outcome = Schema.Literals([
  "ok",
  "error",
  "max_iterations",
  "denied",
  "empty",
  "aborted",
  "timeout",
  "crash"
])
export type Outcome = typeof Outcome.Type

/**
 * The limit that a query ran into: it kept silent too long (`idle`), took too long in all (`wall`), or used up a budget
 * of its own, its agent's or its pool's (`budget`).
 */
export const Limit = Schema.Literals(["idle", "wall", "budget"])
export type Limit = typeof Limit.Type

const text = { text: Schema.String }

const tool = {
  tool: Schema.String,
  /** The agent's own id of this call, where it has one. */
  callId: Schema.optionalKey(Schema.String),
  /** Arguments, progress or result, as the agent reported them. */
  data: Schema.optionalKey(Schema.Json)
}

/** The agent program is up; the first event of a run. */
export const Ready = Schema.Struct({
  type: Schema.Literal("ready"),
  agent: Schema.String,
  version: Schema.optionalKey(Schema.String)
})

/** The agent named the session in which it keeps this conversation. */
export const Session = Schema.Struct({ type: Schema.Literal("session"), sessionId: Schema.String })

/** What the agent is thinking, in its own words. */
export const Thinking = Schema.Struct({ type: Schema.Literal("thinking"), ...text })

/** A piece of the answer, as it comes. */
export const Text = Schema.Struct({ type: Schema.Literal("text"), ...text })

/** Something worth knowing that is neither thought nor answer. */
export const Notice = Schema.Struct({
  type: Schema.Literal("notice"),
  ...text,
  /** Present when it does not come from the agent. */
  by: Schema.optionalKey(Schema.Literal("orchestrator")),
  /** Present when the agent had given its result, ran on for longer than it may, and was stopped. */
  limit: Schema.optionalKey(Schema.Literal("completion"))
})

/** The agent began to use a tool. */
export const ToolStart = Schema.Struct({ type: Schema.Literal("tool_start"), ...tool })
/** A tool reported how far it is. */
export const ToolProgress = Schema.Struct({ type: Schema.Literal("tool_progress"), ...tool })
/** A tool finished. */
export const ToolEnd = Schema.Struct({ type: Schema.Literal("tool_end"), ...tool })
/** A tool failed; the agent may go on all the same. */
export const ToolError = Schema.Struct({ type: Schema.Literal("tool_error"), ...tool })

/** The agent's provider failed and the agent tries again. */
export const Retry = Schema.Struct({
  type: Schema.Literal("retry"),
  attempt: Schema.Int,
  max: Schema.optionalKey(Schema.Int),
  status: Schema.optionalKey(Schema.Int),
  delayMillis: Schema.optionalKey(Schema.Finite)
})

/** A line that this version does not understand, kept as it came. Never fatal. */
export const Raw = Schema.Struct({ type: Schema.Literal("raw"), line: Schema.String })

/** What the agent has used for this query until now, at least; its `wallMillis` is 0. Only some agents tell it. */
export const UsageEvent = Schema.Struct({ type: Schema.Literal("usage"), usage: TokenUsage })

/** How it ended: the last event of every query, and the only one of its kind. */
export const ResultEvent = Schema.Struct({
  type: Schema.Literal("result"),
  outcome: Outcome,
  answer: Schema.String,
  error: Schema.optionalKey(Schema.String),
  /** Present when a limit of ours ended it. */
  limit: Schema.optionalKey(Limit),
  sessionId: Schema.optionalKey(Schema.String),
  iterations: Schema.optionalKey(Schema.Int),
  usage: TokenUsage
})
export type ResultEvent = typeof ResultEvent.Type

/** One normalised stream of events for every kind of agent; `type` tells them apart. */
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

/** An event in the log of its query. `seq` starts at 0 and has no gaps. */
export class EventRecord extends Schema.Class<EventRecord>("@remote-agent/domain/EventRecord")({
  queryId: QueryId,
  seq: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  at: Schema.DateTimeUtcFromString,
  event: AgentEvent
}) {}

/** One line for people: what the agent does now. Empty for events that say nothing to them. */
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
