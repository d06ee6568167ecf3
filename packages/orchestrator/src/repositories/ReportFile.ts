/** The report of an answer: a Markdown file with what it answers in its front matter. Pure. */
import type { Agent, Query } from "@remote-agent/domain"
import { DateTime } from "effect"
import { createHash } from "node:crypto"

/** A file in a repository. */
export interface ReportFile {
  /** From the root of the repository. */
  readonly path: string
  readonly content: string
  readonly branch: string
  readonly title: string
  /** Of the pull request. */
  readonly body: string
}

/** The day in UTC, such as `2026-01-31`. */
export const dayOf = (at: DateTime.Utc): string => DateTime.formatIsoDateUtc(at)

const plainWord = (text: string): string => text.replaceAll(/[^A-Za-z0-9_-]+/g, "-")

/** How a branch names an agent: by its name, which is not unique, and the end of its id. */
export const agentWord = ({ id, name }: Pick<Agent.Agent, "id" | "name">): string =>
  `${plainWord(name)}-${id.slice(-6)}`

/** Names a question in a file name: some of its words, and a hash by which no two questions are the same. */
export const slugOf = (question: string): string => {
  const words =
    question
      .normalize("NFKD")
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? []
  let slug = ""
  for (const word of words) {
    if (slug.length + word.length > 48) break
    slug += `${word}-`
  }
  return `${slug}${createHash("sha256").update(question).digest("hex").slice(0, 8)}`
}

/**
 * A YAML string that reads as this text whatever is in it. JSON is YAML, but for what JSON leaves as it is and YAML
 * takes for a line break or refuses.
 */
export const quoted = (text: string): string =>
  JSON.stringify(text).replaceAll(
    /[\u007F-\u009F\u2028\u2029\uFEFF\uFFFE\uFFFF]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** Escapes text for Markdown, so that it is shown as it is and mentions no user. */
const fenced = (text: string): string => {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length))
  const fence = "`".repeat(longest + 1)
  return `${fence}text\n${text}\n${fence}`
}

const titleOf = (question: string): string => {
  const line = question.replaceAll(/\s+/g, " ").trim()
  const characters = Array.from(line)
  return `Report: ${characters.length > 80 ? `${characters.slice(0, 79).join("")}…` : line}`
}

/** The report of an answer that was given at that time. */
export const make = (agent: Agent.Agent, result: Query.QueryResult, at: DateTime.Utc): ReportFile => {
  const { answer, outcome, query, usage } = result
  const [day, slug] = [dayOf(at), slugOf(query)]
  const front: ReadonlyArray<readonly [string, string]> = [
    ["question", quoted(query)],
    ["agent", quoted(agent.name)],
    ["agentId", quoted(agent.id)],
    ["profile", quoted(agent.profile)],
    ["date", quoted(DateTime.formatIso(at))],
    ["outcome", quoted(outcome)],
    ["usage", ""],
    ["  inputTokens", String(usage.inputTokens)],
    ["  outputTokens", String(usage.outputTokens)],
    ["  wallMillis", String(usage.wallMillis)],
    ...(usage.costUsd === undefined ? [] : [["  costUsd", String(usage.costUsd)] as const])
  ]
  const path = `reports/${day}-${slug}.md`
  return {
    path,
    branch: `reports/${day}-${slug}-${agentWord(agent)}`,
    content: [
      "---",
      ...front.map(([name, value]) => `${name}:${value === "" ? "" : ` ${value}`}`),
      "---",
      "",
      answer.trimEnd(),
      ""
    ].join("\n"),
    title: titleOf(query),
    body: `The answer of an agent (profile ${plainWord(agent.profile)}) to\n\n${fenced(query)}\n\nis in \`${path}\`.\n`
  }
}
