import {
  Agent,
  AgentLifecycle,
  AgentLookup,
  type Id,
  type Lease,
  StateStoreError,
  TokenUsage
} from "@remote-agent/domain"
import { Array as Arr, DateTime, Effect, Option, Schema, Stream } from "effect"
import { SqlError, type Statement } from "effect/sql"
import { type Database, failed, first, pageSize, plain, Whole } from "./database/SqlDatabase.ts"
import { type AgentFilter, mostFound, type PageOptions, type StateStore } from "../StateStore.ts"

/**
 * The methods of the store that read and write agents.
 *
 * @category models
 * @since 0.1.0
 */
export interface SqlAgents extends Pick<
  StateStore["Service"],
  "createAgent" | "getAgent" | "updateAgent" | "listAgents" | "pageAgents" | "findAgents"
> {
  /** Adds an agent, which holds its name if no other agent does. Fails with `AlreadyExists`. */
  readonly restoreAgent: (agent: Agent.Agent) => Effect.Effect<void, StateStoreError.StateStoreError>
}

const AgentText = Schema.fromJsonString(Schema.toCodecJson(Agent.Agent))

/** The columns of the agent's usage. The end of a query adds to them without writing the agent. */
const usageColumns = {
  input_tokens: Whole,
  output_tokens: Whole,
  cost_usd: Schema.NullOr(Schema.Finite),
  wall_millis: Schema.Finite
}

const AgentRow = Schema.Struct({ body: AgentText, ...usageColumns })
const FoundRow = Schema.Struct({ body: AgentText, ...usageColumns, rank: Whole })
const UsageRow = Schema.Struct(usageColumns)

const encodeAgent = (agent: Agent.Agent) => Effect.orDie(Schema.encodeEffect(AgentText)(agent))
const IdRow = Schema.Struct({ id: Schema.String })
const StandingRow = Schema.Struct({ revision: Whole, status: AgentLifecycle.AgentStatus })

const toUsage = (row: typeof UsageRow.Type): TokenUsage.TokenUsage =>
  new TokenUsage.TokenUsage({
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    wallMillis: row.wall_millis,
    ...(row.cost_usd === null ? {} : { costUsd: row.cost_usd })
  })

const toAgent = ({ body, ...usage }: typeof AgentRow.Type): Agent.Agent =>
  new Agent.Agent({ ...body, usage: toUsage(usage) })

/** The columns that change with an agent and are searched. */
const columnsOf = ({ labels, name, pool, profile, revision, status }: Agent.Agent) => ({
  revision,
  status,
  name,
  profile: plain(profile),
  pool: pool ?? null,
  labels: JSON.stringify(labels)
})

/** The statuses from which the lifecycle leads to `status`. */
const leadingTo = (status: AgentLifecycle.AgentStatus) =>
  AgentLifecycle.AgentStatus.literals.filter((from) => AgentLifecycle.canMove(from, status))

const isName = Schema.is(Agent.AgentName)
const isLabels = Schema.is(Schema.toType(Agent.Labels))

/** The statuses in which an agent holds its name. */
const living = AgentLifecycle.AgentStatus.literals.filter(AgentLifecycle.mayHoldSandbox)

const isUniqueViolation = (error: unknown): boolean =>
  SqlError.isSqlError(error) && error.reason._tag === "UniqueViolation"

const heldNameOf = ({ name, status }: Agent.Agent) => (AgentLifecycle.mayHoldSandbox(status) ? name : null)

