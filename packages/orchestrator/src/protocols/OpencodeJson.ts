import type { AgentEvent } from "@remote-agent/domain"
import { Option, Schema } from "effect"
import type { JsonObject } from "./JsonLine.ts"
import { objectLine, type Parser, type Progress, raw, result, using } from "./Parser.ts"

const Count = Schema.optionalKey(Schema.NullOr(Schema.Finite))

const sessionID = Schema.optionalKey(Schema.String)

const Flag = Schema.optionalKey(Schema.NullOr(Schema.Boolean))

const Said = Schema.Struct({
  text: Schema.String,
  messageID: Schema.optionalKey(Schema.String),
  /** Present on the parts that opencode writes in the name of the user. */
  synthetic: Flag,
  ignored: Flag
})

const Line = Schema.Union([
  Schema.Struct({ type: Schema.Literal("step_start"), sessionID }),
  Schema.Struct({ type: Schema.Literals(["text", "reasoning"]), sessionID, part: Said }),
  Schema.Struct({
    type: Schema.Literal("tool_use"),
    sessionID,
    part: Schema.Struct({
      tool: Schema.String,
      callID: Schema.String,
      state: Schema.Struct({
        status: Schema.String,
        input: Schema.optionalKey(Schema.Json),
        output: Schema.optionalKey(Schema.Json),
        error: Schema.optionalKey(Schema.Json)
      })
    })
  }),
  Schema.Struct({
    type: Schema.Literal("step_finish"),
    sessionID,
    part: Schema.Struct({
      reason: Schema.optionalKey(Schema.String),
      cost: Count,
      tokens: Schema.optionalKey(
        Schema.Struct({
          input: Count,
          output: Count,
          reasoning: Count,
          cache: Schema.optionalKey(Schema.Struct({ read: Count, write: Count }))
        })
      )
    })
  }),
  Schema.Struct({
    type: Schema.Literal("error"),
    sessionID,
    error: Schema.Struct({
      name: Schema.optionalKey(Schema.String),
      data: Schema.optionalKey(Schema.Struct({ message: Schema.optionalKey(Schema.String) }))
    })
  })
])

const decodeLine = Schema.decodeUnknownOption(Line)

type Found = typeof Line.Type
type ToolUse = Extract<Found, { readonly type: "tool_use" }>

const fromTool = ({
  part: { callID: callId, state, tool }
}: ToolUse): ReadonlyArray<AgentEvent.AgentEvent> => {
  const data = state.status === "error" ? state.error : state.output
  return [
    { type: "tool_start", tool, callId, ...(state.input === undefined ? {} : { data: state.input }) },
    {
      type: state.status === "error" ? "tool_error" : "tool_end",
      tool,
      callId,
      ...(data === undefined ? {} : { data })
    }
  ]
}

/**
 * Reads `opencode run --format json`.
 *
 * **Details**
 *
 * The answer is the text of the last message. A step that stops is a result, and not yet the end: opencode continues in
 * the same session after it has compacted its context. It does not report that it is done, so only the end of its
 * process is the end. A tool is reported when it is done.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Parser => {
  let progress: Progress = "open"
  let sessionId: string | undefined
  let message: string | undefined
  let answer = ""
  let steps = 0
  const used = { input: 0, output: 0, cost: 0 }

  // The cost of a model without a known price is 0.
  const spent = () => ({
    inputTokens: used.input,
    outputTokens: used.output,
    costUsd: used.cost === 0 ? undefined : used.cost
  })

  const ending = (outcome: AgentEvent.Outcome, error?: string) =>
    result({
      outcome,
      answer,
      error,
      sessionId,
      iterations: steps,
      ...spent()
    })

  const hello = (id: string | undefined): ReadonlyArray<AgentEvent.AgentEvent> => {
    if (id === undefined || sessionId !== undefined) return []
    sessionId = id
    return [
      { type: "ready", agent: "opencode" },
      { type: "session", sessionId: id }
    ]
  }

  /** Reports the usage so far when opencode continues after a result, which budgets did not see. */
  const goesOn = (): ReadonlyArray<AgentEvent.AgentEvent> => {
    const wasSettled = progress === "settled"
    progress = "open"
    return wasSettled ? [using(spent())] : []
  }

  const settle = (event: AgentEvent.AgentEvent): ReadonlyArray<AgentEvent.AgentEvent> => {
    progress = "settled"
    return [event]
  }

  const fromLine = (line: Found, object: JsonObject): ReadonlyArray<AgentEvent.AgentEvent> => {
    switch (line.type) {
      case "step_start":
        return goesOn()
      case "reasoning":
        return [...goesOn(), { type: "thinking", text: line.part.text }]
      case "text": {
        const before = goesOn()
        // Words in the name of the user.
        if (line.part.synthetic === true || line.part.ignored === true) {
          return [...before, raw(JSON.stringify(object))]
        }
        if (message !== line.part.messageID) answer = ""
        message = line.part.messageID
        answer += line.part.text
        return [...before, { type: "text", text: line.part.text }]
      }
      case "tool_use":
        return [...goesOn(), ...fromTool(line)]
      case "step_finish": {
        const { cost, reason, tokens } = line.part
        steps += 1
        used.cost += cost ?? 0
        used.input += (tokens?.input ?? 0) + (tokens?.cache?.read ?? 0) + (tokens?.cache?.write ?? 0)
        used.output += (tokens?.output ?? 0) + (tokens?.reasoning ?? 0)
        if (reason !== "tool-calls") return settle(ending("ok"))
        progress = "open"
        return [using(spent())]
      }
      case "error": {
        const { data, name } = line.error
        const aborted = name === "MessageAbortedError"
        return settle(ending(aborted ? "aborted" : "error", data?.message ?? name))
      }
    }
  }

  return {
    counts: "last",
    line: objectLine((object) => {
      const line = Option.getOrUndefined(decodeLine(object))
      return line === undefined ? undefined : [...hello(line.sessionID), ...fromLine(line, object)]
    }),
    progress: () => progress,
    end: () => []
  }
}
