/** Generates the reference of the JSON that commands print, and its JSON Schemas. */
import { Documents } from "@remote-agent/cli"
import { Schema } from "effect"

const { documents, FailureDocument } = Documents

const names = Object.keys(documents).toSorted()

/** The definitions that schemas refer to, by the name that is unique to each. */
const definitions: Record<string, unknown> = {}

const schemaOf = (schema: Schema.Codec<unknown, unknown>) => {
  const document = Schema.toJsonSchemaDocument(schema)
  Object.assign(definitions, document.definitions)
  return document.schema
}

/** `documents.json`: the schema of each command's documents, by the words of the command. */
export const documentSchemas = `${JSON.stringify(
  {
    $comment: "What `remote-agent <command> --json` prints. `lines`: one document per line.",
    failure: schemaOf(FailureDocument),
    commands: Object.fromEntries(
      names.flatMap((name) => {
        const known = documents[name]
        return known === undefined ? [] : [[name, { shape: known.shape, schema: schemaOf(known.schema) }]]
      })
    ),
    $defs: definitions
  },
  null,
  2
)}\n`

const row = (name: string): string =>
  `| [\`${name}\`](commands.md#${name.replaceAll(" ", "-")}) | ${documents[name]?.shape === "lines" ? "one document per line" : "one document"} |`

/** `docs/json.md`. */
export const jsonPage = [
  "# JSON",
  "Generated from the schemas of the documents by `pnpm run docs`.",
  "With `--json`, a command prints JSON on stdout, and nothing else. All commands follow the same rules:",
  [
    "- A list, and a command on several things, prints one document per line. An empty list prints nothing on stdout, and says so on stderr.",
    "- Every other command prints one document on one line.",
    "- A document names itself by `id`, and others by `agentId` and `queryId`.",
    '- `error` is always an object: `reason` (its name, such as `NotFound`; programs may compare it), `message` and `retryable`. A command that fails as a whole prints `{"error": …}`, also when its command line is wrong. The [exit code](commands.md) reports success or failure.',
    "- Times are in ISO 8601 and UTC. Durations in `…Millis` are in milliseconds.",
    "- Later versions may add fields. They remove none without a new major version."
  ].join("\n"),
  "The JSON Schemas of all documents are in the package, in `remote-agent/schemas/documents.json`. Each test of the project that runs a command with `--json` checks its output against them.",
  ["| command | prints |", "| --- | --- |", ...names.map(row)].join("\n"),
  ""
].join("\n\n")
