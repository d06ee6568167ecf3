import type { Run } from "@remote-agent/domain"
import { Schema } from "effect"
import { jsonText, plain } from "../../../ui/plainText.ts"
import { bold, type Output, red } from "../../../ui/Screen.ts"

/** The format of a file of results. */
export type Format = "jsonl" | "csv"

/** A result as a document: the question and how it ended. */
const document = ({
  agentId,
  answer = "",
  attempts,
  error,
  index,
  outcome,
  queryId,
  text,
  usage
}: Run.Question) => ({
  index,
  query: text,
  outcome,
  answer,
  ...(error === undefined ? {} : { error: { reason: outcome ?? "error", message: error, retryable: false } }),
  attempts,
  ...(queryId === undefined ? {} : { queryId }),
  ...(agentId === undefined ? {} : { agentId }),
  ...(usage === undefined ? {} : { usage: { ...usage } })
})

/** The first line of a CSV file. */
export const header = "index,query,outcome,answer,error,attempts,queryId,agentId\n"

const cell = (value: string | number): string =>
  typeof value === "number" ? String(value) : `"${value.replaceAll('"', '""')}"`

/** A result as a record of a file. */
export const record = (format: Format, question: Run.Question): string => {
  const {
    agentId = "",
    answer,
    attempts,
    error,
    index,
    outcome = "",
    query,
    queryId = ""
  } = document(question)
  return format === "jsonl"
    ? `${jsonText(document(question))}\n`
    : `${[index, query, outcome, answer, error?.message ?? "", attempts, queryId, agentId].map(cell).join(",")}\n`
}

/** A result for people. */
export const toText = (
  output: Output,
  { answer = "", error, index, outcome, text }: Run.Question
): string => {
  const lines =
    outcome === "ok"
      ? plain(answer).split("\n")
      : [red(output, plain(`${outcome}: ${error ?? "no reason was given"}`))]
  return [bold(output, `${index + 1}. ${plain(text)}`), ...lines.map((line) => `   ${line}`)].join("\n")
}

const newline = 0x0a
const quote = 0x22

const IndexLine = Schema.fromJsonString(Schema.Struct({ index: Schema.Int }))
const decodeIndex = Schema.decodeUnknownOption(IndexLine)

/**
 * Finds the results in a file: its complete records, without a last one that was cut off.
 *
 * **Details**
 *
 * `bytes` is the length of the complete part, `records` the number of results in it, and `last` the index of the last
 * one. A line break in quotes does not end a record of CSV.
 */
export const complete = (
  format: Format,
  content: Uint8Array
): { readonly bytes: number; readonly records: number; readonly last: number | undefined } => {
  let [bytes, records, start, quoted] = [0, 0, 0, false]
  for (let at = 0; at < content.length; at++) {
    if (format === "csv" && content[at] === quote) quoted = !quoted
    if (content[at] !== newline || quoted) continue
    start = bytes
    bytes = at + 1
    records++
  }
  const results = format === "csv" ? Math.max(0, records - 1) : records
  if (results === 0) return { bytes, records: results, last: undefined }
  const line = new TextDecoder().decode(content.subarray(start, bytes - 1))
  const parsed = format === "csv" ? Number(line.slice(0, line.indexOf(","))) : decodeIndex(line)
  const last = typeof parsed === "number" ? parsed : parsed._tag === "Some" ? parsed.value.index : undefined
  return { bytes, records: results, last }
}