/** The agents of a database. See `SqlStateStore.make`. */
export const make = ({ fencing, reader, run, sql }: Database): SqlAgents => {
  const [agentRows, foundRows, ids] = [reader(AgentRow), reader(FoundRow), reader(IdRow)]
  const [usages, standings] = [reader(UsageRow), reader(StandingRow)]
  const columns = sql.literal("body, input_tokens, output_tokens, cost_usd, wall_millis")

  /** Inserts an agent, and returns whether it was inserted. */
  const insert = Effect.fnUntraced(function* (agent: Agent.Agent, heldName: string | null) {
    const { id, usage } = agent
    const row = {
      id,
      ...columnsOf(agent),
      held_name: heldName,
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
      cost_usd: usage.costUsd ?? null,
      wall_millis: usage.wallMillis,
      body: yield* encodeAgent(agent)
    }
    const rows = yield* sql`INSERT INTO remote_agents ${sql.insert(row)} ON CONFLICT DO NOTHING RETURNING id`
    return rows.length > 0
  })

  const nameTaken = Effect.fnUntraced(function* (operation: string, name: string) {
    const [holder] = yield* sql`SELECT id FROM remote_agents WHERE held_name = ${name}`.pipe(ids(operation))
    // The holder may have been terminated in between. The name was taken all the same.
    return yield* failed(
      operation,
      new StateStoreError.NameTaken({ name, id: holder?.id ?? "another agent" })
    )
  })

  const refuseKnown = Effect.fnUntraced(function* (operation: string, id: Id.AgentId) {
    const known = yield* sql`SELECT id FROM remote_agents WHERE id = ${id}`
    if (known.length > 0) return yield* failed(operation, new StateStoreError.AlreadyExists({ id }))
  })

  const createAgent = Effect.fn("StateStore.createAgent")((agent: Agent.Agent) =>
    Effect.gen(function* () {
      if (yield* insert(agent, heldNameOf(agent))) return
      yield* refuseKnown("createAgent", agent.id)
      return yield* nameTaken("createAgent", agent.name)
    }).pipe(run("createAgent"))
  )

  const restoreAgent = (agent: Agent.Agent) =>
    Effect.gen(function* () {
      if (yield* insert(agent, heldNameOf(agent))) return
      yield* refuseKnown("restore", agent.id)
      yield* insert(agent, null)
    }).pipe(run("restore"))

  const getAgent = Effect.fn("StateStore.getAgent")((id: Id.AgentId) =>
    sql`SELECT ${columns} FROM remote_agents WHERE id = ${id}`.pipe(
      agentRows("getAgent"),
      Effect.flatMap(first("getAgent", id)),
      Effect.map(toAgent),
      run("getAgent")
    )
  )

  const whyNotUpdated = Effect.fnUntraced(function* ({ id, revision, status }: Agent.Agent) {
    const current = yield* sql`SELECT revision, status FROM remote_agents WHERE id = ${id}`.pipe(
      standings("updateAgent"),
      Effect.flatMap(first("updateAgent", id))
    )
    const { revision: actual, status: from } = current
    return yield* failed(
      "updateAgent",
      actual === revision
        ? new StateStoreError.IllegalMove({ id, from, to: status })
        : new StateStoreError.RevisionConflict({ id, expected: revision, actual })
    )
  })

  /**
   * The expression for the name that an agent holds after an update. An imported agent, or one of an older version,
   * may have the name of another: it keeps it, and holds it once it is free.
   */
  const heldNameAfter = ({ name, status }: Agent.Agent): Statement.Fragment => {
    if (!AgentLifecycle.mayHoldSandbox(status)) return sql`NULL`
    const text = sql`CAST(${name} AS TEXT)`
    const ifFree = sql`
      CASE WHEN EXISTS (SELECT 1 FROM remote_agents other WHERE other.held_name = ${text}) THEN NULL ELSE ${text} END`
    return sql`
      CASE WHEN name = ${text} AND ${sql.in("status", living)} THEN COALESCE(held_name, ${ifFree}) ELSE ${text} END`
  }

  const updateAgent = Effect.fn("StateStore.updateAgent")(function* (
    agent: Agent.Agent,
    fence?: Lease.Fence
  ) {
    const { id, revision, status } = agent
    const written = new Agent.Agent({ ...agent, revision: revision + 1, updatedAt: yield* DateTime.now })
    const change = { ...columnsOf(written), body: yield* encodeAgent(written) }
    const { check, clause, guard } = fencing("updateAgent", fence)
    return yield* sql`
      UPDATE remote_agents SET ${sql.update(change)}, held_name = ${heldNameAfter(written)}
      WHERE id = ${id} AND revision = ${revision} AND ${sql.in("status", leadingTo(status))} AND ${clause}
      RETURNING input_tokens, output_tokens, cost_usd, wall_millis`.pipe(
      usages("updateAgent"),
      Effect.flatMap(([counted]) =>
        counted === undefined
          ? Effect.andThen(check, whyNotUpdated(agent))
          : Effect.succeed(new Agent.Agent({ ...written, usage: toUsage(counted) }))
      ),
      guard,
      Effect.catchIf(isUniqueViolation, () => nameTaken("updateAgent", written.name)),
      run("updateAgent")
    )
  })

  const hasLabels = (labels: Readonly<Record<string, string>>): ReadonlyArray<Statement.Fragment> => {
    const text = JSON.stringify(labels)
    return sql.onDialectOrElse({
      pg: () => [sql`CAST(labels AS JSONB) @> CAST(CAST(${text} AS TEXT) AS JSONB)`],
      orElse: () =>
        Object.entries(labels).map(
          ([key, value]) =>
            sql`EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ${key} AND value = ${value})`
        )
    })
  }

  /** Returns none when no agent can match. The text is then not sent to the database, which may not be able to hold it. */
  const clausesOf = ({
    labels = {},
    name,
    pool,
    profile,
    status
  }: AgentFilter): Option.Option<ReadonlyArray<Statement.Fragment>> =>
    [name, pool].every((text) => text === undefined || isName(text)) && isLabels(labels)
      ? Option.some([
          ...(status === undefined ? [] : [sql.in("status", Arr.ensure(status))]),
          ...(profile === undefined ? [] : [sql`profile = ${plain(profile)}`]),
          ...(pool === undefined ? [] : [sql`pool = ${pool}`]),
          ...(name === undefined ? [] : [sql`name = ${name}`]),
          ...(Object.keys(labels).length === 0 ? [] : hasLabels(labels))
        ])
      : Option.none()

  const some = (
    operation: string,
    clauses: ReadonlyArray<Statement.Fragment>,
    { after = "", limit }: { readonly after?: string | undefined; readonly limit: number }
  ) =>
    sql`
      SELECT ${columns} FROM remote_agents WHERE ${sql.and([sql`id > ${after}`, ...clauses])}
      ORDER BY id LIMIT ${limit}`.pipe(
      agentRows(operation),
      Effect.map((rows) => rows.map(toAgent))
    )

  const page = Effect.fnUntraced(function* (operation: string, { after, filter = {}, limit }: PageOptions) {
    const clauses = clausesOf(filter)
    if (Option.isNone(clauses)) return { agents: [], next: undefined }
    // One more tells whether there is a next page.
    const agents = yield* run(operation)(some(operation, clauses.value, { after, limit: limit + 1 }))
    return {
      agents: agents.slice(0, limit),
      next: agents.length > limit ? agents[limit - 1]?.id : undefined
    }
  })

  const findAgents = Effect.fn("StateStore.findAgents")(function* (text: string) {
    const [byName, byPrefix] = [isName(text), AgentLookup.isIdPrefix(text)]
    if (!byName && !byPrefix) return []
    // No character of an id comes after `z`.
    const prefixed = byPrefix ? sql`(id >= ${text} AND id < ${`${text}~`})` : sql`1 = 0`
    const rank = sql`
      CASE WHEN id = ${text} THEN 0 ELSE
        CASE WHEN name = ${text} THEN 1 ELSE 2 END
        + CASE WHEN ${sql.in("status", living)} THEN 0 WHEN status = 'terminated' THEN 4 ELSE 2 END
      END`
    const rows = yield* sql`
      SELECT ${columns}, ${rank} AS rank FROM remote_agents WHERE name = ${text} OR ${prefixed}
      ORDER BY rank, id DESC LIMIT ${mostFound}`.pipe(foundRows("findAgents"), run("findAgents"))
    return rows.filter((row) => row.rank === rows[0]?.rank).map(toAgent)
  })

  return {
    createAgent,
    restoreAgent,
    getAgent,
    updateAgent,
    listAgents: (filter) =>
      Stream.paginate(undefined as Id.AgentId | undefined, (after) =>
        Effect.map(
          page("listAgents", { filter, after, limit: pageSize }),
          ({ agents, next }) => [agents, Option.fromUndefinedOr(next)] as const
        )
      ),
    pageAgents: Effect.fn("StateStore.pageAgents")((options) => page("pageAgents", options)),
    findAgents
  }
}
