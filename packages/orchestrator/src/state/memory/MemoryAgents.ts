import { Agent, AgentLifecycle, type Lease, StateStoreError } from "@remote-agent/domain"
import { Array as Arr, Effect, Result, Stream } from "effect"
import type { AgentFilter, StateStore } from "../StateStore.ts"
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

/** The agents of a store in memory. See `MemoryStateStore.make`. */
export const make = ({ agents, checkFence }: Tables): MemoryAgents => {
  const matching = (filter: AgentFilter = {}) => inOrder(agents).filter(matches(filter))

  const updateAgent = Effect.fn("StateStore.updateAgent")((agent: Agent.Agent, fence?: Lease.Fence) =>
    step("updateAgent", (updatedAt) =>
      Result.gen(function* () {
        const { id, revision, status: to } = agent
        yield* checkFence(fence)
        const current = yield* known(agents, id)
        yield* unchanged(id, revision, current.revision)
        const { status: from, usage } = current
        if (!AgentLifecycle.canMove(from, to)) {
          return yield* Result.fail(new StateStoreError.IllegalMove({ id, from, to }))
        }
        const written = new Agent.Agent({ ...agent, usage, revision: revision + 1, updatedAt })
        agents.set(id, written)
        return written
      })
    )
  )

  const findAgents = Effect.fn("StateStore.findAgents")((text: string) =>
    Effect.sync(() => {
      const all = inOrder(agents)
      const exact = all.filter(({ id }) => id === text)
      return exact.length > 0 || text === ""
        ? exact
        : all.filter(({ id, name }) => id.startsWith(text) || name === text).slice(0, 10)
    })
  )

  return {
    createAgent: Effect.fn("StateStore.createAgent")((agent) =>
      step("createAgent", () => insert(agents, agent.id, agent))
    ),
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
