import { evaluate, type ObjectNode, parse as parseJson, type ValueNode } from "@humanwhocodes/momoa"

// Shell completion runs this at every press of Tab, so it must not load Effect.

/** A place in a text. Lines and columns are counted from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** A text that is not a JSON object: what is wrong, and where. */
interface Mistake extends Position {
  readonly problem: string
}

/** A parsed file of settings. */
export interface SettingsText {
  readonly values: ReadonlyMap<string, unknown>
  readonly mistake: Mistake | undefined
  /** Where a value is, by the names on the way to it; the nearest value above it when there is none. */
  readonly find: (path: ReadonlyArray<string>) => Position
}

const start: Position = { line: 1, column: 1 }

const invalid = (mistake: Mistake): SettingsText => ({ values: new Map(), mistake, find: () => start })

type Member = ObjectNode["members"][number]

const nameOf = ({ name }: Member): string => (name.type === "String" ? name.value : name.name)

/** The last member of a name counts, as in every parser of JSON. */
const memberOf = (node: ValueNode, name: string): Member | undefined =>
  node.type === "Object" ? node.members.findLast((member) => nameOf(member) === name) : undefined

const inside = (node: ValueNode, name: string) => {
  const element = node.type === "Array" ? node.elements[Number(name)] : undefined
  const member = memberOf(node, name)
  return element === undefined
    ? member && { node: member.value, at: member.loc.start }
    : { node: element.value, at: element.value.loc.start }
}

const find =
  (root: ObjectNode) =>
  (path: ReadonlyArray<string>): Position => {
    let here: { readonly node: ValueNode; readonly at: Position } = { node: root, at: start }
    for (const name of path) {
      const next = inside(here.node, name)
      if (next === undefined) break
      here = next
    }
    return { line: here.at.line, column: here.at.column }
  }

/** The message of the parser, such as `Unexpected token Comma found. (1:2)`. */
const words = (message: string): string =>
  message
    .replace(/ \(\d+:\d+\)$/, "")
    .replace(/ found\.$/, "")
    .replace(/ token (\w)/, " $1")
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()

const mistakeOf = (error: unknown): Mistake => {
  const place = error instanceof Error && "line" in error && "column" in error ? error : undefined
  return {
    line: typeof place?.line === "number" ? place.line : 1,
    column: typeof place?.column === "number" ? place.column : 1,
    problem: `is not valid JSON: ${error instanceof Error ? words(error.message) : "unreadable"}`
  }
}

/** Parses JSON with comments and trailing commas. */
export const parse = (file: string): SettingsText => {
  try {
    const { body } = parseJson(file.replace(/^\uFEFF/, ""), { mode: "jsonc", allowTrailingCommas: true })
    if (body.type !== "Object") return invalid({ ...start, problem: "is not a JSON object" })
    const values = new Map<string, unknown>(body.members.map((one) => [nameOf(one), evaluate(one.value)]))
    return { values, mistake: undefined, find: find(body) }
  } catch (error) {
    return invalid(mistakeOf(error))
  }
}
