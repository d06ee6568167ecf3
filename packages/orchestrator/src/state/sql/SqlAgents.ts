import { Agent, type Id, type Lease, AgentLifecycle, StateStoreError, TokenUsage } from "@remote-agent/domain"
import { Array as Arr, DateTime, Effect, Option, Schema, Stream } from "effect"
import type { Statement } from "effect/sql"
import { added, type Database, failed, first, pageSize, plain, Whole } from "./database/SqlDatabase.ts"
import type { AgentFilter, PageOptions, StateStore } from "../StateStore.ts"

/** What a store does with agents. */
export type SqlAgents = Pick<
  StateStore["Service"],
  "createAgent" | "getAgent" | "updateAgent" | "listAgents" | "pageAgents" | "findAgents"
>

const AgentText = Schema.fromJsonString(Schema.toCodecJson(Agent.Agent))

/** The numbers of {@link TokenUsage}, which the ends of queries count up without writing the agent. */
const usageColumns = {
  input_tokens: Whole,
  output_tokens: Whole,
  cost_usd: Schema.NullOr(Schema.Finite),
  wall_millis: Schema.Finite
}

const AgentRow = Schema.Struct({ body: AgentText, ...usageColumns })
const UsageRow = Schema.Struct(usageColumns)

const encodeAgent = (agent: Agent.Agent) => Effect.orDie(Schema.encodeEffect(AgentText)(agent))
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

/** What changes with an agent and is looked for. */
const columnsOf = ({ labels, name, pool, profile, revision, status }: Agent.Agent) => ({
  revision,
  status,
  name,
  profile: plain(profile),
  pool: pool ?? null,
  labels: JSON.stringify(labels)
})

/** Every status from which the lifecycle leads to `status`. */
const leadingTo = (status: AgentLifecycle.AgentStatus) =>
  AgentLifecycle.AgentStatus.literals.filter((from) => AgentLifecycle.canMove(from, status))

const isName = Schema.is(Agent.AgentName)
const isLabels = Schema.is(Schema.toType(Agent.Labels))

/** What an id begins with or a name is made of. */
const isFindable = (text: string): boolean => /^[\w.-]{1,64}$/.test(text)

/** The agents of a database. See `SqlStateStore.make`. */
export const make = ({ fencing, reader, run, sql }: Database): SqlAgents => {
  const [agentRows, usages, standings] = [reader(AgentRow), reader(UsageRow), reader(StandingRow)]
  const columns = sql.literal("body, input_tokens, output_tokens, cost_usd, wall_millis")

  const createAgent = Effect.fn("StateStore.createAgent")(function* (agent: Agent.Agent) {
    const { id, usage } = agent
    const row = {
      id,
      ...columnsOf(agent),
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
      cost_usd: usage.costUsd ?? null,
      wall_millis: usage.wallMillis,
      body: yield* encodeAgent(agent)
    }
    yield* sql`INSERT INTO remote_agents ${sql.insert(row)} ON CONFLICT (id) DO NOTHING RETURNING id`.pipe(
      Effect.flatMap(added("createAgent", id)),
      run("createAgent")
    )
  })

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

  const updateAgent = Effect.fn("StateStore.updateAgent")(function* (
    agent: Agent.Agent,
    fence?: Lease.Fence
  ) {
    const { id, revision, status } = agent
    const written = new Agent.Agent({ ...agent, revision: revision + 1, updatedAt: yield* DateTime.now })
    const change = { ...columnsOf(written), body: yield* encodeAgent(written) }
    const { check, clause, guard } = fencing("updateAgent", fence)
    return yield* sql`
      UPDATE remote_agents SET ${sql.update(change)}
      WHERE id = ${id} AND revision = ${revision} AND ${sql.in("status", leadingTo(status))} AND ${clause}
      RETURNING input_tokens, output_tokens, cost_usd, wall_millis`.pipe(
      usages("updateAgent"),
      Effect.flatMap(([counted]) =>
        counted === undefined
          ? Effect.andThen(check, whyNotUpdated(agent))
          : Effect.succeed(new Agent.Agent({ ...written, usage: toUsage(counted) }))
      ),
      guard,
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

  /** Nothing when there can be no such agent: then a database need not, and some could not, be asked. */
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
    // One more, to see whether there is a next page.
    const agents = yield* run(operation)(some(operation, clauses.value, { after, limit: limit + 1 }))
    return {
      agents: agents.slice(0, limit),
      next: agents.length > limit ? agents[limit - 1]?.id : undefined
    }
  })

  const find = (...clauses: ReadonlyArray<Statement.Fragment>) =>
    run("findAgents")(some("findAgents", clauses, { limit: 10 }))

  return {
    createAgent,
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
    findAgents: Effect.fn("StateStore.findAgents")(function* (text) {
      if (!isFindable(text)) return []
      const exact = yield* find(sql`id = ${text}`)
      if (exact.length > 0) return exact
      // No character of an id comes after `z`.
      const begun = yield* find(sql`id >= ${text}`, sql`id < ${`${text}~`}`)
      const named = yield* find(sql`name = ${text}`)
      const found = new Map([...begun, ...named].map((agent) => [agent.id, agent]))
      return [...found.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)).slice(0, 10)
    })
  }
}
