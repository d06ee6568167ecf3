import type { AgentEvent } from "@remote-agent/domain"
import { Option, Schema } from "effect"
import type { JsonObject } from "./JsonLine.ts"
import { objectLine, type Parser, result } from "./Parser.ts"

const Item = Schema.StructWithRest(Schema.Struct({ id: Schema.String, type: Schema.String }), [
  Schema.Record(Schema.String, Schema.Json)
])
type Item = typeof Item.Type

const Count = Schema.optionalKey(Schema.Finite)

const Line = Schema.Union([
  Schema.Struct({ type: Schema.Literal("thread.started"), thread_id: Schema.String }),
  Schema.Struct({ type: Schema.Literal("turn.started") }),
  Schema.Struct({
    type: Schema.Literals(["item.started", "item.updated", "item.completed"]),
    item: Item
  }),
  Schema.Struct({ type: Schema.Literal("error"), message: Schema.String }),
  Schema.Struct({
    type: Schema.Literal("turn.completed"),
    usage: Schema.optionalKey(Schema.NullOr(Schema.Struct({ input_tokens: Count, output_tokens: Count })))
  }),
  Schema.Struct({
    type: Schema.Literal("turn.failed"),
    error: Schema.optionalKey(Schema.NullOr(Schema.Struct({ message: Schema.optionalKey(Schema.String) })))
  })
])

const decodeLine = Schema.decodeUnknownOption(Line)

const tools = new Set(["command_execution", "file_change", "mcp_tool_call", "web_search", "collab_tool_call"])

const string = (value: Schema.Json | undefined): string | undefined =>
  typeof value === "string" ? value : undefined

const failed = (item: Item): boolean =>
  item["status"] === "failed" ||
  item["status"] === "declined" ||
  (typeof item["exit_code"] === "number" && item["exit_code"] !== 0)

const fromTool = (
  when: "item.started" | "item.updated" | "item.completed",
  item: Item
): AgentEvent.AgentEvent => {
  const { id, type, ...data } = item
  const happened =
    when === "item.started" ? "tool_start" : when === "item.updated" ? "tool_progress" : "tool_end"
  return {
    type: happened === "tool_end" && failed(item) ? "tool_error" : happened,
    tool: string(item["tool"]) ?? type,
    callId: id,
    data
  }
}

const reconnecting = /^Reconnecting\.\.\. (\d{1,6})\/(\d{1,6})/

const fromError = (message: string): AgentEvent.AgentEvent => {
  const [, attempt, max] = reconnecting.exec(message) ?? []
  return attempt === undefined
    ? { type: "notice", text: message }
    : { type: "retry", attempt: Number(attempt), max: Number(max) }
}

/**
 * Reads `codex exec --json`.
 *
 * **Details**
 *
 * The answer is the last message of the agent. Codex calls some warnings errors: only a failed turn is a failure. The
 * end of a turn says that nothing is open, unless an item is still running or another turn begins. Codex counts the
 * tokens of the whole session.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Parser => {
  const running = new Set<string>()
  let isDone = false
  let sessionId: string | undefined
  let answer = ""
  let problem: string | undefined

  const fromItem = (
    when: "item.started" | "item.updated" | "item.completed",
    item: Item
  ): AgentEvent.AgentEvent | undefined => {
    if (tools.has(item.type)) return fromTool(when, item)
    if (when !== "item.completed") return undefined
    const text = string(item["text"]) ?? string(item["message"])
    if (text === undefined) return undefined
    switch (item.type) {
      case "agent_message":
        answer = text
        return { type: "text", text }
      case "reasoning":
        return { type: "thinking", text }
      case "error":
        return { type: "notice", text }
    }
    return undefined
  }

  const fromObject = (object: JsonObject): ReadonlyArray<AgentEvent.AgentEvent> | undefined => {
    const line = Option.getOrUndefined(decodeLine(object))
    if (line === undefined) return undefined
    switch (line.type) {
      case "thread.started":
        sessionId = line.thread_id
        return [
          { type: "ready", agent: "codex" },
          { type: "session", sessionId }
        ]
      case "turn.started":
        isDone = false
        return []
      case "error":
        problem = line.message
        return [fromError(line.message)]
      case "turn.completed":
        isDone = true
        return [
          result({
            outcome: "ok",
            answer,
            sessionId,
            inputTokens: line.usage?.input_tokens,
            outputTokens: line.usage?.output_tokens
          })
        ]
      case "turn.failed":
        isDone = true
        return [result({ outcome: "error", error: line.error?.message ?? problem, sessionId })]
      default: {
        if (line.type === "item.completed") running.delete(line.item.id)
        else running.add(line.item.id)
        const event = fromItem(line.type, line.item)
        return event === undefined ? undefined : [event]
      }
    }
  }

  return {
    counts: "last",
    line: objectLine(fromObject),
    progress: () => (isDone ? (running.size === 0 ? "final" : "settled") : "open"),
    end: () => (problem === undefined ? [] : [result({ outcome: "error", error: problem, sessionId })])
  }
}
