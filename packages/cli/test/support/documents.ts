import { assert } from "@effect/vitest"
import { Schema } from "effect"
import { Completions } from "effect/cli"
import * as Cli from "../../src/Cli.ts"
import { documents, FailureDocument } from "../../src/documents/documents.ts"

const tree = Completions.fromCommand(Cli.root)

/** The words of the command that arguments name, with aliases resolved. */
export const commandOf = (args: ReadonlyArray<string>): string => {
  const words: Array<string> = []
  let { subcommands } = tree
  for (const arg of args) {
    if (arg.startsWith("-")) continue
    const found = subcommands.find(({ name }) => name === arg)
    if (found === undefined) break
    // An alias is listed behind its command, with the same description.
    const named = subcommands.find(({ description }) => description === found.description) ?? found
    words.push(named.name)
    ;({ subcommands } = found)
  }
  return words.join(" ")
}

/** Checks the output of a command with `--json` against the schema of its documents. */
export const check = (args: ReadonlyArray<string>, stdout: string): void => {
  const end = args.indexOf("--")
  if (!args.slice(0, end === -1 ? undefined : end).includes("--json") || args.includes("--help")) return
  const name = commandOf(args)
  const known = documents[name]
  if (known === undefined) return
  const lines = stdout.split("\n").filter((line) => line !== "")
  if (known.shape === "object") assert.isAtMost(lines.length, 1, `${name} prints one document`)
  const is = Schema.is(Schema.Union([FailureDocument, known.schema]))
  const decode = Schema.decodeUnknownSync(known.schema)
  for (const line of lines) {
    const document: unknown = JSON.parse(line)
    if (!is(document)) decode(document)
  }
}
