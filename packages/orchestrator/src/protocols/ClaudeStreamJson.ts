import type { AgentEvent } from "@remote-agent/domain"
import { Option, Schema } from "effect"
import type { JsonObject } from "./JsonLine.ts"
import { objectLine, type Parser, type Progress, raw, result, using, whole } from "./Parser.ts"

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
    type: Schema.Literal("system"),
    subtype: Schema.Literal("background_tasks_changed"),
    tasks: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Json)))
  }),
  Schema.Struct({
    type: Schema.Literals(["assistant", "user"]),
    /** Present on the messages of a subagent. */
    parent_tool_use_id: Text,
    message: Schema.Struct({
      id: Text,
      model: Text,
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

// Claude Code calls a failure a success too, with `is_error` beside it.
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

// `model_usage_since_last_result` is exact. The totals of a resumed session include earlier queries, and `usage` leaves
// out the call that exceeded the budget.
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
  const over = (of: (model: (typeof models)[number]) => number | null | undefined) =>
    models.reduce((all, model) => all + (of(model) ?? 0), 0)
  return {
    inputTokens:
      over((model) => model.inputTokens) +
      over((model) => model.cacheReadInputTokens) +
      over((model) => model.cacheCreationInputTokens),
    outputTokens: over((model) => model.outputTokens),
    costUsd: over((model) => model.costUSD)
  }
}

/** The sums over all results of a run. */
interface Total extends Spent {
  readonly iterations: number | undefined
  readonly wallMillis: number
}

const nothing: Total = {
  inputTokens: 0,
  outputTokens: 0,
  costUsd: undefined,
  iterations: undefined,
  wallMillis: 0
}

const sum = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0)

const added = (total: Total, line: Result): Total => {
  const spent = spentOn(line)
  return {
    inputTokens: total.inputTokens + spent.inputTokens,
    outputTokens: total.outputTokens + spent.outputTokens,
    costUsd: sum(total.costUsd, spent.costUsd),
    iterations: sum(total.iterations, line.num_turns ?? undefined),
    wallMillis: total.wallMillis + (line.duration_ms ?? 0)
  }
}

const resultOf = (line: Result, total: Total): AgentEvent.ResultEvent => {
  const outcome = outcomeOf(line)
  const said = line.result || line.errors?.filter((error) => typeof error === "string").join(" ")
  return result({
    outcome,
    answer: line.result ?? "",
    error:
      said || (outcome === "error" ? `Claude Code ended with ${line.subtype ?? "an error"}.` : undefined),
    sessionId: line.session_id ?? undefined,
    ...total
  })
}

type SystemLine = Extract<typeof Line.Type, { readonly type: "system" }>

const fromInit = (line: SystemLine & { readonly subtype: "init" }): ReadonlyArray<AgentEvent.AgentEvent> => {
  const version = line.claude_code_version ?? undefined
  return [
    { type: "ready", agent: "claude-code", ...(version === undefined ? {} : { version }) },
    { type: "session", sessionId: line.session_id }
  ]
}

const fromRetry = (line: SystemLine & { readonly subtype: "api_retry" }): AgentEvent.AgentEvent => {
  const { attempt, error_status: status, max_retries: max, retry_delay_ms: delay } = line
  return {
    type: "retry",
    attempt,
    ...(typeof max === "number" ? { max: whole(max) } : {}),
    ...(typeof status === "number" ? { status: whole(status) } : {}),
    ...(typeof delay === "number" ? { delayMillis: delay } : {})
  }
}

type Message = Extract<typeof Line.Type, { readonly type: "assistant" | "user" }>

/** The type of event for a text of a message; undefined for words in the name of the user. */
const typeOfText = (line: Message): "text" | "thinking" | "notice" | undefined => {
  if (line.type === "user") return undefined
  // Claude Code writes messages of its own in the name of the model.
  if (line.is_api_error_message === true || line.message.model === "<synthetic>") return "notice"
  // A subagent works for the agent. Its words are not the answer.
  return typeof line.parent_tool_use_id === "string" ? "thinking" : "text"
}

/**
 * Reads `claude -p --output-format stream-json --verbose`.
 *
 * **Details**
 *
 * The last of several results counts: Claude Code continues after a result when work in the background ends. Their usage
 * is summed up. A result says that nothing is open only when Claude Code has said before that no task in the
 * background is left; otherwise the end of its process is the end.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Parser => {
  const tools = new Map<string, string>()
  const messages = new Map<string, Tokens>()
  let [told, total, progress] = ["", nothing, "open" as Progress]
  let session: string | undefined
  /** The number of tasks in the background, once Claude Code has reported it. */
  let tasks: number | undefined

  /** Reports the usage so far, unless it was reported: each message comes in several lines, one block in each. */
  const used = (): ReadonlyArray<AgentEvent.AgentEvent> => {
    const all = [...messages.values()]
    const inputTokens = all.reduce((tokens, message) => tokens + inputOf(message), total.inputTokens)
    const outputTokens = all.reduce((tokens, one) => tokens + (one.output_tokens ?? 0), total.outputTokens)
    const { costUsd } = total
    const now = `${inputTokens + outputTokens} ${costUsd}`
    if (now === told || inputTokens + outputTokens === 0) return []
    told = now
    return [using({ inputTokens, outputTokens, costUsd })]
  }

  const fromBlock = (block: Schema.Json, text: ReturnType<typeof typeOfText>): AgentEvent.AgentEvent => {
    const found = Option.getOrUndefined(decodeBlock(block))
    switch (found?.type) {
      case undefined:
        return raw(JSON.stringify(block))
      case "text":
        return text === undefined ? raw(JSON.stringify(block)) : { type: text, text: found.text }
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

  const fromMessage = (line: Message): ReadonlyArray<AgentEvent.AgentEvent> | undefined => {
    const { content, id, usage } = line.message
    // Kept as it came: the query repeated, or words in the name of the user.
    if (typeof content === "string") return undefined
    if (line.type === "assistant" && typeof line.parent_tool_use_id !== "string") progress = "open"
    const text = typeOfText(line)
    const blocks = content.map((block) => fromBlock(block, text))
    if (typeof id === "string" && usage) messages.set(id, usage)
    return [...blocks, ...used()]
  }

  const fromObject = (object: JsonObject): ReadonlyArray<AgentEvent.AgentEvent> | undefined => {
    const line = Option.getOrUndefined(decodeLine(object))
    switch (line?.type) {
      case undefined:
        return undefined
      case "system":
        switch (line.subtype) {
          case "init": {
            const [goesOn, isKnown] = [progress !== "open", session === line.session_id]
            progress = "open"
            session = line.session_id
            if (!goesOn) return fromInit(line)
            return isKnown ? used() : [...used(), { type: "session", sessionId: session }]
          }
          case "background_tasks_changed":
            tasks = line.tasks?.length
            if (progress === "final") progress = "settled"
            return undefined
          case "api_retry":
            return [fromRetry(line)]
        }
        break
      case "assistant":
      case "user":
        return fromMessage(line)
      case "result":
        total = added(total, line)
        messages.clear()
        progress = tasks === 0 ? "final" : "settled"
        return [resultOf(line, total)]
    }
  }

  return {
    counts: "last",
    line: objectLine(fromObject),
    progress: () => progress,
    end: () => []
  }
}
