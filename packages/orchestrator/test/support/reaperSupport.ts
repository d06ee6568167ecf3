import {
  Agent,
  type RemoteAgentConfig,
  Id,
  type LaunchIntent,
  type OrchestratorError,
  type SandboxError,
  SandboxLabels,
  type StateStoreError
} from "@remote-agent/domain"
import { LaunchIntents, Reaper, StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { DateTime, type Duration, Effect, Layer, Stream } from "effect"
import { layer, type Options } from "./support.ts"

/** The orchestrator of the owner `me` over sandboxes in memory, and its reaper. */
export const layerReaper = (
  options: Options = {}
): Layer.Layer<Layer.Success<ReturnType<typeof layer>> | Reaper.Reaper, RemoteAgentConfig.ConfigError> =>
  Reaper.layer.pipe(
    Layer.provideMerge(layer({ ...options, settings: { REMOTE_AGENT_OWNER: "me", ...options.settings } }))
  )

export const reap = (
  options?: Reaper.ReapOptions
): Effect.Effect<Reaper.Report, OrchestratorError.OrchestratorError, Reaper.Reaper> =>
  Effect.flatMap(Reaper.Reaper, (reaper) => reaper.reap(options))

/** What a report says was done, or was to be done, in the order of the plan: `action rule outcome`. */
export const said = ({ entries }: Reaper.Report): ReadonlyArray<string> =>
  entries.map(({ decision: { action, rule }, outcome }) => `${action} ${rule} ${outcome}`)

/** A sandbox that somebody stamped, in whatever way. */
export const stamped = Effect.fnUntraced(function* (
  owner: string | undefined,
  agentId?: Id.AgentId,
  ttl: Duration.Input = "400 days"
): Effect.fn.Return<Sandbox.Sandbox, SandboxError.SandboxError, Sandboxes.Sandboxes> {
  const id = agentId ?? (yield* Id.nextAgentId)
  const metadata =
    owner === undefined ? {} : { [SandboxLabels.ownerKey]: owner, [SandboxLabels.agentKey]: id }
  return yield* (yield* Sandboxes.Sandboxes).launch({ ttl, metadata })
})

/** A record of an agent, as a launch that went so far would have left it. */
export const recorded = Effect.fnUntraced(function* (
  status: Agent.Agent["status"],
  sandboxId?: Id.SandboxId
): Effect.fn.Return<Agent.Agent, StateStoreError.StateStoreError, StateStore.StateStore> {
  const now = yield* DateTime.now
  const id = yield* Id.nextAgentId
  const agent = new Agent.Agent({
    id,
    name: Agent.AgentName.make(`agent-${id.slice(4)}`),
    profile: "tiny",
    status,
    revision: 0,
    queryCount: 0,
    createdAt: now,
    updatedAt: now,
    ...(sandboxId === undefined
      ? {}
      : { binding: new Agent.Binding({ sandboxId, provider: "memory", home: MemorySandboxes.home }) })
  })
  yield* (yield* StateStore.StateStore).createAgent(agent)
  return agent
})

export const alive = Effect.flatMap(MemorySandboxes.Ledger, (ledger) =>
  Effect.map(ledger.alive, (all) => all.map(({ id }) => id).toSorted())
)

export const agents: Effect.Effect<
  ReadonlyArray<Agent.Agent>,
  StateStoreError.StateStoreError,
  StateStore.StateStore
> = Effect.flatMap(StateStore.StateStore, (store) => Stream.runCollect(store.listAgents()))

export const open: Effect.Effect<
  ReadonlyArray<LaunchIntent.LaunchIntent>,
  StateStoreError.StateStoreError,
  LaunchIntents.LaunchIntents
> = Effect.flatMap(LaunchIntents.LaunchIntents, (intents) => Stream.runCollect(intents.list))

export const terminated = Effect.flatMap(MemorySandboxes.Ledger, ({ calls }) =>
  Effect.map(calls, (all) =>
    all.flatMap(({ operation, sandboxId }) => (operation === "terminate" ? [sandboxId] : []))
  )
)
