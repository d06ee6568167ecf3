/** Generates the reference of the errors from their classes and the JSDoc of those classes. */
import * as Domain from "@remote-agent/domain"
import { DateTime, Duration, Schema, type SchemaAST } from "effect"
import { readFile } from "node:fs/promises"

interface SchemaClass extends Schema.Top {
  readonly identifier: string
  readonly fields: Readonly<Record<string, Schema.Top>>
}

/** An error class and its reasons. */
interface Kind {
  /** The name of the class, which is also the name of its module. */
  readonly name: string
  /** The folder of the module in `packages/domain/src`. */
  readonly room: string
  /** The operation in the sample message. */
  readonly operation: string
  readonly error: SchemaClass
  readonly reasons: ReadonlyArray<SchemaClass>
}

const kinds: ReadonlyArray<Kind> = [
  {
    name: "OrchestratorError",
    room: "",
    operation: "query",
    error: Domain.OrchestratorError.OrchestratorError,
    reasons: Domain.OrchestratorError.Reason.members
  },
  {
    name: "SandboxError",
    room: "sandbox/",
    operation: "exec",
    error: Domain.SandboxError.SandboxError,
    reasons: Domain.SandboxError.Reason.members
  },
  {
    name: "StateStoreError",
    room: "state/",
    operation: "getAgent",
    error: Domain.StateStoreError.StateStoreError,
    reasons: Domain.StateStoreError.Reason.members
  },
  {
    name: "GitError",
    room: "repository/",
    operation: "push",
    error: Domain.GitError.GitError,
    reasons: Domain.GitError.Reason.members
  },
  {
    name: "GitHubError",
    room: "repository/",
    operation: "repository",
    error: Domain.GitHubError.GitHubError,
    reasons: Domain.GitHubError.Reason.members
  }
]

const queryId = Domain.Id.QueryId.make("qry_01arz3ndektsv4rrffq69g5fav")
const agentId = Domain.Id.AgentId.make("agt_01arz3ndektsv4rrffq69g5fav")

const problem = new Domain.RemoteAgentConfig.Problem({
  name: "<name>",
  problem: "is not set",
  hint: "Set it."
})

const noAnswer = new Domain.Query.QueryResult({
  queryId,
  agentId,
  query: "<query>",
  outcome: "error",
  answer: "",
  error: "<error>",
  usage: Domain.TokenUsage.zero
})

const storeFailure = new Domain.StateStoreError.StateStoreError({
  operation: "open",
  reason: new Domain.StateStoreError.Damaged({ store: "<store>" })
})

const sandboxFailure = Domain.SandboxError.fail("connect", new Domain.SandboxError.Unauthorized({}))

/** Sample values of fields that are class instances, by reason and field, or by field alone. */
const values: Readonly<Record<string, unknown>> = {
  "InvalidDocument.problems": [
    new Domain.StateStoreError.DocumentProblem({ path: "agents[0].id", problem: "is missing" })
  ],
  "StoreFailed.cause": storeFailure,
  attemptId: Domain.Id.AttemptId.make("att_01arz3ndektsv4rrffq69g5fav"),
  cause: sandboxFailure,
  exceeded: new Domain.Budget.Exceeded({ limit: "tokens", allowed: 1000, spent: 1200 }),
  id: agentId,
  problems: problem,
  result: noAnswer
}

/** Sample values for classes of Effect, by the `expected` annotation of the class. */
const ofEffect: Readonly<Record<string, unknown>> = {
  "DateTime.Utc": DateTime.makeUnsafe(0),
  Duration: Duration.minutes(1)
}

const sampleOf = (ast: SchemaAST.AST, reason: string, field: string): unknown => {
  const known = values[`${reason}.${field}`]
  if (known !== undefined) return known
  switch (ast._tag) {
    case "String":
      return `<${field}>`
    case "Number":
      return 1
    case "Boolean":
      return true
    case "Literal":
      return ast.literal
    case "Union":
      return ast.types[0] === undefined ? undefined : sampleOf(ast.types[0], reason, field)
    case "Arrays":
      return ast.rest[0] === undefined ? [] : [sampleOf(ast.rest[0], reason, field)]
    default: {
      if (field in values) return values[field]
      const sample = ofEffect[String(ast.annotations?.["expected"])]
      if (sample !== undefined) return sample
      throw new Error(`scripts/ErrorDocs.ts has no value for ${reason}.${field} (${ast._tag}); give it one.`)
    }
  }
}

