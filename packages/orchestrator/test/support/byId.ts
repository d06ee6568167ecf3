import { type Agent, type Id, type Query } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect } from "effect"

type Service = Orchestrator.Orchestrator["Service"]

/** Handles use nothing of a record but its id, so tests that have the id alone need not read the record. */
const agentOf = ({ agents }: Service, id: Id.AgentId) => agents.of({ id } as Agent.Agent)
const queryOf = ({ queries }: Service, id: Id.QueryId) => queries.of({ id } as Query.Query)

type Handle = ReturnType<Service["agents"]["of"]>
type QueryHandle = ReturnType<Service["queries"]["of"]>
type Args<Method extends keyof Handle> = Handle[Method] extends (...args: infer A) => unknown ? A : never

/** The methods of handles on agents and queries by id, and what else tests call, for one orchestrator. */
export const of = (orchestrator: Service) => {
  const { agents, pools, queries, state } = orchestrator
  return {
    launch: (...all: Parameters<Service["agents"]["launch"]>) =>
      Effect.map(agents.launch(...all), ({ record }) => record),
    launchScoped: (...all: Parameters<Service["agents"]["launchScoped"]>) =>
      Effect.map(agents.launchScoped(...all), ({ record }) => record),
    get: (id: Id.AgentId) => agentOf(orchestrator, id).refresh,
    list: agents.list,
    find: agents.find,
    query: (id: Id.AgentId, ...all: Args<"query">) => agentOf(orchestrator, id).query(...all),
    stream: (id: Id.AgentId, ...all: Args<"stream">) => agentOf(orchestrator, id).stream(...all),
    start: (id: Id.AgentId, ...all: Args<"start">) =>
      Effect.map(agentOf(orchestrator, id).start(...all), ({ record }) => record),
    pause: (id: Id.AgentId, ...all: Args<"pause">) => agentOf(orchestrator, id).pause(...all),
    resume: (id: Id.AgentId) => agentOf(orchestrator, id).resume,
    terminate: (id: Id.AgentId) => agentOf(orchestrator, id).terminate,
    update: (id: Id.AgentId, ...all: Args<"update">) => agentOf(orchestrator, id).update(...all),
    replace: (id: Id.AgentId, ...all: Args<"replace">) => agentOf(orchestrator, id).replace(...all),
    fork: (id: Id.AgentId, ...all: Args<"fork">) =>
      Effect.map(agentOf(orchestrator, id).fork(...all), ({ record }) => record),
    health: (id: Id.AgentId) => agentOf(orchestrator, id).health,
    info: (id: Id.AgentId) => agentOf(orchestrator, id).info,
    rename: (id: Id.AgentId, ...all: Args<"rename">) => agentOf(orchestrator, id).rename(...all),
    label: (id: Id.AgentId, ...all: Args<"label">) => agentOf(orchestrator, id).label(...all),
    withExclusiveAccess: <A, E, R>(
      operation: string,
      id: Id.AgentId,
      work: (sandbox: Parameters<Parameters<Handle["withExclusiveAccess"]>[1]>[0]) => Effect.Effect<A, E, R>,
      options?: Parameters<Handle["withExclusiveAccess"]>[2]
    ) => agentOf(orchestrator, id).withExclusiveAccess(operation, work, options),
    events: (id: Id.QueryId, ...all: Parameters<QueryHandle["events"]>) =>
      queryOf(orchestrator, id).events(...all),
    cancel: (id: Id.QueryId, ...all: Parameters<QueryHandle["cancel"]>) =>
      queryOf(orchestrator, id).cancel(...all),
    ask: (...all: Parameters<Service["queries"]["ask"]>) => Effect.scoped(queries.ask(...all)),
    usage: queries.usage,
    reap: state.reap,
    pool: pools.open,
    closePool: pools.close,
    state,
    pools,
    agents,
    queries
  }
}

/** The orchestrator of a test, by id. */
export type ById = ReturnType<typeof of>

/** The orchestrator of a test, by id. */
export const byId: Effect.Effect<ById, never, Orchestrator.Orchestrator> = Effect.map(
  Orchestrator.Orchestrator,
  of
)
