import type { AgentEvent, Profile } from "@remote-agent/domain"
import { Option, Schema } from "effect"
import * as JsonLine from "./JsonLine.ts"
import { type Parser, result } from "./Parser.ts"

/** The length of an output that is kept, in UTF-16 units. */
const longestOutput = 8 * 1024 * 1024

const ended = (exitCode: number): string =>
  exitCode === -1 ? "The program was killed." : `The program ended with exit code ${exitCode}.`

const cutNotice = (rest: string): AgentEvent.AgentEvent => ({
  type: "notice",
  text: `The output is longer than ${longestOutput / 1024 / 1024} MiB. ${rest}`
})

/** Keeps the beginning of a text. */
class Kept {
  #pieces: Array<string> = []
  #size = 0
  #isCut = false

  add(line: string): void {
    const room = longestOutput - this.#size
    if (line.length > room) this.#isCut = true
    if (room <= 0) return
    const kept = line.slice(0, room)
    this.#pieces.push(kept)
    this.#size += kept.length + 1
  }

  /** Whether something was left out. */
  get isCut(): boolean {
    return this.#isCut
  }

  get text(): string {
    return this.#pieces.join("\n").trim().toWellFormed()
  }
}

/**
 * Reads a program whose whole output is the answer. Its exit code says whether it succeeded.
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (): Parser => {
  const kept = new Kept()
  return {
    counts: "first",
    line: (line) => {
      const said = JsonLine.plain(line)
      kept.add(said)
      return said.trim() === "" ? [] : [{ type: "text", text: said }]
    },
    progress: () => "open",
    end: (exitCode) => {
      if (exitCode === -1) return []
      if (exitCode !== 0) return [result({ outcome: "error", error: ended(exitCode) })]
      const answer = result({ outcome: "ok", answer: kept.text })
      return kept.isCut ? [cutNotice("The answer is its beginning."), answer] : [answer]
    }
  }
}

const steps = (path: string): ReadonlyArray<string> =>
  path
    .slice(1)
    .split(/[.[\]]+/)
    .filter((step) => step !== "")

/**
 * The value at a path of a JSON document, such as `$.a[0].b`. Returns undefined when there is none.
 *
 * @category parsing
 * @since 0.1.0
 */
export const at = (path: string, document: Schema.Json): Schema.Json | undefined => {
  let here: Schema.Json | undefined = document
  for (const step of steps(path)) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, step)) return undefined
    here = (here as Readonly<Record<string, Schema.Json>>)[step]
  }
  return here
}

const words = (value: Schema.Json | undefined): string | undefined => {
  if (value === undefined || value === null || value === false || value === "") return undefined
  return typeof value === "string" ? value : JSON.stringify(value)
}

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

const start = /^[{[]/gm

/** How many places of an output are tried for the beginning of a document, and how many that do not end. */
const attempts = 1000
const endless = 20

/**
 * The JSON documents of an output, in their order: the whole output; else everything that begins with a bracket at the
 * beginning of a line; else the objects in its lines.
 */
const documents = (output: string): ReadonlyArray<Schema.Json> => {
  const whole = Option.toArray(decode(output))
  if (whole.length > 0) return whole
  const found: Array<Schema.Json> = []
  let [behind, failures] = [0, 0]
  for (const { index } of Array.from(output.matchAll(start)).slice(-attempts)) {
    if (index < behind || failures > endless) continue
    const end = JsonLine.endOf(output, index)
    if (end === undefined) failures++
    const document = end === undefined ? Option.none() : decode(output.slice(index, end))
    if (end === undefined || Option.isNone(document)) continue
    found.push(document.value)
    behind = end
  }
  if (found.length > 0) return found
  return output
    .split("\n")
    .slice(-attempts)
    .flatMap((line) =>
      JsonLine.pieces(line).flatMap((piece) => (piece._tag === "Object" ? [piece.object] : []))
    )
}

/**
 * Reads a program that prints a JSON document, in which paths name the answer, the error and the session.
 *
 * **Details**
 *
 * Of several documents the last one counts in which one of the paths leads to something. Noise around a document is
 * ignored.
 *
 * @category constructors
 * @since 0.1.0
 */
export const jsonPath = (paths: NonNullable<Profile.RunSpec["jsonPath"]>): Parser => {
  const kept = new Kept()
  const read = (document: Schema.Json) => ({
    answer: words(at(paths.answer, document)),
    error: words(paths.error && at(paths.error, document)),
    sessionId: words(paths.session && at(paths.session, document))
  })
  const ending = (exitCode: number): AgentEvent.ResultEvent => {
    const all = documents(kept.text).map(read)
    const found =
      all.findLast(({ answer, error }) => answer !== undefined || error !== undefined) ?? all.at(-1)
    if (found === undefined) {
      return exitCode === 0
        ? result({ outcome: "error", error: "The program printed no JSON document." })
        : result({ outcome: "error", error: ended(exitCode) })
    }
    const { answer, error, sessionId } = found
    if (error !== undefined) return result({ outcome: "error", error, sessionId })
    if (exitCode !== 0) return result({ outcome: "error", error: ended(exitCode), sessionId })
    return result({ outcome: "ok", answer, sessionId })
  }
  return {
    counts: "first",
    line: (line) => {
      kept.add(JsonLine.plain(line))
      return []
    },
    progress: () => "open",
    end: (exitCode) => {
      if (exitCode === -1) return []
      const last = ending(exitCode)
      return kept.isCut ? [cutNotice("Only its beginning was read."), last] : [last]
    }
  }
}