const Told = Schema.Struct({ message: Schema.String, isRetryable: Schema.Boolean })

/** An instance with placeholder values. Checks are disabled, because they would refuse the placeholders. */
const unchecked = (kind: unknown, fields: object): unknown =>
  typeof kind === "function" ? Reflect.construct(kind, [fields, { disableChecks: true }]) : undefined

const samplesOf = (schema: SchemaClass): object =>
  Object.fromEntries(
    Object.entries(schema.fields)
      .filter(([field]) => field !== "_tag" && field !== "reason" && field !== "operation")
      .map(([field, { ast }]) => [field, sampleOf(ast, schema.identifier, field)] as const)
  )

const told = ({ error, operation }: Kind, reason: SchemaClass): typeof Told.Type => {
  const fields = { ...samplesOf(error), operation, reason: unchecked(reason, samplesOf(reason)) }
  const instance = unchecked(error, fields)
  return Schema.decodeSync(Told)({
    message: Reflect.get(Object(instance), "message"),
    isRetryable: Reflect.get(Object(instance), "isRetryable")
  })
}

/** The message of one reason, with sample values. */
interface Message {
  readonly error: string
  readonly reason: string
  /** The path of the module in the repository. */
  readonly file: string
  readonly text: string
}

const fileOf = ({ name, room }: Kind) => `packages/domain/src/${room}${name}.ts`

/** The message of every reason of every error. */
export const messages: ReadonlyArray<Message> = kinds.flatMap((kind) =>
  kind.reasons.map((reason) => ({
    error: kind.name,
    reason: reason.identifier,
    file: fileOf(kind),
    text: told(kind, reason).message
  }))
)

/** The sentences of a JSDoc comment in one line, without section headings and tags. */
const sentences = (comment: string): string =>
  comment
    .replaceAll(/\n \*/g, "\n")
    .replaceAll(/^ ?@.*$/gm, "")
    .replaceAll(/^ ?\*\*[\w ]+\*\*$/gm, "")
    .replaceAll(/\s+/g, " ")
    .trim()

/** The JSDoc of every class of a module, as one line. */
const commentsOf = async (kind: Kind): Promise<ReadonlyMap<string, string>> => {
  const file = new URL(`../${fileOf(kind)}`, import.meta.url)
  const own = await readFile(file, "utf8")
  // Reasons of a noun may be in the error module of its room, from which this one exports them.
  const others = [...own.matchAll(/ from "(\.[^"]*\/\w+Error\.ts)"/g)].map(([, path = ""]) =>
    readFile(new URL(path, file), "utf8")
  )
  const source = [...(await Promise.all(others)), own].join("\n")
  const found = source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport class (\w+) /g)
  return new Map([...found].map(([, comment = "", name = ""]) => [name, sentences(comment)]))
}

const cell = (text: string): string =>
  text
    .replaceAll("|", String.raw`\|`)
    .replaceAll("<", "&lt;")
    .replaceAll("\n", " ")

const section = async (kind: Kind): Promise<string> => {
  const comments = await commentsOf(kind)
  const rows = kind.reasons.map((reason) => {
    const { isRetryable, message } = told(kind, reason)
    const what = comments.get(reason.identifier)
    if (what === undefined)
      throw new Error(`${kind.name}.${reason.identifier} has no JSDoc; describe its meaning.`)
    return `| \`${reason.identifier}\` | ${cell(what)} | ${cell(message)} | ${isRetryable ? "yes" : "no"} |`
  })
  return [
    `## ${kind.name}`,
    comments.get(kind.name) ?? "",
    ["| reason | meaning | message | retryable |", "| --- | --- | --- | --- |", ...rows].join("\n")
  ].join("\n\n")
}

/** `docs/errors.md`. */
export const errors = async (): Promise<string> => {
  const sections = await Promise.all(kinds.map(section))
  return [
    "# Errors",
    "Generated from the error classes by `pnpm run docs`.",
    'Every service fails with one tagged error. It has an `operation`, a `reason`, a `message` that describes the problem and a remedy, and `isRetryable`. Recover by reason: `Effect.catchReason("OrchestratorError", "AgentLost", …)`. Messages contain no secrets, no command arguments and no stderr. On the command line, `--json` prints `{ "error": { "reason", "message", "retryable" } }`.',
    ...sections,
    ""
  ].join("\n\n")
}
