import { type Agent, RemoteAgentConfig } from "@remote-agent/domain"
import { DaemonControl } from "@remote-agent/e2b-local"
import { Orchestrator, StateStore } from "@remote-agent/orchestrator"
import { Effect, Layer, Stream } from "effect"
import { CommandHost } from "../process/CommandHost.ts"
import type { Failure } from "../ui/Failure.ts"
import { Screen, silent } from "../ui/Screen.ts"
import * as App from "./App.ts"
import type { Environment } from "./Environment.ts"
import { ServerTarget } from "./ServerTarget.ts"
import type { AppFlags } from "./Settings.ts"
import type * as State from "./State.ts"

/** Whether the provider can be asked without starting anything. */
const isReachable = Effect.gen(function* () {
  if ((yield* ServerTarget) !== undefined) return true
  const { E2B_API_KEY, REMOTE_AGENT_PROVIDER: provider } = yield* RemoteAgentConfig.RemoteAgentConfig
  if (provider === "e2b") return E2B_API_KEY !== undefined
  const { dataFolder } = yield* CommandHost
  return (yield* DaemonControl.look(dataFolder))._tag === "Running"
})

/**
 * Streams agents with the status that their sandboxes have now: a sandbox can be paused without a record of it.
 *
 * **Details**
 *
 * Does not start the local server, and resumes no agent. When the provider cannot be asked, agents have the status of
 * their records.
 */
export const observe = Effect.fnUntraced(function* (
  flags: AppFlags,
  filter: StateStore.AgentFilter
): Effect.fn.Return<ReadonlyArray<Agent.Agent> | undefined, Failure, State.Records | Environment> {
  if (!(yield* isReachable)) return undefined
  const quiet = Layer.effect(
    Screen,
    Effect.map(Screen, (screen) => ({ ...screen, note: silent }))
  )
  return yield* Effect.flatMap(Orchestrator.Orchestrator, ({ agents }) =>
    Stream.runCollect(agents.observe(filter))
  ).pipe(
    Effect.provide(Layer.provide(App.agents(flags), quiet)),
    Effect.catch((error) =>
      Effect.as(
        Effect.logDebug("The provider could not be asked for the state of sandboxes", error),
        undefined
      )
    )
  )
})
