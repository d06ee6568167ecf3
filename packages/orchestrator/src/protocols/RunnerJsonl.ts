import type { AgentEvent } from "@remote-agent/domain"
import { Option, Schema } from "effect"
import { objectLine, type Parser, result, using } from "./Parser.ts"

const Count = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

const Used = Schema.Struct({
  inputTokens: Schema.optionalKey(Count),
  outputTokens: Schema.optionalKey(Count),
  costUsd: Schema.optionalKey(Count)
})

const Line = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("ready"),
    agent: Schema.String,
    version: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({ type: Schema.Literal("start") }),
  Schema.Struct({ type: Schema.Literal("event"), event: Schema.Record(Schema.String, Schema.Json) }),
  Schema.Struct({
    type: Schema.Literal("result"),
    outcome: Schema.String,
    answer: Schema.optionalKey(Schema.NullOr(Schema.String)),
    error: Schema.optionalKey(Schema.NullOr(Schema.String)),
    sessionId: Schema.optionalKey(Schema.NullOr(Schema.String)),
    iterations: Schema.optionalKey(Schema.NullOr(Count)),
    usage: Schema.optionalKey(Schema.NullOr(Used)),
    totalMs: Schema.optionalKey(Schema.NullOr(Count))
  })
])

const decodeUsed = Schema.decodeUnknownOption(Used)

const decodeLine = Schema.decodeUnknownOption(Line)

const outcomes: Readonly<Record<string, AgentEvent.Outcome>> = {
  ok: "ok",
  error: "error",
  max_iterations: "max_iterations",
  denied: "denied",
  empty: "empty",
  aborted: "aborted",
  timeout: "timeout",
  crash: "crash"
}

const string = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

const tools = {
  tool_start: "args",
  tool_progress: "message",
  tool_end: "result",
  tool_error: "error"
} as const

const isTool = (type: string | undefined): type is keyof typeof tools =>
  type !== undefined && Object.hasOwn(tools, type)

/** The normalised form of one event of the agent's own, or nothing when it is not known. */
const fromEvent = (event: Readonly<Record<string, Schema.Json>>): AgentEvent.AgentEvent | undefined => {
  const type = string(event["type"])
  if (type === "thinking" || type === "notice") return { type, text: string(event["message"]) ?? "" }
  if (type === "usage") return Option.getOrUndefined(Option.map(decodeUsed(event), using))
  if (!isTool(type)) return undefined
  const [data, callId] = [event[tools[type]], string(event["toolCallId"])]
  return {
    type,
    tool: string(event["tool"]) ?? "tool",
    ...(callId === undefined ? {} : { callId }),
    ...(data === undefined ? {} : { data })
  }
}

const fromLine = (line: typeof Line.Type): ReadonlyArray<AgentEvent.AgentEvent> | undefined => {
  switch (line.type) {
    case "start":
      return []
    case "ready":
      return [line]
    case "event": {
      const event = fromEvent(line.event)
      return event === undefined ? undefined : [event]
    }
    case "result":
      return [resultOf(line)]
  }
}

/**
 * Reads one line of a headless runner (`runner-jsonl`). A line that is not understood becomes a `raw` event, so
 * that noise before, between and after the lines of the protocol is kept and harms nothing. Empty lines and the
 * acknowledgement of the request say nothing and become no event.
 */
export const parse = (line: string): ReadonlyArray<AgentEvent.AgentEvent> =>
  line.trim() === "" ? [] : read(line)

const read = objectLine((object) => {
  const line = Option.getOrUndefined(decodeLine(object))
  return line === undefined ? undefined : fromLine(line)
})

/** The same as a parser. The first result counts. */
export const make = (): Parser => ({ counts: "first", line: parse, end: () => [] })

const resultOf = (line: Extract<typeof Line.Type, { readonly type: "result" }>): AgentEvent.ResultEvent => {
  const answer = line.answer ?? ""
  const outcome = Object.hasOwn(outcomes, line.outcome) ? outcomes[line.outcome] : undefined
  // Whole or not at all: a part of it could be a part of a secret, which nobody would know to mask.
  const named = line.outcome.length > 40 ? "" : ` ${JSON.stringify(line.outcome)}`
  const unknown = `The agent ended with an unknown outcome${named}.`
  return result({
    outcome: outcome ?? "crash",
    answer,
    error:
      line.error || (outcome === undefined ? unknown : outcome === "ok" || outcome === "empty" ? "" : answer),
    sessionId: line.sessionId ?? undefined,
    iterations: line.iterations ?? undefined,
    inputTokens: line.usage?.inputTokens,
    outputTokens: line.usage?.outputTokens,
    costUsd: line.usage?.costUsd,
    wallMillis: line.totalMs ?? undefined
  })
}
