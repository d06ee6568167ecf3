import { type AgentEvent, TokenUsage } from "@remote-agent/domain"
import * as JsonLine from "./JsonLine.ts"

/**
 * How far a program is, as its output says.
 *
 * - `open`: it has given no result, or has continued since the last one.
 * - `settled`: it has given a result and nothing since. It may continue.
 * - `final`: it has said that nothing is open any more. Only its process has still to end.
 *
 * @category models
 * @since 0.1.0
 */
export type Progress = "open" | "settled" | "final"

/**
 * Reads the output of one program. A parser has a state of its own and no other input: the same lines give the same
 * events.
 *
 * **Details**
 *
 * A `result` is held back until the program has ended. `counts` says which of several is the result of the query. With
 * `"last"`, a result behind which the program continued is no result: an agent that compacts its context or waits for
 * work in the background ends several times.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parser {
  readonly counts: "first" | "last"
  readonly line: (line: string) => ReadonlyArray<AgentEvent.AgentEvent>
  /** How far the program is. */
  readonly progress: () => Progress
  /** The events that follow from the end of the program when no line gave a result. */
  readonly end: (exitCode: number) => ReadonlyArray<AgentEvent.AgentEvent>
}

/**
 * A line that is not understood, kept as it came.
 *
 * @category events
 * @since 0.1.0
 */
export const raw = (line: string): AgentEvent.AgentEvent => ({ type: "raw", line })

/**
 * Reads a line of JSON objects: `fromObject` turns each into events. An object that `fromObject` does not understand,
 * and the noise around objects, are kept as they came.
 *
 * @category parsing
 * @since 0.1.0
 */
export const objectLine =
  (fromObject: (object: JsonLine.JsonObject) => ReadonlyArray<AgentEvent.AgentEvent> | undefined) =>
  (line: string): ReadonlyArray<AgentEvent.AgentEvent> => {
    const pieces = JsonLine.pieces(line)
    const [only] = pieces
    if (only === undefined || (pieces.length === 1 && only._tag === "Noise")) return [raw(line)]
    return pieces.flatMap((piece) => {
      if (piece._tag === "Noise") return [raw(piece.text)]
      return fromObject(piece.object) ?? [raw(pieces.length === 1 ? line : JSON.stringify(piece.object))]
    })
  }

/**
 * The parts of a result. A missing error text follows from the outcome.
 *
 * @category models
 * @since 0.1.0
 */
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

/** Limits an amount to the range of `TokenUsage`. */
const bounded = (amount: number): number =>
  Number.isFinite(amount) ? Math.min(Math.max(amount, 0), Number.MAX_SAFE_INTEGER) : 0

/**
 * Limits a count to an integer in the range of `TokenUsage`.
 *
 * @category numbers
 * @since 0.1.0
 */
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

/**
 * The event for the usage of an agent so far.
 *
 * @category events
 * @since 0.1.0
 */
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

/**
 * The event for a result. A blank answer with the outcome `ok` becomes the outcome `empty`.
 *
 * @category events
 * @since 0.1.0
 */
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
