import { type AgentEvent, Redactor, type Profile, TokenUsage } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Clock, Effect, Redacted } from "effect"
import * as ClaudeStreamJson from "./ClaudeStreamJson.ts"
import * as CodexJsonl from "./CodexJsonl.ts"
import { type Line, LineBuffer } from "./LineBuffer.ts"
import * as EventRedactor from "./eventRedactor.ts"
import * as OpencodeJson from "./OpencodeJson.ts"
import { type Parser, raw } from "./Parser.ts"
import * as PlainOutput from "./PlainOutput.ts"
import * as RunnerJsonl from "./RunnerJsonl.ts"

/**
 * Makes the result of a query whose agent gave none, with the usage so far.
 *
 * @category constructors
 * @since 0.1.0
 */
export const failedResult = (
  outcome: AgentEvent.Outcome,
  error: string,
  wallMillis: number,
  used: TokenUsage.TokenUsage = TokenUsage.zero,
  limit?: AgentEvent.Limit
): AgentEvent.ResultEvent => ({
  type: "result",
  outcome,
  answer: "",
  error,
  ...(limit === undefined ? {} : { limit }),
  usage: new TokenUsage.TokenUsage({ ...used, wallMillis })
})

/**
 * The options of a reader.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Pick<Profile.RunSpec, "protocol" | "jsonPath"> {
  /** Secrets that are redacted in every event. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
}

/**
 * Reads one run of a program.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventReader {
  /** Returns the events that follow from the output or the exit of the program. */
  readonly read: (
    event: Sandbox.ProcessEvent,
    /** How many of its results count, of a program that has ended; all when absent. See {@link results}. */
    counted?: number
  ) => Effect.Effect<ReadonlyArray<AgentEvent.AgentEvent>>
  /** Whether the program has said that nothing is open any more, so that only its process has to end. */
  readonly concluded: () => boolean
  /** The number of results that the program has given so far. */
  readonly results: () => number
  /** The request that the agent was retrying at its last event, if it was. */
  readonly retrying: () => string | undefined
  /** Whether one of the first `counted` results is the result of the query: the program did not continue after it. */
  readonly answered: (counted: number) => boolean
}

/**
 * The length of a line that is read, in UTF-16 units. The rest of a longer line is left out, with a notice.
 *
 * @category constants
 * @since 0.1.0
 */
export const longestLine = 8 * 1024 * 1024

/** The length of a text in an event other than the result. */
const longestText = 64 * 1024

/**
 * Whether a result counts the tokens of its whole session.
 *
 * @category predicates
 * @since 0.1.0
 */
export const countsSessions = (protocol: Profile.Protocol): boolean => protocol === "codex-jsonl"

const parserFor = ({ jsonPath, protocol }: Options): Parser => {
  switch (protocol) {
    case "runner-jsonl":
      return RunnerJsonl.make()
    case "claude-stream-json":
      return ClaudeStreamJson.make()
    case "codex-jsonl":
      return CodexJsonl.make()
    case "opencode-json":
      return OpencodeJson.make()
    case "text":
      return PlainOutput.text()
    case "json-path":
      return PlainOutput.jsonPath(jsonPath ?? { answer: "$" })
  }
}

const crashed = (exitCode: number, wentOn: boolean): string => {
  const [killed, without] = wentOn
    ? ["before it was done", "before it was done: it had continued after a first result"]
    : ["before it gave a result", "and without a result"]
  return exitCode === -1
    ? `The agent was killed ${killed}.`
    : `The agent ended with exit code ${exitCode} ${without}.`
}

const cutNotice: AgentEvent.AgentEvent = {
  type: "notice",
  text: `A line of the output is longer than ${longestLine / 1024 / 1024} MiB. Only its beginning was read.`
}

const shortened = (text: string): string =>
  text.length > longestText ? `${text.slice(0, longestText).toWellFormed()} … (cut)` : text

/** Keeps the end of standard error, which is shown when there is no result. */
const makeErrorTail = (redact: (text: string) => string) => {
  const keptLength = 2000
  const lines = new LineBuffer(longestText)
  let kept = ""
  // Redacted line by line before anything is cut: a cut could leave a part of a secret that is not recognised.
  const keep = ({ cut, text }: Line) => {
    kept = `${kept}${cut ? "(a long line)" : redact(text)}\n`.slice(-keptLength)
  }
  return {
    push: (text: string) => lines.push(text).forEach(keep),
    end: () => {
      keep(lines.end())
      return kept.trim()
    }
  }
}

