import { Agent, AgentLifecycle, AgentLookup, type Lease, StateStoreError } from "@remote-agent/domain"
import { Array as Arr, Effect, Result, Stream } from "effect"
import { type AgentFilter, mostFound, type StateStore } from "../StateStore.ts"
import { inOrder, insert, known, step, type Tables, unchanged } from "./MemoryTables.ts"

/**
 * The methods of the store that read and write agents.
 *
 * @category models
 * @since 0.1.0
 */
export type MemoryAgents = Pick<
  StateStore["Service"],
  "createAgent" | "getAgent" | "updateAgent" | "listAgents" | "pageAgents" | "findAgents"
>

const matches = ({ labels = {}, name, pool, profile, status }: AgentFilter) => {
  const statuses = status === undefined ? AgentLifecycle.AgentStatus.literals : Arr.ensure(status)
  return (agent: Agent.Agent): boolean =>
    statuses.includes(agent.status) &&
    (profile === undefined || agent.profile === profile) &&
    (pool === undefined || agent.pool === pool) &&
    (name === undefined || agent.name === name) &&
    Object.entries(labels).every(([key, value]) => agent.labels[key] === value)
}

/**
 * Adds an agent, which holds its name if no other agent does.
 *
 * @category access
 * @since 0.1.0
 */
export const restoreAgent = (
  { agents, names }: Tables,
  agent: Agent.Agent
): Result.Result<void, StateStoreError.AlreadyExists> =>
  Result.map(insert(agents, agent.id, agent), () => {
    if (AgentLifecycle.mayHoldSandbox(agent.status) && !names.has(agent.name)) names.set(agent.name, agent.id)
  })

/** The agents of a store in memory. See `MemoryStateStore.make`. */
export const make = (tables: Tables): MemoryAgents => {
  const { agents, checkFence, names } = tables
  const matching = (filter: AgentFilter = {}) => inOrder(agents).filter(matches(filter))

  const free = ({ id, name }: Agent.Agent): Result.Result<void, StateStoreError.NameTaken> => {
    const holder = names.get(name)
    return holder === undefined || holder === id
      ? Result.void
      : Result.fail(new StateStoreError.NameTaken({ name, id: holder }))
  }

  const createAgent = Effect.fn("StateStore.createAgent")((agent: Agent.Agent) =>
    step("createAgent", () =>
      Result.gen(function* () {
        if (!agents.has(agent.id) && AgentLifecycle.mayHoldSandbox(agent.status)) yield* free(agent)
        yield* restoreAgent(tables, agent)
      })
    )
  )

  const updateAgent = Effect.fn("StateStore.updateAgent")((agent: Agent.Agent, fence?: Lease.Fence) =>
    step("updateAgent", (updatedAt) =>
      Result.gen(function* () {
        const { id, name, revision, status: to } = agent
        yield* checkFence(fence)
        const current = yield* known(agents, id)
        yield* unchanged(id, revision, current.revision)
        const { status: from, usage } = current
        if (!AgentLifecycle.canMove(from, to)) {
          return yield* Result.fail(new StateStoreError.IllegalMove({ id, from, to }))
        }
        const [held, holds] = [from, to].map(AgentLifecycle.mayHoldSandbox)
        // An imported agent may have the name of another. It keeps it and does not hold it.
        const keeps = held === true && current.name === name
        if (holds === true && !keeps) yield* free(agent)
        if (names.get(current.name) === id) names.delete(current.name)
        if (holds === true && !names.has(name)) names.set(name, id)
        const written = new Agent.Agent({ ...agent, usage, revision: revision + 1, updatedAt })
        agents.set(id, written)
        return written
      })
    )
  )

  const findAgents = Effect.fn("StateStore.findAgents")((text: string) =>
    Effect.sync(() => AgentLookup.select(text, inOrder(agents)).toReversed().slice(0, mostFound))
  )

  return {
    createAgent,
    getAgent: Effect.fn("StateStore.getAgent")((id) => step("getAgent", () => known(agents, id))),
    updateAgent,
    listAgents: (filter) => Stream.suspend(() => Stream.fromIterable(matching(filter))),
    pageAgents: Effect.fn("StateStore.pageAgents")(({ after = "", filter, limit }) =>
      Effect.sync(() => {
        const page = matching(filter).filter(({ id }) => id > after)
        const next = page.length > limit ? page[limit - 1]?.id : undefined
        return { agents: page.slice(0, limit), next }
      })
    ),
    findAgents
  }
}
