import { Option } from "effect"
import type { HelpDoc } from "effect/cli"
import { bold, dim, type Output } from "../Screen.ts"
import { wrap } from "./wrap.ts"

/** No line of help is longer, however wide the terminal is: a longer line is hard to read. */
const maximumWidth = 80

const narrowest = 40

/** Names that take more than this get a line of their own. */
const widestName = 24

/** The built-in flags, whose own descriptions repeat their choices. */
const descriptions: Readonly<Record<string, string>> = {
  help: "Print this help",
  version: "Print the version",
  wizard: "Ask for every argument and flag",
  "log-level": "Log from this level on: all, trace, debug, info, warn, error, fatal or none"
}

const types: Readonly<Record<string, string>> = {
  string: "text",
  integer: "number",
  "log-level": "level"
}

interface Row {
  readonly name: string
  readonly text: string
}

const typeOf = (name: string, type: string): string => {
  if (name in types) return ` <${types[name]}>`
  return type === "boolean" ? "" : ` <${types[type] ?? type}>`
}

const flagRow = ({ aliases, description, name, type }: HelpDoc.FlagDoc): Row => ({
  name: `${[...aliases.map((alias) => (alias.startsWith("-") ? alias : `-${alias}`)), `--${name}`].join(", ")}${typeOf(name, type)}`,
  text: descriptions[name] ?? Option.getOrElse(description, () => "")
})

const argumentRow = ({ description, name, required, variadic }: HelpDoc.ArgDoc): Row => ({
  name: `${required ? `<${name}>` : `[${name}]`}${variadic ? "..." : ""}`,
  text: Option.getOrElse(description, () => "")
})

const commandRow = ({ alias, description, name, shortDescription }: HelpDoc.SubcommandDoc): Row => ({
  name: alias === undefined ? name : `${name}, ${alias}`,
  // A list of commands has room for the first sentence.
  text: shortDescription ?? description.split(/\. (?=[A-Z])/)[0] ?? ""
})

/** Names on the left, and their texts in a column on the right. */
const columns = (rows: ReadonlyArray<Row>, width: number, column: number): ReadonlyArray<string> =>
  rows.flatMap(({ name, text }) => {
    const [first = "", ...rest] = wrap(text, width - column)
    const indent = " ".repeat(column)
    const head = `  ${name}`
    return head.length + 2 > column
      ? [head, ...[first, ...rest].map((line) => `${indent}${line}`)]
      : [`${head.padEnd(column)}${first}`, ...rest.map((line) => `${indent}${line}`)]
  })

const columnOf = (rows: ReadonlyArray<Row>): number =>
  Math.max(...rows.map(({ name }) => name.length).filter((length) => length <= widestName), 0) + 4

/** A command of an example, continued on the next line where it is long. */
const commandLines = (command: string, width: number): ReadonlyArray<string> => {
  const lines = wrap(command, width - 6)
  return lines.map(
    (line, index) => `  ${index === 0 ? "" : "  "}${line}${index < lines.length - 1 ? " \\" : ""}`
  )
}

const capital = (text: string) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`

const withStop = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

/**
 * The help of a command.
 *
 * **Details**
 *
 * The arguments and flags of the command come first. The flags that every command takes are explained in the help of
 * `remote-agent` itself, and named in the help of a command.
 */
export const helpText = (doc: HelpDoc.HelpDoc, output: Output): string => {
  const width = Math.max(narrowest, Math.min(output.columns(), maximumWidth))
  const path = doc.commandPath ?? []
  const isRoot = path.length <= 1
  const globals = (doc.globalFlags ?? []).map(flagRow)
  const groups = doc.subcommands ?? []
  const groupColumn = columnOf(groups.flatMap(({ commands }) => commands.map(commandRow)))
  const section = (title: string, rows: ReadonlyArray<Row>, column = columnOf(rows)) =>
    rows.length === 0 ? [] : ["", bold(output, `${title}:`), ...columns(rows, width, column)]
  const usage = doc.usage.replace(/<subcommand>/, "<command>")
  const shared = `Every command also takes ${(doc.globalFlags ?? []).map(({ name }) => `--${name}`).join(", ")}. See \`${path[0] ?? "remote-agent"} --help\`.`
  const examples = (doc.examples ?? []).flatMap(({ command, description }, index) => [
    ...(index === 0 ? ["", bold(output, "Examples:")] : [""]),
    ...(description === undefined ? [] : wrap(`  # ${description}`, width).map((line) => dim(output, line))),
    ...commandLines(command, width)
  ])
  return [
    ...wrap(withStop(doc.description), width),
    "",
    `${bold(output, "Usage:")} ${usage}`,
    ...groups.flatMap(({ commands, group }) =>
      section(capital(group ?? "commands"), commands.map(commandRow), groupColumn)
    ),
    ...section("Arguments", (doc.args ?? []).map(argumentRow)),
    ...section("Flags", [...doc.flags, ...(doc.inheritedFlags ?? [])].map(flagRow)),
    ...examples,
    ...(isRoot
      ? [
          ...section("Flags of every command", globals),
          "",
          ...wrap(
            `See \`${path[0] ?? "remote-agent"} <command> --help\` for the flags and examples of a command.`,
            width
          )
        ]
      : ["", ...wrap(shared, width).map((line) => dim(output, line))])
  ].join("\n")
}