/** Tracks which request the agent retries. Any other event shows that the request succeeded. */
const makeRetryTracker = () => {
  let attempt: string | undefined
  let current: string | undefined
  return {
    current: () => current,
    follow: (event: AgentEvent.AgentEvent): void => {
      switch (event.type) {
        case "retry": {
          const status = event.status === undefined ? "" : ` after status ${event.status}`
          attempt = current = `attempt ${event.attempt}${status}`
          return
        }
        case "notice":
          // The text that belongs to the attempt before it.
          if (attempt !== undefined) current = `${attempt}: ${event.text}`
          return
        case "raw":
        case "usage":
          return
        default:
          attempt = current = undefined
      }
    }
  }
}

/**
 * Makes a reader that turns the output and the exit of a program into events.
 *
 * **Details**
 *
 * The same bytes give the same events, however they are split, except for the time in `usage`. The result is the last
 * event: it is held back until the program has ended. A program that ends without a result has crashed, also with exit
 * code 0, and the end of its standard error comes before the result.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<EventReader> {
  const started = yield* Clock.currentTimeMillis
  const buffer = new LineBuffer(longestLine)
  const parser = parserFor(options)
  const redact = Redactor.make((options.secrets ?? []).map((secret) => Redacted.value(secret)))
  const redacted = EventRedactor.make(redact)
  const tidied = EventRedactor.make((text) => shortened(redact(text)))
  const results: Array<AgentEvent.ResultEvent> = []
  /** The number of results after which the program continued. They are not the result of the query. */
  let passed = 0
  let used = TokenUsage.zero
  const errors = makeErrorTail(redact)
  const retries = makeRetryTracker()

  const shown = (events: ReadonlyArray<AgentEvent.AgentEvent>): ReadonlyArray<AgentEvent.AgentEvent> =>
    events.flatMap((event) => {
      if (event.type === "usage") ({ usage: used } = event)
      if (event.type !== "result") {
        const tidy = tidied(event)
        retries.follow(tidy)
        return [tidy]
      }
      results.push(event)
      return []
    })

  const readWhole = (text: string): ReadonlyArray<AgentEvent.AgentEvent> => {
    if (text.trim() === "" && options.protocol !== "text") return []
    const events = shown(parser.line(text))
    if (parser.counts === "last" && parser.progress() === "open") passed = results.length
    return events
  }

  const readLine = ({ cut, text }: Line): ReadonlyArray<AgentEvent.AgentEvent> =>
    cut ? [...readCut(text), cutNotice] : readWhole(text)

  /** The beginning of a line belongs to an output that is text. In JSON it is noise. */
  const readCut = (text: string): ReadonlyArray<AgentEvent.AgentEvent> =>
    options.protocol === "text" ? readWhole(text) : shown([raw(text)])

  const resultOf = (counted: number): AgentEvent.ResultEvent | undefined => {
    const own = results.slice(0, counted)
    return parser.counts === "first" ? own.at(0) : own.length > passed ? own.at(-1) : undefined
  }

  /** The usage that was reported last. A result that does not count reports it too. */
  const spent = (): TokenUsage.TokenUsage => {
    const last = results.at(-1)?.usage
    return last === undefined || TokenUsage.totalTokens(used) > TokenUsage.totalTokens(last) ? used : last
  }

  const ended = (
    exitCode: number,
    wallMillis: number,
    counted: number
  ): ReadonlyArray<AgentEvent.AgentEvent> => {
    const rest = buffer.end()
    const last = rest.text === "" ? [] : readLine(rest)
    const more = results.length === 0 ? shown(parser.end(exitCode)) : []
    const result = resultOf(counted)
    const found = result ?? failedResult("crash", crashed(exitCode, passed > 0), wallMillis, spent())
    const stderr = errors.end()
    const words = result === undefined || result.outcome === "error" ? stderr : ""
    const notice: ReadonlyArray<AgentEvent.AgentEvent> =
      words === "" ? [] : [{ type: "notice", text: `standard error: ${words}` }]
    const usage =
      found.usage.wallMillis > 0 ? found.usage : new TokenUsage.TokenUsage({ ...found.usage, wallMillis })
    return [...last, ...more, ...notice, { ...redacted(found), usage }]
  }

  const read: EventReader["read"] = Effect.fnUntraced(function* (event, counted = Infinity) {
    switch (event._tag) {
      case "Stdout":
        return buffer.push(event.text).flatMap(readLine)
      case "Stderr":
        errors.push(event.text)
        return []
      case "Exit":
        return ended(event.exitCode, (yield* Clock.currentTimeMillis) - started, counted)
      case "Started":
        return []
    }
  })
  return {
    read,
    concluded: () => parser.progress() === "final",
    results: () => results.length,
    retrying: retries.current,
    answered: (counted) => resultOf(counted) !== undefined
  }
})
