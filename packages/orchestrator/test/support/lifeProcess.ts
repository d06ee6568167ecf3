import {
  RemoteAgentConfig,
  type SandboxError,
  StateLocation,
  type StateStoreError
} from "@remote-agent/domain"
import {
  AgentRuntime,
  Orchestrator,
  Profiles,
  Reaper,
  SqlStateStore,
  AgentLocks
} from "@remote-agent/orchestrator"
import { E2bSandboxes, type Sandboxes } from "@remote-agent/sandbox"
import { Duration, Layer, Option, Redacted } from "effect"
import { counting } from "./lifePlan.ts"

/** Where a process finds its provider and its state, and what it calls itself. */
export interface Surroundings {
  readonly url: string
  readonly key: string
  readonly state: string
  readonly owner: string
  /** The file in which agents note what they were asked. */
  readonly notes: string
}

const stateOf = (text: string) => {
  const location = Option.getOrThrow(StateLocation.parse(text))
  return location._tag === "Postgres"
    ? SqlStateStore.layerPostgres({ url: location.url, connections: 2 })
    : location._tag === "File"
      ? SqlStateStore.layerSqlite({ path: location.path })
      : SqlStateStore.layerSqliteMemory
}

/** All that a process works with, over a real server of sandboxes and a real database. */
export const layer = ({
  key,
  notes,
  owner,
  state,
  url
}: Surroundings): Layer.Layer<
  Orchestrator.Orchestrator | Reaper.Reaper | Sandboxes.Sandboxes | SqlStateStore.State,
  RemoteAgentConfig.ConfigError | StateStoreError.StateStoreError | SandboxError.SandboxError
> =>
  Layer.merge(Orchestrator.layerNoDeps, Reaper.layer).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        AgentRuntime.layer,
        Layer.fresh(stateOf(state)),
        Profiles.layerFrom([counting(notes)]),
        E2bSandboxes.layer({
          provider: "local",
          apiKey: Redacted.make(key),
          apiUrl: url,
          sandboxUrl: url,
          isolation: "waived"
        }),
        RemoteAgentConfig.layerFrom({ REMOTE_AGENT_OWNER: owner, REMOTE_AGENT_PROFILE: "counting" })
      )
    ),
    // Only how soon others may go on when it is dead.
    Layer.provide(Layer.succeed(AgentLocks.Policy, { ttl: Duration.millis(600), beat: Duration.millis(200) }))
  )
