import type { AgentEvent } from "@remote-agent/domain"
import { Option, Schema } from "effect"
import { objectLine, type Parser, type Progress, result, using, whole } from "./Parser.ts"

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

const Retry = Schema.Struct({
  attempt: Schema.Int,
  max: Schema.optionalKey(Schema.NullOr(Count)),
  status: Schema.optionalKey(Schema.NullOr(Count)),
  delayMillis: Schema.optionalKey(Schema.NullOr(Count))
})

const decodeRetry = Schema.decodeUnknownOption(Retry)

const retryOf = ({ attempt, delayMillis, max, status }: typeof Retry.Type): AgentEvent.AgentEvent => ({
  type: "retry",
  attempt,
  ...(typeof max === "number" ? { max: whole(max) } : {}),
  ...(typeof status === "number" ? { status: whole(status) } : {}),
  ...(typeof delayMillis === "number" ? { delayMillis } : {})
})

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

/** Normalises one event of the agent. Returns undefined for an unknown event. */
const fromEvent = (event: Readonly<Record<string, Schema.Json>>): AgentEvent.AgentEvent | undefined => {
  const type = string(event["type"])
  if (type === "thinking" || type === "notice") return { type, text: string(event["message"]) ?? "" }
  if (type === "retry") return Option.getOrUndefined(Option.map(decodeRetry(event), retryOf))
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
 * Reads one line of a headless runner (`runner-jsonl`).
 *
 * **Details**
 *
 * A line that is not understood, and noise around the objects of the protocol, become `raw` events. Empty lines and
 * the acknowledgement of the request become no event.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (line: string): ReadonlyArray<AgentEvent.AgentEvent> =>
  line.trim() === "" ? [] : read(line)

const read = objectLine((object) => {
  const line = Option.getOrUndefined(decodeLine(object))
  return line === undefined ? undefined : fromLine(line)
})

/**
 * Makes a parser of `runner-jsonl`. The first result counts, and says that nothing is open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Parser => {
  let progress: Progress = "open"
  return {
    counts: "first",
    line: (line) => {
      const events = parse(line)
      if (events.some(({ type }) => type === "result")) progress = "final"
      return events
    },
    progress: () => progress,
    end: () => []
  }
}

const resultOf = (line: Extract<typeof Line.Type, { readonly type: "result" }>): AgentEvent.ResultEvent => {
  const answer = line.answer ?? ""
  const outcome = Object.hasOwn(outcomes, line.outcome) ? outcomes[line.outcome] : undefined
  // Whole or not at all: redaction would not recognise a part of a secret.
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
