import { RemoteAgentConfig } from "@remote-agent/domain"
import { Profiles } from "@remote-agent/orchestrator"
import { Effect, Layer, Option, Result } from "effect"
import type { Run } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as Settings from "../../app/Settings.ts"

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
        problem: "is not valid: there is no such profile",
        hint: `Name one of ${list.map(({ name }) => name).join(", ")}.`
      })
    ]
  })
})

const problemsOf = <A>(
  checked: Result.Result<A, RemoteAgentConfig.ConfigError>
): ReadonlyArray<RemoteAgentConfig.Problem> => (Result.isFailure(checked) ? checked.failure.problems : [])

/** Reports every problem of the settings at once, and of the profiles in them. Fails with them. */
export const run = Effect.fn("config check")(function* (flags: { readonly json: boolean }): Run {
  const { out } = yield* Screen
  const sources = yield* Settings.sources({})
  const ofSettings = problemsOf(yield* Effect.result(Settings.checked(sources)))
  const known = new Set(ofSettings.map(({ name }) => name))
  const ofProfiles = problemsOf(yield* Effect.result(profileProblems(sources)))
  const [first, ...rest] = [...ofSettings, ...ofProfiles.filter(({ name }) => !known.has(name))]
  if (first !== undefined) return yield* new RemoteAgentConfig.ConfigError({ problems: [first, ...rest] })
  yield* line(out, flags.json ? JSON.stringify({ problems: [] }) : "The settings are in order.")
})
