import { RemoteAgentConfig, type OrchestratorError, type ImportReport } from "@remote-agent/domain"
import { Sandboxes } from "@remote-agent/sandbox"
import { Effect, Redacted } from "effect"
import { Profiles } from "../../profiles/Profiles.ts"
import * as AgentStore from "../AgentStore.ts"
import * as StateExport from "./StateExport.ts"
import * as StateImport from "./StateImport.ts"
import { StateStore } from "../StateStore.ts"

/** Takes the state of an installation into a file and out of one. */
export interface StateTransfer {
  readonly exportState: (
    file: string
  ) => Effect.Effect<StateExport.Exported, OrchestratorError.OrchestratorError>
  readonly importState: (
    file: string
  ) => Effect.Effect<ImportReport.ImportReport, OrchestratorError.OrchestratorError>
}

/** Between a file and the state there is, without the secrets of the configuration and of its profiles. */
export const make: Effect.Effect<
  StateTransfer,
  never,
  RemoteAgentConfig.RemoteAgentConfig | Profiles | Sandboxes.Sandboxes | StateStore
> = Effect.gen(function* () {
  const [config, profiles, sandboxes, store] = yield* Effect.all([
    RemoteAgentConfig.RemoteAgentConfig,
    Profiles,
    Sandboxes.Sandboxes,
    StateStore
  ])

  const secretsOf = Effect.gen(function* () {
    const settings: ReadonlyArray<unknown> = Object.values(config).flat()
    const ofProfiles = yield* Effect.forEach(profiles.list, (profile) => profiles.secrets(profile))
    return [...settings.filter(isSecret), ...ofProfiles.flat()]
  })

  return {
    exportState: Effect.fn("Orchestrator.exportState")(function* (file) {
      const secrets = yield* secretsOf
      return yield* AgentStore.stored("exportState", StateExport.exportTo(store, file, { secrets }))
    }),
    importState: Effect.fn("Orchestrator.importState")((file) =>
      AgentStore.stored("importState", StateImport.importFrom(store, file, StateImport.checkWith(sandboxes)))
    )
  }
})

const isSecret = (value: unknown): value is Redacted.Redacted =>
  Redacted.isRedacted(value) && typeof Redacted.value(value) === "string"
