import type { AgentEvent } from "@remote-agent/domain"
import { Option, Schema } from "effect"
import type { JsonObject } from "./JsonLine.ts"
import { objectLine, type Parser, raw, result, using, whole } from "./Parser.ts"

const Text = Schema.optionalKey(Schema.NullOr(Schema.String))
const Number = Schema.optionalKey(Schema.NullOr(Schema.Finite))

const Block = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text"), text: Schema.String }),
  Schema.Struct({ type: Schema.Literal("thinking"), thinking: Schema.String }),
  Schema.Struct({
    type: Schema.Literal("tool_use"),
    id: Schema.String,
    name: Schema.String,
    input: Schema.optionalKey(Schema.Json)
  }),
  Schema.Struct({
    type: Schema.Literal("tool_result"),
    tool_use_id: Schema.String,
    content: Schema.optionalKey(Schema.Json),
    is_error: Schema.optionalKey(Schema.NullOr(Schema.Boolean))
  })
])

const ModelUsage = Schema.Struct({
  inputTokens: Number,
  outputTokens: Number,
  cacheReadInputTokens: Number,
  cacheCreationInputTokens: Number,
  costUSD: Number
})

const Tokens = Schema.Struct({
  input_tokens: Number,
  cache_creation_input_tokens: Number,
  cache_read_input_tokens: Number,
  output_tokens: Number
})
type Tokens = typeof Tokens.Type

const Line = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("system"),
    subtype: Schema.Literal("init"),
    session_id: Schema.String,
    claude_code_version: Text
  }),
  Schema.Struct({
    type: Schema.Literal("system"),
    subtype: Schema.Literal("api_retry"),
    attempt: Schema.Int,
    max_retries: Number,
    error_status: Number,
    retry_delay_ms: Number
  }),
  Schema.Struct({
    type: Schema.Literals(["assistant", "user"]),
    message: Schema.Struct({
      id: Text,
      content: Schema.Union([Schema.String, Schema.Array(Schema.Json)]),
      usage: Schema.optionalKey(Schema.NullOr(Tokens))
    }),
    is_api_error_message: Schema.optionalKey(Schema.Boolean)
  }),
  Schema.Struct({
    type: Schema.Literal("result"),
    subtype: Text,
    is_error: Schema.optionalKey(Schema.Boolean),
    result: Text,
    errors: Schema.optionalKey(Schema.Array(Schema.Json)),
    session_id: Text,
    num_turns: Number,
    duration_ms: Number,
    total_cost_usd: Number,
    permission_denials: Schema.optionalKey(Schema.Array(Schema.Json)),
    usage: Schema.optionalKey(Schema.NullOr(Tokens)),
    model_usage_since_last_result: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, ModelUsage)))
  })
])

const decodeLine = Schema.decodeUnknownOption(Line)
const decodeBlock = Schema.decodeUnknownOption(Block)

type Result = Extract<typeof Line.Type, { readonly type: "result" }>

// A failure is also called a success here, with `is_error` beside it.
const outcomeOf = (line: Result): AgentEvent.Outcome => {
  if (line.subtype === "error_max_turns") return "max_iterations"
  if (line.is_error === true || (line.subtype ?? "success") !== "success") return "error"
  return (line.result ?? "") === "" && (line.permission_denials ?? []).length > 0 ? "denied" : "ok"
}

interface Spent {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costUsd?: number | undefined
}

const inputOf = (tokens: Tokens | null | undefined): number =>
  (tokens?.input_tokens ?? 0) +
  (tokens?.cache_creation_input_tokens ?? 0) +
  (tokens?.cache_read_input_tokens ?? 0)

