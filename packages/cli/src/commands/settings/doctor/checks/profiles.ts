import { RemoteAgentConfig } from "@remote-agent/domain"
import { Profiles } from "@remote-agent/orchestrator"
import { Effect, Layer } from "effect"
import * as Settings from "../../../../app/Settings.ts"
import { check, type Checks } from "../Check.ts"

/** Every profile has the settings that it needs. */
export const profiles: Checks = {
  name: "profiles",
  run: (flags) =>
    Effect.gen(function* () {
      const { REMOTE_AGENT_PROFILE: wanted } = yield* RemoteAgentConfig.RemoteAgentConfig
      const { get, list, prepare } = yield* Profiles.Profiles
      yield* get(wanted)
      return yield* Effect.forEach(list, (profile) => {
        const name = `profile ${profile.name}`
        return prepare(profile).pipe(
          Effect.as(check(name, "ok", "Its settings are complete.")),
          Effect.catchReason("OrchestratorError", "NotConfigured", ({ problems }) =>
            Effect.succeed(
              check(
                name,
                profile.name === wanted ? "failed" : "warning",
                problems.map(({ name: key, problem }) => `${key} ${problem}`).join("; "),
                problems
                  .map(({ hint, name: key }) => (problems.length === 1 ? hint : `${key}: ${hint}`))
                  .join("\n")
              )
            )
          )
        )
      })
    }).pipe(Effect.provide(Layer.provideMerge(Profiles.layer(), Settings.config(flags))))
}
