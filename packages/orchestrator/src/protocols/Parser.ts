import { type AgentEvent, TokenUsage } from "@remote-agent/domain"
import * as JsonLine from "./JsonLine.ts"

/**
 * Reads one output. It has a state of its own and no other input: the same lines give the same events.
 *
 * A `result` that it gives is held back until the program has ended; of several, `counts` says which one counts.
 */
export interface Parser {
  readonly counts: "first" | "last"
  readonly line: (line: string) => ReadonlyArray<AgentEvent.AgentEvent>
  /** What there is to say once the program has ended, when no line gave a result. */
  readonly end: (exitCode: number) => ReadonlyArray<AgentEvent.AgentEvent>
}

/** A line that is not understood, kept as it came. */
export const raw = (line: string): AgentEvent.AgentEvent => ({ type: "raw", line })

/**
 * Reads a line that should be a JSON object, with what `fromObject` makes of the object. Noise before it, and a line
 * that is not understood, are kept as they came.
 */
export const objectLine =
  (fromObject: (object: JsonLine.JsonObject) => ReadonlyArray<AgentEvent.AgentEvent> | undefined) =>
  (line: string): ReadonlyArray<AgentEvent.AgentEvent> => {
    const found = JsonLine.read(line)
    const events = found === undefined ? undefined : fromObject(found.object)
    if (found === undefined || events === undefined) return [raw(line)]
    return found.before === "" ? events : [raw(found.before), ...events]
  }

/** What a result is made of. Text that is missing is made up from the outcome. */
export interface Ending {
  readonly outcome: AgentEvent.Outcome
  readonly answer?: string | undefined
  readonly error?: string | undefined
  readonly sessionId?: string | undefined
  readonly iterations?: number | undefined
  readonly inputTokens?: number | undefined
  readonly outputTokens?: number | undefined
  readonly costUsd?: number | undefined
  readonly wallMillis?: number | undefined
}

/** An amount as `Usage` keeps it: no larger than a number can count. */
const bounded = (amount: number): number =>
  Number.isFinite(amount) ? Math.min(Math.max(amount, 0), Number.MAX_SAFE_INTEGER) : 0

/** The same as a whole number. */
export const whole = (count: number): number => Math.trunc(bounded(count))

const wordsFor = (outcome: AgentEvent.Outcome): string | undefined => {
  switch (outcome) {
    case "ok":
      return undefined
    case "empty":
      return "The agent finished without an answer."
    case "denied":
      return "The agent asked for something that it was not allowed to do, and gave up."
    default:
      return `The agent ended with the outcome ${outcome}.`
  }
}

/** What an agent has used until now. */
export const using = ({
  costUsd,
  inputTokens = 0,
  outputTokens = 0
}: Pick<Ending, "costUsd" | "inputTokens" | "outputTokens">): AgentEvent.AgentEvent => ({
  type: "usage",
  usage: usageOf({ costUsd, inputTokens, outputTokens, wallMillis: 0 })
})

const usageOf = ({
  costUsd,
  inputTokens,
  outputTokens,
  wallMillis
}: {
  readonly costUsd: number | undefined
  readonly inputTokens: number
  readonly outputTokens: number
  readonly wallMillis: number
}): TokenUsage.TokenUsage =>
  new TokenUsage.TokenUsage({
    inputTokens: whole(inputTokens),
    outputTokens: whole(outputTokens),
    wallMillis: bounded(wallMillis),
    ...(costUsd === undefined ? {} : { costUsd: bounded(costUsd) })
  })

/** The result. An agent that calls silence a success has not answered: that is `empty`. */
export const result = (ending: Ending): AgentEvent.ResultEvent => {
  const {
    answer = "",
    costUsd,
    inputTokens = 0,
    iterations,
    outputTokens = 0,
    sessionId,
    wallMillis = 0
  } = ending
  const outcome = ending.outcome === "ok" && answer.trim() === "" ? "empty" : ending.outcome
  const error = outcome === "ok" ? undefined : ending.error || wordsFor(outcome)
  return {
    type: "result",
    outcome,
    answer: outcome === "ok" ? answer : "",
    ...(error === undefined ? {} : { error }),
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(iterations === undefined ? {} : { iterations: whole(iterations) }),
    usage: usageOf({ costUsd, inputTokens, outputTokens, wallMillis })
  }
}
