import type { Agent, StateStoreError } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect, Option, Stream } from "effect"
import type { Connection } from "./Connection.ts"
import { present } from "./Connection.ts"

/** How many records a page has. */
const pageSize = 500

const arrayOf = <A>(value: A | ReadonlyArray<A> | undefined): ReadonlyArray<A> | undefined =>
  value === undefined ? undefined : Array.isArray(value) ? value : [value as A]

/** The labels of a filter as a request has them. */
const labelsOf = (labels: Readonly<Record<string, string>> | undefined): ReadonlyArray<string> | undefined =>
  labels === undefined || Object.keys(labels).length === 0
    ? undefined
    : Object.entries(labels).map(([key, value]) => `${key}=${value}`)

/** A filter of agents as a request has it. */
export const agentQuery = ({ labels, status, ...filter }: StateStore.AgentFilter) =>
  present({ ...filter, status: arrayOf(status), label: labelsOf(labels) })

/** The labels that turn those of one record into those of another: `null` removes one. */
const labelChange = (before: Agent.Agent["labels"], after: Agent.Agent["labels"]) => ({
  ...Object.fromEntries(Object.keys(before).map((key) => [key, null])),
  ...after
})

/** The records at a server, as far as it shows and changes them. */
export const make = ({
  client,
  failures
}: Pick<Connection, "client" | "failures">): StateStore.StateStore["Service"] => {
  const unsupported = (operation: string) => () => Effect.fail(failures.unsupported(operation))
  const call = <A>(
    operation: string,
    request: Effect.Effect<A, Parameters<ReturnType<typeof failures.store>>[0]>
  ): Effect.Effect<A, StateStoreError.StateStoreError> => Effect.mapError(request, failures.store(operation))

  const pageAgents: StateStore.StateStore["Service"]["pageAgents"] = ({ after, filter = {}, limit }) =>
    call(
      "pageAgents",
      client.agents.list({ query: { ...agentQuery(filter), ...present({ after }), limit } })
    ).pipe(Effect.map(({ items, next }) => ({ agents: items, next: next as Agent.Agent["id"] | undefined })))

  const getAgent: StateStore.StateStore["Service"]["getAgent"] = (id) =>
    Effect.map(call("getAgent", client.agents.get({ params: { id } })), ({ body }) => body)

  const listQueries: StateStore.StateStore["Service"]["listQueries"] = (filter = {}, range = {}) => {
    const { outcome, status, ...others } = filter
    const query = present({
      ...others,
      outcome: arrayOf(outcome),
      status: arrayOf(status),
      order: range.order
    })
    const most = range.limit ?? Number.POSITIVE_INFINITY
    return Stream.paginate({ after: range.after, left: most }, ({ after, left }) =>
      call(
        "listQueries",
        client.queries.list({
          query: { ...query, ...present({ after }), limit: Math.max(1, Math.min(pageSize, left)) }
        })
      ).pipe(
        Effect.map(({ items, next }) => {
          const rest = left - items.length
          const more = next === undefined || rest <= 0 ? Option.none() : Option.some(next)
          return [items, Option.map(more, (id) => ({ after: id as typeof after, left: rest }))] as const
        })
      )
    )
  }

  return StateStore.StateStore.of({
    createAgent: unsupported("createAgent"),
    getAgent,
    updateAgent: Effect.fn("RemoteStateStore.updateAgent")(function* (agent) {
      const before = yield* getAgent(agent.id)
      const { body } = yield* call(
        "updateAgent",
        client.agents.change({
          params: { id: agent.id },
          headers: { "if-match": `"${agent.revision}"` },
          payload: {
            ...(agent.name === before.name ? {} : { name: agent.name }),
            labels: labelChange(before.labels, agent.labels)
          }
        })
      )
      return body
    }),
    listAgents: (filter) =>
      Stream.paginate<Agent.Agent["id"] | undefined, Agent.Agent, StateStoreError.StateStoreError>(
        undefined,
        (after) =>
          Effect.map(pageAgents({ filter, after, limit: pageSize }), ({ agents, next }) => [
            agents,
            Option.fromUndefinedOr(next)
          ])
      ),
    pageAgents,
    findAgents: (text) => call("findAgents", client.agents.find({ query: { text } })),
    createQuery: unsupported("createQuery"),
    getQuery: (id) =>
      Effect.map(call("getQuery", client.queries.get({ params: { id }, query: {} })), ({ query }) => query),
    findQueries: (text) => call("findQueries", client.queries.find({ query: { text } })),
    newestQuery: (agentId) => Stream.runHead(listQueries({ agentId }, { order: "newestFirst", limit: 1 })),
    listQueries,
    startQuery: unsupported("startQuery"),
    requestCancel: unsupported("requestCancel"),
    appendEvents: unsupported("appendEvents"),
    events: (id, fromSeq) =>
      Stream.paginate(fromSeq, (from) =>
        Effect.map(
          call("events", client.queries.log({ params: { id }, query: { from, limit: pageSize } })),
          (records) => {
            const last = records.at(-1)
            return [
              records,
              last === undefined || records.length < pageSize ? Option.none() : Option.some(last.seq + 1)
            ] as const
          }
        )
      ),
    createPool: unsupported("createPool"),
    getPool: (name) => call("getPool", client.pools.get({ params: { name } })),
    updatePool: unsupported("updatePool"),
    removePool: unsupported("removePool"),
    listPools: Stream.fromIterableEffect(call("listPools", client.pools.list())),
    restore: unsupported("restore"),
    usage: (filter = {}) => call("usage", client.usage.summary({ query: present(filter) })),
    usageBy: (grouping, filter = {}) =>
      call("usageBy", client.usage.by({ params: { grouping }, query: present(filter) })) as never,
    poolUsage: (name) => call("poolUsage", client.pools.usage({ params: { name } }))
  })
}
