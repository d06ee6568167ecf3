import { type AgentEvent, Usage } from "@remote-agent/domain"
import { Option, Schema } from "effect"

const Count = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

const Line = Schema.fromJsonString(
  Schema.Union([
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
      usage: Schema.optionalKey(
        Schema.NullOr(
          Schema.Struct({
            inputTokens: Schema.optionalKey(Count),
            outputTokens: Schema.optionalKey(Count),
            costUsd: Schema.optionalKey(Count)
          })
        )
      ),
      totalMs: Schema.optionalKey(Schema.NullOr(Count))
    })
  ])
)

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

/** An amount as `Usage` keeps it: no larger than a number can count. */
const bounded = (amount: number): number => Math.min(amount, Number.MAX_SAFE_INTEGER)

const whole = (count: number): number => bounded(Math.trunc(count))

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
  if (!isTool(type)) return undefined
  const [data, callId] = [event[tools[type]], string(event["toolCallId"])]
  return {
    type,
    tool: string(event["tool"]) ?? "tool",
    ...(callId === undefined ? {} : { callId }),
    ...(data === undefined ? {} : { data })
  }
}

/**
 * Reads one line of a headless runner (`runner-jsonl`). A line that is not understood becomes a `raw` event, so
 * that noise before, between and after the lines of the protocol is kept and harms nothing. Empty lines and the
 * acknowledgement of the request say nothing and become no event.
 */
export const parse = (line: string): ReadonlyArray<AgentEvent.AgentEvent> => {
  if (line.trim() === "") return []
  const raw: AgentEvent.AgentEvent = { type: "raw", line }
  const decoded = Option.getOrUndefined(decodeLine(line))
  switch (decoded?.type) {
    case undefined:
      return [raw]
    case "start":
      return []
    case "ready":
      return [decoded]
    case "event":
      return [fromEvent(decoded.event) ?? raw]
    case "result":
      return [result(decoded)]
  }
}

const result = (line: Extract<typeof Line.Type, { readonly type: "result" }>): AgentEvent.ResultEvent => {
  const answer = line.answer ?? ""
  const said = Object.hasOwn(outcomes, line.outcome) ? outcomes[line.outcome] : undefined
  // An agent that calls silence a success has not answered.
  const outcome = said === undefined ? "crash" : said === "ok" && answer.trim() === "" ? "empty" : said
  const error = line.error || (outcome === "ok" ? undefined : reason(outcome, line.outcome, answer))
  const { costUsd, inputTokens = 0, outputTokens = 0 } = line.usage ?? {}
  return {
    type: "result",
    outcome,
    answer: outcome === "ok" ? answer : "",
    ...(error === undefined ? {} : { error }),
    ...(typeof line.sessionId === "string" ? { sessionId: line.sessionId } : {}),
    ...(typeof line.iterations === "number" ? { iterations: whole(line.iterations) } : {}),
    usage: new Usage.Usage({
      inputTokens: whole(inputTokens),
      outputTokens: whole(outputTokens),
      wallMillis: bounded(line.totalMs ?? 0),
      ...(costUsd === undefined ? {} : { costUsd: bounded(costUsd) })
    })
  }
}

const reason = (outcome: AgentEvent.Outcome, said: string, answer: string): string => {
  if (outcome === "empty") return "The agent finished without an answer."
  if (outcome === "crash")
    return `The agent ended with the unknown outcome ${JSON.stringify(said.slice(0, 40))}.`
  return answer === "" ? `The agent ended with the outcome ${outcome}.` : answer
}
