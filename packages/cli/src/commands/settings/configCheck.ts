import { RemoteAgentConfig } from "@remote-agent/domain"
import { Profiles } from "@remote-agent/orchestrator"
import { Effect, Layer, Option, Result } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as Settings from "../../app/Settings.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"

const profileProblems = Effect.fnUntraced(function* (found: Settings.Sources) {
  const provider = Settings.merged(found)
  const setting = (name: RemoteAgentConfig.Name) =>
    RemoteAgentConfig.text(name)
      .parse(provider)
      .pipe(
        Effect.orElseSucceed(() => Option.none<string>()),
        Effect.map(Option.getOrElse(() => ""))
      )
  const config = RemoteAgentConfig.layerFrom({
    REMOTE_AGENT_PROFILES: yield* setting("REMOTE_AGENT_PROFILES")
  })
  const { list } = yield* Effect.provide(Profiles.Profiles, Layer.provide(Profiles.layer(), config))
  const wanted = (yield* setting("REMOTE_AGENT_PROFILE")).trim()
  if (wanted === "" || list.some(({ name }) => name === wanted)) return
  return yield* new RemoteAgentConfig.ConfigError({
    problems: [
      new RemoteAgentConfig.Problem({
        name: "REMOTE_AGENT_PROFILE",
        problem: "names a profile that does not exist",
        hint: `Name one of ${list.map(({ name }) => name).join(", ")}.`
      })
    ]
  })
})

const problemsOf = <A>(
  checked: Result.Result<A, RemoteAgentConfig.ConfigError>
): ReadonlyArray<RemoteAgentConfig.Problem> => (Result.isFailure(checked) ? checked.failure.problems : [])

/** `config check`. */
export const check = command({
  name: "config check",
  at: "machine",
  description: "Report every problem of the settings and the profiles at once",
  flags: {},
  examples: [
    {
      command: "remote-agent config check --json",
      description: "For programs; exit code 2 when there are problems"
    }
  ],
  run: Effect.fn("config check")(function* ({ json }): Run {
    const { out } = yield* Screen
    const sources = yield* Settings.Settings
    const ofSettings = problemsOf(yield* Effect.result(Settings.checked(sources)))
    const known = new Set(ofSettings.map(({ name }) => name))
    const ofProfiles = problemsOf(yield* Effect.result(profileProblems(sources)))
    const [first, ...rest] = [
      ...sources.warnings,
      ...ofSettings,
      ...ofProfiles.filter(({ name }) => !known.has(name))
    ]
    if (first !== undefined) {
      return yield* new RemoteAgentConfig.ConfigError({ problems: [first, ...rest] })
    }
    yield* line(out, json ? jsonText({ problems: [] }) : "The settings are in order.")
  })
})
