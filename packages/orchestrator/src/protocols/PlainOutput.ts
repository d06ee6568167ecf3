import type { AgentEvent, Profile } from "@remote-agent/domain"
import { Option, Schema } from "effect"
import * as JsonLine from "./JsonLine.ts"
import { type Parser, result } from "./Parser.ts"

/** How many UTF-16 units of an answer are kept. */
const most = 8 * 1024 * 1024

const ended = (exitCode: number): string =>
  exitCode === -1 ? "The program was killed." : `The program ended with exit code ${exitCode}.`

/** Text of which the beginning is kept. */
class Kept {
  #pieces: Array<string> = []
  #size = 0

  add(line: string): void {
    if (this.#size >= most) return
    const kept = line.slice(0, most - this.#size)
    this.#pieces.push(kept)
    this.#size += kept.length + 1
  }

  get text(): string {
    return this.#pieces.join("\n").trim()
  }
}

/** Reads a program whose whole output is the answer, and whose exit code says whether there is one. */
export const text = (): Parser => {
  const kept = new Kept()
  return {
    counts: "first",
    line: (line) => {
      const said = JsonLine.plain(line)
      kept.add(said)
      return said.trim() === "" ? [] : [{ type: "text", text: said }]
    },
    end: (exitCode) => {
      if (exitCode === -1) return []
      return [
        exitCode === 0
          ? result({ outcome: "ok", answer: kept.text })
          : result({ outcome: "error", error: ended(exitCode) })
      ]
    }
  }
}

const steps = (path: string): ReadonlyArray<string> =>
  path
    .slice(1)
    .split(/[.[\]]+/)
    .filter((step) => step !== "")

/** What is at a path of a JSON document, if anything is. */
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

/** The JSON document in an output: all of it, else the last line that is one, else what begins with the first brace. */
const document = (output: string): Schema.Json | undefined => {
  const whole = Option.getOrUndefined(decode(output))
  if (whole !== undefined) return whole
  const last = JsonLine.read(output.slice(output.lastIndexOf("\n") + 1))
  if (last !== undefined) return last.object
  const from = output.search(/^[{[]/m)
  return from === -1 ? undefined : Option.getOrUndefined(decode(output.slice(from)))
}

/** Reads a program that prints a JSON document, in which paths name the answer and what goes with it. */
export const jsonPath = (paths: NonNullable<Profile.RunSpec["jsonPath"]>): Parser => {
  const kept = new Kept()
  const ending = (exitCode: number): AgentEvent.ResultEvent => {
    const found = document(kept.text)
    if (found === undefined) {
      return exitCode === 0
        ? result({ outcome: "error", error: "The program printed no JSON document." })
        : result({ outcome: "error", error: ended(exitCode) })
    }
    const [answer, error] = [words(at(paths.answer, found)), words(paths.error && at(paths.error, found))]
    const sessionId = words(paths.session && at(paths.session, found))
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
    end: (exitCode) => (exitCode === -1 ? [] : [ending(exitCode)])
  }
}
