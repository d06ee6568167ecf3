import { type Agent, type PoolRecord, StateDocument, StateStoreError } from "@remote-agent/domain"
import { Effect, Schema, SchemaIssue } from "effect"
import * as DocumentFile from "./DocumentFile.ts"
import * as PythonState from "./PythonState.ts"

const invalid = (file: string, problems: ReadonlyArray<PythonState.Problem>) => {
  const [first, ...rest] = problems.map((one) => new StateStoreError.DocumentProblem(one))
  return first === undefined
    ? Effect.void
    : Effect.fail(
        new StateStoreError.StateStoreError({
          operation: "import",
          reason: new StateStoreError.InvalidDocument({ file, problems: [first, ...rest] })
        })
      )
}

const toProblems = SchemaIssue.makeFormatterStandardSchemaV1()

const pathOf = (path: ReadonlyArray<unknown>) =>
  path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "")

/** Every problem of a value, with its path and without the value. */
const problemsOf = ({ issue }: Schema.SchemaError): ReadonlyArray<PythonState.Problem> =>
  toProblems(issue).issues.map(({ message, path = [] }) => ({
    path: pathOf(path.map((part) => (typeof part === "object" ? part.key : part))) || "it",
    problem: `is not valid: ${message.replace(/, got [^]*$/, "").toLowerCase()}`
  }))

const decodeDocument = Schema.decodeUnknownEffect(Schema.toCodecJson(StateDocument.StateDocument), {
  errors: "all"
})
const decodeHeader = Schema.decodeUnknownEffect(Schema.toCodecJson(StateDocument.Header), { errors: "all" })
const decodePython = Schema.decodeUnknownEffect(PythonState.OrchestratorState, { errors: "all" })
const decodeSandboxes = Schema.decodeUnknownEffect(PythonState.SandboxState, { errors: "all" })

/** A document that was read, and what had to be assumed. */
export interface Read {
  readonly pools: ReadonlyArray<PoolRecord.PoolRecord>
  readonly agents: ReadonlyArray<Agent.Agent>
  readonly queries: ReadonlyArray<StateDocument.LoggedQuery>
  readonly notes: ReadonlyArray<string>
}

const orInvalid =
  (file: string) =>
  <A>(effect: Effect.Effect<A, Schema.SchemaError>): Effect.Effect<A, StateStoreError.StateStoreError> =>
    Effect.catch(effect, (error) => Effect.andThen(invalid(file, problemsOf(error)), Effect.die(error)))

const readOurs = Effect.fnUntraced(function* (file: string, content: unknown) {
  const header = yield* orInvalid(file)(decodeHeader(content))
  const { version: supported } = StateDocument
  if (header.version > supported) {
    return yield* new StateStoreError.StateStoreError({
      operation: "import",
      reason: new StateStoreError.NewerSchema({ store: file, found: header.version, supported })
    })
  }
  const { agents, pools, queries } = yield* orInvalid(file)(decodeDocument(content))
  const known = new Set(agents.map(({ id }) => id))
  yield* invalid(file, [
    ...repeated(
      "agents",
      agents.map(({ id }) => id)
    ),
    ...repeated(
      "pools",
      pools.map(({ name }) => name)
    ),
    ...repeated(
      "queries",
      queries.map(({ query }) => query.id)
    ),
    ...queries.flatMap(({ query }, index) =>
      known.has(query.agentId)
        ? []
        : [{ path: `queries[${index}].query.agentId`, problem: "names no agent of the document" }]
    ),
    ...queries.flatMap(({ events, query }, index) =>
      (query.status === "ended") === events.some(({ event }) => event.type === "result") &&
      events.findIndex(({ event }) => event.type === "result") ===
        (query.status === "ended" ? events.length - 1 : -1)
        ? []
        : [{ path: `queries[${index}].events`, problem: "do not end as the query does" }]
    )
  ])
  return { agents, pools, queries, notes: [] } satisfies Read
})

const repeated = (what: string, ids: ReadonlyArray<string>): ReadonlyArray<PythonState.Problem> => {
  const seen = new Set<string>()
  return ids.flatMap((id, index) => {
    if (!seen.has(id)) {
      seen.add(id)
      return []
    }
    return [{ path: `${what}[${index}]`, problem: "is there twice" }]
  })
}

const readPython = Effect.fnUntraced(function* (file: string, content: unknown) {
  const state = yield* orInvalid(file)(decodePython(content))
  const beside = DocumentFile.beside(file, "e2b_state.json")
  const sandboxes = yield* Effect.flatMap(DocumentFile.readJson(beside), (found) =>
    found === undefined ? Effect.succeed({}) : orInvalid(beside)(decodeSandboxes(found))
  )
  const { agents, notes, problems } = PythonState.read(state, sandboxes)
  yield* invalid(file, problems)
  return { agents, pools: [], queries: [], notes } satisfies Read
})

const isPython = (content: unknown): boolean =>
  typeof content === "object" &&
  content !== null &&
  "agents" in content &&
  !("format" in content) &&
  !Array.isArray(content.agents)

/**
 * Reads an exported document, or the state of the Python module. Fails with `InvalidDocument`, which lists every problem.
 *
 * @category parsing
 * @since 0.1.0
 */
export const read = Effect.fn("DocumentReader.read")(function* (
  file: string
): Effect.fn.Return<Read, StateStoreError.StateStoreError> {
  const content = yield* DocumentFile.readJson(file)
  if (content === undefined) {
    return yield* new StateStoreError.StateStoreError({
      operation: "import",
      reason: new StateStoreError.Unavailable({ store: file, obstacle: "unreachable" })
    })
  }
  return yield* isPython(content) ? readPython(file, content) : readOurs(file, content)
})
