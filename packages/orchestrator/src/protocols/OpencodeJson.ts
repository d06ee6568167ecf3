import type { AgentEvent } from "@remote-agent/domain"
import { Option, Schema } from "effect"
import { objectLine, type Parser, result, using } from "./Parser.ts"

const Count = Schema.optionalKey(Schema.NullOr(Schema.Finite))

const sessionID = Schema.optionalKey(Schema.String)

const Said = Schema.Struct({ text: Schema.String, messageID: Schema.optionalKey(Schema.String) })

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

/** Reads `opencode run --format json`. The answer is the text of the last message; a tool is told of when it is done. */
export const make = (): Parser => {
  let sessionId: string | undefined
  let message: string | undefined
  let answer = ""
  let steps = 0
  const used = { input: 0, output: 0, cost: 0 }

  // It says 0 of models whose price it does not know.
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

  const fromLine = (line: Found): ReadonlyArray<AgentEvent.AgentEvent> => {
    switch (line.type) {
      case "step_start":
        return []
      case "reasoning":
        return [{ type: "thinking", text: line.part.text }]
      case "text":
        if (message !== line.part.messageID) answer = ""
        message = line.part.messageID
        answer += line.part.text
        return [{ type: "text", text: line.part.text }]
      case "tool_use":
        return fromTool(line)
      case "step_finish": {
        const { cost, reason, tokens } = line.part
        steps += 1
        used.cost += cost ?? 0
        used.input += (tokens?.input ?? 0) + (tokens?.cache?.read ?? 0) + (tokens?.cache?.write ?? 0)
        used.output += (tokens?.output ?? 0) + (tokens?.reasoning ?? 0)
        return [reason === "tool-calls" ? using(spent()) : ending("ok")]
      }
      case "error": {
        const { data, name } = line.error
        const aborted = name === "MessageAbortedError"
        return [ending(aborted ? "aborted" : "error", data?.message ?? name)]
      }
    }
  }

  return {
    counts: "last",
    line: objectLine((object) => {
      const line = Option.getOrUndefined(decodeLine(object))
      return line === undefined ? undefined : [...hello(line.sessionID), ...fromLine(line)]
    }),
    end: () => []
  }
}
