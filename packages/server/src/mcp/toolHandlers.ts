import { AgentEvent, type Agent, type Id, type Query } from "@remote-agent/domain"
import { Orchestrator, Repositories, StateStore } from "@remote-agent/orchestrator"
import { Duration, Effect, type Layer, Stream } from "effect"
import { McpSchema, McpServer, type Tool } from "effect/ai"
import { type QuerySummary, type ToolFailure, toolkit } from "./McpTools.ts"

/** A failure of the library, told to a model. */
const told = Effect.mapError(
  (failure: { readonly message: string; readonly reason: { readonly _tag: string } }): ToolFailure => ({
    reason: failure.reason._tag,
    message: failure.message
  })
)

const summaryOf = ({ id, labels, name, profile, queryCount, status }: Agent.Agent) => ({
  id,
  name,
  status,
  profile,
  labels,
  queries: queryCount
})

const ended = (result: Query.QueryResult): QuerySummary => ({
  query: result.queryId,
  agent: result.agentId,
  status: "ended",
  outcome: result.outcome,
  ...(result.ok ? { answer: result.answer } : { error: result.error ?? "No reason was given." })
})

const running = ({ agentId, id, status }: Query.Query): QuerySummary => ({
  query: id,
  agent: agentId,
  status
})

/** Tells the client of the request about progress, if it asked for it. */
const reporter = Effect.gen(function* () {
  const [{ requestMetadata }, { notifications }] = [
    yield* McpSchema.McpRequestContext,
    yield* McpServer.McpServer
  ]
  const token = (requestMetadata as { readonly progressToken?: string | number } | undefined)?.progressToken
  return (progress: number, message: string) =>
    token === undefined
      ? Effect.void
      : Effect.ignore(notifications["notifications/progress"]({ progressToken: token, progress, message }))
})

/**
 * Carries the tools out, over the library of this process or of a server.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  Tool.HandlersFor<typeof toolkit.tools>,
  never,
  Orchestrator.Orchestrator | Repositories.Repositories | StateStore.StateStore | McpServer.McpServer
> = toolkit.toLayer(
  Effect.gen(function* () {
    const { agents, queries } = yield* Orchestrator.Orchestrator
    const [repositories, store] = [yield* Repositories.Repositories, yield* StateStore.StateStore]
    const mcp = yield* McpServer.McpServer
    const progressOf = Effect.provideService(reporter, McpServer.McpServer, mcp)

    /** The agent that a text names. */
    const named = Effect.fnUntraced(function* (text: string) {
      const [first, second] = yield* told(agents.find(text))
      if (first === undefined) {
        return yield* Effect.fail<ToolFailure>({
          reason: "AgentNotFound",
          message: `There is no agent ${text}. List agents with list_agents.`
        })
      }
      if (second !== undefined) {
        return yield* Effect.fail<ToolFailure>({
          reason: "Ambiguous",
          message: `${text} matches several agents, such as ${first.id} and ${second.id}. Give the id.`
        })
      }
      return first
    })

    const statusOf = Effect.fnUntraced(function* (id: Id.QueryId) {
      const handle = yield* told(queries.get(id))
      if (handle.record.status !== "ended") return running(handle.record)
      return ended(
        yield* told(
          Effect.catchReason(handle.result, "OrchestratorError", "QueryFailed", ({ result }) =>
            Effect.succeed(result)
          )
        )
      )
    })

    /** Follows a query to its end and reports its events as progress. */
    const followed = Effect.fnUntraced(function* (id: Id.QueryId) {
      const report = yield* progressOf
      const handle = yield* told(queries.get(id))
      yield* told(
        Stream.runForEach(handle.events(), ({ event, seq }) =>
          report(seq + 1, `${id}: ${AgentEvent.describe(event) || event.type}`)
        )
      )
    })

    return toolkit.of({
      list_agents: ({ label, limit = 100, profile, status }) => {
        const [key = "", ...value] = label?.split("=") ?? []
        const filter = {
          ...(profile === undefined ? {} : { profile }),
          ...(label === undefined ? {} : { labels: { [key]: value.join("=") } }),
          status: status ?? (["launching", "active", "paused", "failed", "lost"] as const)
        }
        return Effect.map(told(Stream.runCollect(Stream.take(agents.list(filter), limit))), (found) => ({
          agents: found.map(summaryOf)
        }))
      },
      launch_agent: ({ ref, repository, ttl, ...spec }) =>
        Effect.gen(function* () {
          const report = yield* progressOf
          let stages = 0
          const { record } = yield* told(
            agents.launch({
              ...spec,
              ...(ttl === undefined ? {} : { ttl: Duration.seconds(ttl) }),
              ...(repository === undefined
                ? {}
                : { repository: { url: repository, ...(ref === undefined ? {} : { ref }) } }),
              onStage: (stage) => report(++stages, stage)
            })
          )
          return summaryOf(record)
        }),
      ask: ({ model, profile, question, timeout }) =>
        Effect.gen(function* () {
          const report = yield* progressOf
          const result = yield* Effect.scoped(
            queries.ask(question, {
              ...(profile === undefined ? {} : { profile }),
              ...(model === undefined ? {} : { model }),
              ...(timeout === undefined ? {} : { timeout: Duration.seconds(timeout) }),
              onEvent: ({ event, seq }) => report(seq + 1, AgentEvent.describe(event) || event.type)
            })
          ).pipe(
            Effect.catchReason("OrchestratorError", "QueryFailed", (failed) => Effect.succeed(failed.result)),
            told
          )
          return ended(result)
        }),
      query_agent: ({ agent, model, question, session, timeout, wait }) =>
        Effect.gen(function* () {
          const found = yield* named(agent)
          const { id } = yield* told(
            agents.of(found).enqueue(question, {
              ...(model === undefined ? {} : { model }),
              ...(session === undefined ? {} : { session }),
              ...(timeout === undefined ? {} : { timeout: Duration.seconds(timeout) })
            })
          )
          // A call that is cut off leaves the query running, to be found by its status.
          yield* wait === undefined
            ? followed(id)
            : Effect.timeoutOption(followed(id), Duration.seconds(wait))
          return yield* statusOf(id)
        }),
      query_status: ({ query }) => statusOf(query),
      query_events: ({ from = 0, limit = 200, query }) =>
        Effect.gen(function* () {
          yield* told(queries.get(query))
          const found = yield* told(Stream.runCollect(Stream.take(store.events(query, from), limit)))
          return {
            events: found.map(({ event, seq }) => ({
              seq,
              type: event.type,
              text: AgentEvent.describe(event)
            })),
            next: (found.at(-1)?.seq ?? from - 1) + 1
          }
        }),
      cancel_query: ({ query }) =>
        Effect.gen(function* () {
          const handle = yield* told(queries.get(query))
          yield* told(handle.cancel("mcp"))
          return yield* statusOf(query)
        }),
      terminate_agent: ({ agent }) =>
        Effect.flatMap(named(agent), (found) => Effect.map(told(agents.of(found).terminate), summaryOf)),
      diff_of_agent: ({ agent }) =>
        Effect.flatMap(named(agent), ({ id }) =>
          Effect.map(told(repositories.diff(id)), ({ files, patch }) => ({
            files: files.map(({ path }) => path),
            patch
          }))
        )
    })
  })
)
