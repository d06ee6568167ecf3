import { Profile } from "@remote-agent/domain"
import { Profiles } from "@remote-agent/orchestrator"
import { Effect, Layer } from "effect"
import { Argument } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import * as Settings from "../../app/Settings.ts"
import * as Json from "../../ui/json.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"

/** The profile without secret values that are written in the settings themselves. */
const shown = (profile: Profile.Profile): Profile.Profile =>
  profile.env === undefined
    ? profile
    : new Profile.Profile({
        ...profile,
        env: profile.env.map(({ value, ...rule }) =>
          value === undefined || rule.secret === true
            ? new Profile.EnvRule(rule)
            : new Profile.EnvRule({ ...rule, value })
        )
      })

/** `profiles show`. */
export const show = command({
  name: "profiles show",
  at: "machine",
  description: "Print a profile as JSON",
  flags: {
    name: Argument.String("profile").pipe(Argument.withDescription("The name of the profile"))
  },
  examples: [{ command: "remote-agent profiles show dexter", description: "What it installs and runs" }],
  run: Effect.fn("profiles show")(function* ({ json, name }): Run {
    const { out } = yield* Screen
    const profile = yield* Effect.flatMap(Profiles.Profiles, ({ get }) => get(name)).pipe(
      Effect.provide(Layer.provideMerge(Profiles.layer(), Settings.config()))
    )
    const document = yield* Json.ofProfile(shown(profile))
    yield* line(out, jsonText(document, json ? undefined : 2))
  })
})
