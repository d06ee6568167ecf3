import { Agent, Id } from "@remote-agent/domain"
import { DateTime, Duration, Option, Schema } from "effect"
import { createHash } from "node:crypto"

/** An agent in `orchestrator_state.json`. */
const PythonAgent = Schema.Struct({
  agent_id: Schema.optionalKey(Schema.String),
  agent_name: Schema.optionalKey(Schema.NullOr(Schema.String)),
  created_at: Schema.String,
  status: Schema.Literals(["active", "paused", "terminated"]),
  persistent: Schema.optionalKey(Schema.Boolean),
  query_count: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  last_query: Schema.optionalKey(Schema.NullOr(Schema.String)),
  paused_at: Schema.optionalKey(Schema.NullOr(Schema.String)),
  resumed_at: Schema.optionalKey(Schema.NullOr(Schema.String)),
  terminated_at: Schema.optionalKey(Schema.NullOr(Schema.String))
})

/** `orchestrator_state.json` of the Python module. */
export const OrchestratorState = Schema.Struct({
  agents: Schema.Record(Schema.String, PythonAgent),
  timestamp: Schema.optionalKey(Schema.String)
})

/** `e2b_state.json`, which lies beside it. */
export const SandboxState = Schema.Record(
  Schema.String,
  Schema.Struct({
    sandbox_id: Schema.optionalKey(Schema.String),
    created_at: Schema.optionalKey(Schema.String),
    status: Schema.optionalKey(Schema.String),
    timeout: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
    auto_pause: Schema.optionalKey(Schema.Boolean)
  })
)

/** Something in a document that cannot be understood. */
export interface Problem {
  readonly path: string
  readonly problem: string
}

/** The agents of the Python module, as records of this program. */
export interface PythonState {
  readonly agents: ReadonlyArray<Agent.Agent>
  readonly problems: ReadonlyArray<Problem>
  /** What had to be assumed. */
  readonly notes: ReadonlyArray<string>
}

const isoTime = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/

/** A time in ISO 8601, in UTC when it names no zone. */
const timeOf = (text: string): Option.Option<DateTime.Utc> => {
  const match = isoTime.exec(text)
  if (match === null) return Option.none()
  // A date does not take more digits than milliseconds everywhere.
  const plain = text.replace(" ", "T").replace(/(\.\d{3})\d+/, "$1")
  return Option.map(DateTime.make(match[3] === undefined ? `${plain}Z` : plain), DateTime.toUtc)
}

/** The same id whenever the same sandbox is read, so that a second import finds what the first made. */
const idOf = (sandboxId: string, createdAt: DateTime.Utc): Id.AgentId => {
  const hash = createHash("sha256").update(sandboxId).digest()
  return Id.AgentId.make(`agt_${Id.ulid(DateTime.toEpochMillis(createdAt), [...hash.subarray(0, 16)])}`)
}

const isName = Schema.is(Agent.AgentName)

const nameOf = (name: string): Agent.AgentName => {
  const plain = name
    .replaceAll(/[^\w.-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 64)
  return Agent.AgentName.make(plain === "" ? "agent" : plain)
}

const isSandboxId = Schema.is(Id.SandboxId)

/**
 * Reads the state of the Python module, where the id of an agent is that of its E2B sandbox.
 * Its times name no zone; they are taken for UTC, and a note says so.
 */
export const read = (
  state: typeof OrchestratorState.Type,
  sandboxes: typeof SandboxState.Type = {}
): PythonState => {
  const problems: Array<Problem> = []
  const notes: Array<string> = []
  const agents: Array<Agent.Agent> = []
  let zoneless = false
  for (const [key, one] of Object.entries(state.agents)) {
    const path = `agents[${JSON.stringify(key)}]`
    const at = (field: string, text: string | null | undefined) => {
      if (text === undefined || text === null) return undefined
      const time = Option.getOrUndefined(timeOf(text))
      if (time === undefined)
        problems.push({ path: `${path}.${field}`, problem: "is not a time in ISO 8601" })
      else if (isoTime.exec(text)?.[3] === undefined) zoneless = true
      return time
    }
    const createdAt = at("created_at", one.created_at)
    const changes = [
      at("paused_at", one.paused_at),
      at("resumed_at", one.resumed_at),
      at("terminated_at", one.terminated_at)
    ]
    const lastQueryAt = at("last_query", one.last_query)
    if (one.agent_id !== undefined && one.agent_id !== key) {
      problems.push({ path: `${path}.agent_id`, problem: "is not the id that it is listed under" })
    }
    if (!isSandboxId(key)) {
      problems.push({ path, problem: "is not under the id of a sandbox" })
      continue
    }
    if (createdAt === undefined) continue
    const { timeout } = sandboxes[key] ?? {}
    const named = one.agent_name ?? `dexter-${key.slice(0, 8)}`
    const name = isName(named) ? named : nameOf(named)
    if (name !== named) notes.push(`${path} is called ${name}: its name has characters that ours may not.`)
    agents.push(
      new Agent.Agent({
        id: idOf(key, createdAt),
        name,
        profile: "dexter",
        status: one.status,
        ...(one.status === "terminated"
          ? {}
          : {
              binding: new Agent.Binding({
                sandboxId: key,
                provider: "e2b",
                home: "/home/user"
              })
            }),
        persistent: one.persistent ?? true,
        ...(timeout === undefined ? {} : { ttl: Duration.seconds(timeout) }),
        revision: 0,
        queryCount: one.query_count ?? 0,
        createdAt,
        updatedAt: changes.reduce<DateTime.Utc>(
          (latest, time) => (time === undefined ? latest : DateTime.max(latest, time)),
          createdAt
        ),
        ...(lastQueryAt === undefined ? {} : { lastQueryAt })
      })
    )
  }
  if (zoneless) notes.push("Times without a zone were taken for UTC.")
  return { agents, problems, notes }
}
