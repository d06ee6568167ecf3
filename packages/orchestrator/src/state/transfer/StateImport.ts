import { Agent, AgentLifecycle, ImportReport, type StateStoreError } from "@remote-agent/domain"
import type { Sandboxes } from "@remote-agent/sandbox"
import { DateTime, Effect, Stream } from "effect"
import * as DocumentReader from "./DocumentReader.ts"
import type { StateRecord, StateStore } from "../StateStore.ts"

type Store = StateStore["Service"]

/**
 * The state of an agent's sandbox as its provider reports it.
 *
 * @category models
 * @since 0.1.0
 */
export type Standing = "running" | "paused" | "gone" | "unreachable"

/**
 * Asks for the state of the sandbox of an agent. Never fails.
 *
 * @category models
 * @since 0.1.0
 */
export type Check = (agent: Agent.Agent, binding: Agent.Binding) => Effect.Effect<Standing>

/**
 * Asks the current provider. The sandbox of another provider is `unreachable`.
 *
 * @category import
 * @since 0.1.0
 */
export const checkWith =
  (sandboxes: Sandboxes.Sandboxes["Service"]): Check =>
  (_, { provider, sandboxId }) =>
    provider === sandboxes.provider
      ? Effect.match(sandboxes.info(sandboxId), {
          onSuccess: ({ state }): Standing => state,
          onFailure: ({ reason }): Standing => (reason._tag === "Gone" ? "gone" : "unreachable")
        })
      : Effect.succeed("unreachable")

interface Decision {
  readonly agent: Agent.Agent
  readonly outcome: ImportReport.ImportOutcome
  readonly detail?: string
}

/**
 * Decides how an agent is imported, by the state of its sandbox.
 *
 * @category import
 * @since 0.1.0
 */
export const decide = (agent: Agent.Agent, standing: Standing | undefined): Decision => {
  switch (standing) {
    case undefined:
      return { agent, outcome: "imported" }
    case "gone": {
      const { binding: _, ...rest } = agent
      const detail = "Its sandbox no longer existed when it was imported."
      return { agent: new Agent.Agent({ ...rest, status: "lost", detail }), outcome: "lost", detail }
    }
    case "unreachable":
      return { agent, outcome: "unreachable", detail: "Its provider could not be asked; it is as it was." }
    case "running":
      return agent.status === "paused"
        ? { agent: new Agent.Agent({ ...agent, status: "active" }), outcome: "imported", detail: "It runs." }
        : { agent, outcome: "imported" }
    case "paused":
      return agent.status === "active"
        ? {
            agent: new Agent.Agent({ ...agent, status: "paused" }),
            outcome: "imported",
            detail: "It sleeps."
          }
        : { agent, outcome: "imported" }
  }
}

/**
 * Imports a document into a store, all of it or nothing.
 *
 * **Details**
 *
 * The state of every sandbox is asked for first. Records that exist are kept, so a document may be imported twice. An
 * agent whose name is taken keeps it, and holds it once it is free.
 *
 * Fails with `InvalidDocument`, which lists every problem, with `NewerSchema` for a document of a later version, and
 * with `Unavailable` when the file or the store cannot be used.
 *
 * @category import
 * @since 0.1.0
 */
export const importFrom: (
  store: Store,
  file: string,
  check: Check
) => Effect.Effect<ImportReport.ImportReport, StateStoreError.StateStoreError> = Effect.fn(
  "StateImport.importFrom"
)(function* (store: Store, file: string, check: Check) {
  const { agents, notes, pools, queries } = yield* DocumentReader.read(file)
  const ids = new Set(agents.map(({ id }) => id))
  const there = new Map<string, Agent.Agent>()
  const holders = new Map<string, string>()
  yield* Stream.runForEach(store.listAgents(), (agent) =>
    Effect.sync(() => {
      if (ids.has(agent.id)) there.set(agent.id, agent)
      if (agent.binding !== undefined) holders.set(sandboxOf(agent.binding), agent.id)
    })
  )
  const decisions = yield* Effect.forEach(
    agents,
    (agent): Effect.Effect<Decision> => {
      const current = there.get(agent.id)
      if (current !== undefined) return Effect.succeed(whatIsThere(agent, current))
      const { binding, status } = agent
      if (binding === undefined || !AgentLifecycle.mayHoldSandbox(status))
        return Effect.succeed(decide(agent, undefined))
      const holder = holders.get(sandboxOf(binding))
      return holder === undefined
        ? Effect.map(check(agent, binding), (standing) => decide(agent, standing))
        : Effect.succeed({ agent, outcome: "conflict", detail: `Its sandbox is that of ${holder}.` })
    },
    { concurrency: 8 }
  )
  const conflicts = new Set(
    decisions.flatMap(({ agent, outcome }) => (outcome === "conflict" ? [agent.id] : []))
  )
  const records = function* (): Generator<StateRecord> {
    for (const pool of pools) yield { _tag: "Pool", pool }
    for (const { agent, outcome } of decisions) {
      if (outcome !== "conflict" && outcome !== "alreadyThere") yield { _tag: "Agent", agent }
    }
    for (const query of queries) if (!conflicts.has(query.query.agentId)) yield { _tag: "Query", query }
  }
  const written = yield* store.restore(records())
  return new ImportReport.ImportReport({
    agents: decisions.map(
      ({ agent: { id, name }, detail, outcome }) =>
        new ImportReport.ImportedAgent({ id, name, outcome, ...(detail === undefined ? {} : { detail }) })
    ),
    pools: pools.filter(({ name }) => written.has(name)).length,
    queries: queries.filter(({ query }) => written.has(query.id)).length,
    notes
  })
})

const sandboxOf = ({ provider, sandboxId }: Agent.Binding) => `${provider} ${sandboxId}`

const whatIsThere = (agent: Agent.Agent, current: Agent.Agent): Decision =>
  DateTime.Equivalence(agent.createdAt, current.createdAt)
    ? { agent, outcome: "alreadyThere" }
    : { agent, outcome: "conflict", detail: "Another agent has its id." }