// The totals of a session that was resumed include what earlier queries used, and `usage` leaves out a call after
// which the budget was at its end.
const spentOn = (line: Result): Spent => {
  const models = Object.values(line.model_usage_since_last_result ?? {})
  const { total_cost_usd: cost, usage } = line
  if (models.length === 0) {
    return {
      inputTokens: inputOf(usage),
      outputTokens: usage?.output_tokens ?? 0,
      costUsd: cost ?? undefined
    }
  }
  const sum = (of: (model: (typeof models)[number]) => number | null | undefined) =>
    models.reduce((all, model) => all + (of(model) ?? 0), 0)
  return {
    inputTokens:
      sum((model) => model.inputTokens) +
      sum((model) => model.cacheReadInputTokens) +
      sum((model) => model.cacheCreationInputTokens),
    outputTokens: sum((model) => model.outputTokens),
    costUsd: sum((model) => model.costUSD)
  }
}

const resultOf = (line: Result): AgentEvent.ResultEvent => {
  const outcome = outcomeOf(line)
  const said = line.result || line.errors?.filter((error) => typeof error === "string").join(" ")
  return result({
    outcome,
    answer: line.result ?? "",
    error:
      said || (outcome === "error" ? `Claude Code ended with ${line.subtype ?? "an error"}.` : undefined),
    sessionId: line.session_id ?? undefined,
    iterations: line.num_turns ?? undefined,
    ...spentOn(line),
    wallMillis: line.duration_ms ?? 0
  })
}

/** Reads `claude -p --output-format stream-json --verbose`. Its last result counts: work in the background may give several. */
export const make = (): Parser => {
  const tools = new Map<string, string>()
  const messages = new Map<string, Tokens>()
  let told = 0

  /** What the messages of the model have used, unless that has been told: each comes in several lines, a block in each. */
  const used = (): ReadonlyArray<AgentEvent.AgentEvent> => {
    const all = [...messages.values()]
    const inputTokens = all.reduce((sum, tokens) => sum + inputOf(tokens), 0)
    const outputTokens = all.reduce((sum, tokens) => sum + (tokens.output_tokens ?? 0), 0)
    if (inputTokens + outputTokens === told) return []
    told = inputTokens + outputTokens
    return [using({ inputTokens, outputTokens })]
  }

  const fromBlock = (block: Schema.Json, failure: boolean): AgentEvent.AgentEvent => {
    const found = Option.getOrUndefined(decodeBlock(block))
    switch (found?.type) {
      case undefined:
        return raw(JSON.stringify(block))
      case "text":
        return { type: failure ? "notice" : "text", text: found.text }
      case "thinking":
        return { type: "thinking", text: found.thinking }
      case "tool_use":
        tools.set(found.id, found.name)
        return {
          type: "tool_start",
          tool: found.name,
          callId: found.id,
          ...(found.input === undefined ? {} : { data: found.input })
        }
      case "tool_result":
        return {
          type: found.is_error === true ? "tool_error" : "tool_end",
          tool: tools.get(found.tool_use_id) ?? "tool",
          callId: found.tool_use_id,
          ...(found.content === undefined ? {} : { data: found.content })
        }
    }
  }

  const fromObject = (object: JsonObject): ReadonlyArray<AgentEvent.AgentEvent> | undefined => {
    const line = Option.getOrUndefined(decodeLine(object))
    switch (line?.type) {
      case undefined:
        return undefined
      case "system": {
        if (line.subtype === "init") {
          const version = line.claude_code_version ?? undefined
          return [
            { type: "ready", agent: "claude-code", ...(version === undefined ? {} : { version }) },
            { type: "session", sessionId: line.session_id }
          ]
        }
        const { attempt, error_status: status, max_retries: max, retry_delay_ms: delay } = line
        return [
          {
            type: "retry",
            attempt,
            ...(typeof max === "number" ? { max: whole(max) } : {}),
            ...(typeof status === "number" ? { status: whole(status) } : {}),
            ...(typeof delay === "number" ? { delayMillis: delay } : {})
          }
        ]
      }
      case "assistant":
      case "user": {
        const { content, id, usage } = line.message
        // The user's own words, told back.
        if (typeof content === "string") return []
        const blocks = content.map((block) => fromBlock(block, line.is_api_error_message === true))
        if (typeof id === "string" && usage) messages.set(id, usage)
        return [...blocks, ...used()]
      }
      case "result":
        return [resultOf(line)]
    }
  }

  return {
    counts: "last",
    line: objectLine(fromObject),
    end: () => []
  }
}
