import { type Id, type OrchestratorError, StateStoreError } from "@remote-agent/domain"
import { AgentPool, Orchestrator, QueryHandle } from "@remote-agent/orchestrator"
import { Duration, Effect, FileSystem, Stream } from "effect"
import { type Connection, present, revealed } from "./Connection.ts"
import type { Raw } from "./failures.ts"
import * as RemoteAgents from "./RemoteAgents.ts"
import * as RemoteQueries from "./RemoteQueries.ts"

type Failure = OrchestratorError.OrchestratorError

/** The pools at a server. The queries of a pool are shared out here, over the agents there. */
const poolsOf = (
  { client, failures, profile }: Connection,
  agents: RemoteAgents.RemoteAgents,
  queries: RemoteQueries.RemoteQueries
): Orchestrator.PoolGroup => {
  const call = <A>(operation: string, request: Effect.Effect<A, Raw>): Effect.Effect<A, Failure> =>
    Effect.mapError(request, failures.orchestrator(operation))

  const opened = (spec: AgentPool.PoolSpec, name: Id.PoolName) => {
    const { env, labels, maxSize, persistent, poolBudget, queueLimit, repository, size, ttl, whenFull } = spec
    const { allowInternetAccess, budget } = spec
    const agent = { allowInternetAccess, budget, env, labels, persistent, repository, ttl }
    return call(
      "pool",
      client.pools.open({
        payload: {
          ...RemoteAgents.launchPayload(agent),
          ...present({ profile: spec.profile ?? profile, maxSize, whenFull, queueLimit, poolBudget }),
          name,
          size
        }
      })
    )
  }

  return {
    open: Effect.fnUntraced(function* (spec) {
      if (spec.name === undefined) {
        return yield* AgentPool.make(agents, queries, { ...spec, profile: spec.profile ?? profile })
      }
      const { agents: members, failures: failed, pool } = yield* opened(spec, spec.name)
      const made = yield* AgentPool.make(
        agents,
        queries,
        // The server launched what was missing. What it could not launch is not launched from here.
        { ...spec, profile: pool.profile, size: Math.max(1, members.length) },
        { candidates: members, isWell: () => Effect.succeed(true) }
      )
      return {
        ...made,
        settled: Effect.map(made.settled, (settled) => ({
          ...settled,
          failures: [...failed, ...settled.failures]
        }))
      }
    }),
    resize: Effect.fn("RemoteOrchestrator.resizePool")(function* (name, size, options = {}) {
      const {
        agents: members,
        busy,
        failures: failed
      } = yield* call(
        "resize",
        client.pools.resize({
          params: { name },
          payload: { size, ...present({ env: revealed(options.env) }) }
        })
      )
      return { agents: members, failures: failed, busy }
    }),
    close: (name) => call("closePool", client.pools.close({ params: { name } })),
    list: Stream.fromIterableEffect(call("listPools", client.pools.list()))
  }
}

const unreadable = (file: string) =>
  new StateStoreError.StateStoreError({
    operation: "importState",
    reason: new StateStoreError.InvalidDocument({
      file,
      problems: [new StateStoreError.DocumentProblem({ path: "The file", problem: "cannot be read" })]
    })
  })

/** The state at a server. */
const stateOf = ({ client, failures }: Connection, fs: FileSystem.FileSystem): Orchestrator.StateGroup => {
  const call = <A>(operation: string, request: Effect.Effect<A, Raw>): Effect.Effect<A, Failure> =>
    Effect.mapError(request, failures.orchestrator(operation))
  const unsupported = (operation: string) =>
    Effect.fail(failures.ofStore(operation)(failures.unsupported(operation)))
  return {
    export: () => unsupported("exportState"),
    import: Effect.fn("RemoteOrchestrator.importState")(function* (file) {
      const bytes = yield* Effect.mapError(fs.readFile(file), () =>
        failures.ofStore("importState")(unreadable(file))
      )
      return yield* call("importState", client.server.importState({ payload: bytes }))
    }),
    reap: ({ dryRun, removePaused, retention } = {}) =>
      call(
        "reap",
        client.server.reap({
          payload: present({
            dryRun,
            removePaused,
            retention: retention === undefined ? undefined : Duration.fromInputUnsafe(retention)
          })
        })
      )
  }
}

/** The orchestrator at a server. */
export const make = Effect.fnUntraced(function* (connection: Connection) {
  const { client, failures } = connection
  const fs = yield* FileSystem.FileSystem
  const queries = RemoteQueries.make(connection)
  const agents = RemoteAgents.make(connection, queries)
  const queryOf = QueryHandle.make(queries)
  const call = <A>(operation: string, request: Effect.Effect<A, Raw>): Effect.Effect<A, Failure> =>
    Effect.mapError(request, failures.orchestrator(operation))

  return Orchestrator.Orchestrator.of({
    agents: agents.group,
    queries: {
      get: (id) =>
        Effect.map(call("getQuery", client.queries.get({ params: { id }, query: {} })), ({ query }) =>
          queryOf(query)
        ),
      of: queryOf,
      // Durable runs are worked on where the state is.
      submit: () => Stream.fail(failures.ofStore("submit")(failures.unsupported("submit"))),
      abandon: () => Effect.fail(failures.ofStore("abandon")(failures.unsupported("abandon"))),
      list: (filter, range) =>
        Stream.mapError(connection.store.listQueries(filter, range), failures.ofStore("listQueries")),
      ask: Effect.fn("RemoteOrchestrator.ask")(function* (text, options = {}) {
        const {
          budget,
          continue: _,
          maxIterations,
          model,
          newSession,
          onEvent,
          replace,
          resume,
          session,
          timeout,
          ...spec
        } = options
        const { id } = yield* agents.launchScoped(spec)
        return yield* queries.query(
          id,
          text,
          { budget, maxIterations, model, newSession, replace, resume, session, timeout },
          onEvent
        )
      }),
      usage: (filter) => Effect.mapError(connection.store.usage(filter), failures.ofStore("usage"))
    },
    pools: poolsOf(connection, agents, queries),
    state: stateOf(connection, fs)
  })
})
