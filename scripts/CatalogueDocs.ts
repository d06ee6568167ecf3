/** Generates the catalogue of events, spans and metrics from the code. */
import { AgentEvent } from "@remote-agent/domain"
import type { SchemaAST } from "effect"
import { readdir, readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const folders = ["sandbox", "github", "orchestrator", "cli"]

const sources = async (folder: string): Promise<ReadonlyArray<string>> => {
  const path = fileURLToPath(new URL(`../packages/${folder}/src/`, import.meta.url))
  const names = (await readdir(path, { recursive: true })).filter((name) => name.endsWith(".ts"))
  return Promise.all(names.toSorted().map((name) => readFile(`${path}${name}`, "utf8")))
}

const cell = (text: string) => text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").trim()

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

const literalOf = (ast: SchemaAST.AST): string => (ast._tag === "Literal" ? String(ast.literal) : "")

/** The JSDoc of the schema of an event. */
const commentOn = (source: string, type: string): string => {
  const [before = ""] = source.split(`Schema.Literal("${type}")`)
  const [, comment = ""] =
    /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*export const (?:(?!\/\*\*)[^])*$/.exec(before) ?? []
  return cell(comment.replaceAll(/^\s*\*/gm, ""))
}

const events = async (): Promise<string> => {
  const source = await readFile(
    fileURLToPath(new URL("../packages/domain/src/agent/AgentEvent.ts", import.meta.url)),
    "utf8"
  )
  const rows = AgentEvent.AgentEvent.members.map(({ fields }) => {
    const type = literalOf(fields.type.ast)
    const others = Object.keys(fields).filter((name) => name !== "type")
    return [`\`${type}\``, commentOn(source, type), others.map((name) => `\`${name}\``).join(", ")]
  })
  return table(["event", "when", "fields"], rows)
}

const spans = (all: ReadonlyArray<string>): string => {
  const found = all.flatMap((source) =>
    [...source.matchAll(/(?:Effect\.fn|withSpan)\((?:[^"`]*,)?\s*["`]([A-Z]\w*)\.([\w.${}]+)["`]/g)].map(
      ([, service = "", method = ""]) => [service, method.replace(/\$\{(\w+)\}/, "<$1>")] as const
    )
  )
  const services = [...new Set(found.map(([service]) => service))].toSorted()
  const rows = services.map((service) => {
    const methods = new Set(found.flatMap(([owner, method]) => (owner === service ? [method] : [])))
    return [
      `\`${service}\``,
      [...methods]
        .toSorted()
        .map((method) => `\`${method}\``)
        .join(", ")
    ]
  })
  return table(["service", "spans"], rows)
}

const metrics = (all: ReadonlyArray<string>): string => {
  const found = all.flatMap((source) => [
    ...source.matchAll(
      /Metric\.(counter|gauge|histogram|frequency|summary|timer)\(\s*"(\w+)"(?:,\s*\{\s*description:\s*"([^"]*)")?/g
    )
  ])
  const rows = found.map(([, kind = "", name = "", description = ""]) => [
    `\`${name}\``,
    kind,
    cell(description)
  ])
  return table(
    ["metric", "kind", "value"],
    rows.toSorted(([a = ""], [b = ""]) => a.localeCompare(b))
  )
}

/** `docs/catalogue.md`. */
export const catalogue = async (): Promise<string> => {
  const all = (await Promise.all(folders.map(sources))).flat()
  return [
    "# Catalogue of events, spans and metrics",
    "Generated from the code by `pnpm run docs`. [Observability](observability.md) describes how to export them.",
    "## Events",
    "Events are the steps of an agent while it answers a query. The output of every kind of agent is parsed into these events. The log of a query numbers them with `seq`, from 0 and without gaps. Each log ends with exactly one `result`.",
    await events(),
    "## Spans",
    "A span is named `Service.span`. The root span of a command is `remote-agent <command>`.",
    spans(all),
    "## Metrics",
    metrics(all)
  ].join("\n\n")
}
