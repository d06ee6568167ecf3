import { type AgentEvent, Usage } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Clock, Effect } from "effect"
import * as RunnerJsonl from "./RunnerJsonl.ts"

/** The result of a query whose agent gave none. */
export const failedResult = (
  outcome: AgentEvent.Outcome,
  error: string,
  wallMillis: number
): AgentEvent.ResultEvent => ({
  type: "result",
  outcome,
  answer: "",
  error,
  usage: new Usage.Usage({ ...Usage.zero, wallMillis })
})

/** Puts text that comes in pieces together into lines. A line is looked at once, however many pieces it has. */
class LineBuffer {
  #pieces: Array<string> = []

  /** The lines that `text` completes. */
  push(text: string): ReadonlyArray<string> {
    const [head = "", ...rest] = text.split("\n")
    this.#pieces.push(head)
    const last = rest.pop()
    if (last === undefined) return []
    const first = this.#pieces.join("")
    this.#pieces = [last]
    return [first, ...rest]
  }

  /** What is left when no more text will come. */
  end(): string {
    const rest = this.#pieces.join("")
    this.#pieces = []
    return rest
  }
}

const crashed = (exitCode: number): string =>
  exitCode === -1
    ? "The agent was killed before it gave a result."
    : `The agent ended with exit code ${exitCode} and without a result.`

/**
 * Turns what a program does into events. The result, of which the first counts, waits until the program has ended,
 * so that it is the last event; a program that ends without one has crashed, whatever its exit code says.
 */
export const make = Effect.gen(function* () {
  const started = yield* Clock.currentTimeMillis
  const buffer = new LineBuffer()
  let result: AgentEvent.ResultEvent | undefined

  const parse = (lines: ReadonlyArray<string>): ReadonlyArray<AgentEvent.AgentEvent> =>
    lines.flatMap(RunnerJsonl.parse).filter((event) => {
      if (event.type !== "result") return true
      result ??= event
      return false
    })

  return Effect.fnUntraced(function* (event: Sandbox.ProcessEvent) {
    if (event._tag === "Stdout") return parse(buffer.push(event.text))
    if (event._tag !== "Exit") return []
    const last = parse([buffer.end()])
    const wallMillis = (yield* Clock.currentTimeMillis) - started
    return [...last, result ?? failedResult("crash", crashed(event.exitCode), wallMillis)]
  })
})
