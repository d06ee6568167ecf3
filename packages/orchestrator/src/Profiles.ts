import { OrchestratorError, type Profile } from "@remote-agent/domain"
import { Context, Effect, Layer } from "effect"
import * as SampleProfile from "./SampleProfile.ts"

/** The profiles that agents can be launched from. */
export class Profiles extends Context.Service<
  Profiles,
  {
    /** Fails with `UnknownProfile`, which names those there are. */
    readonly get: (name: string) => Effect.Effect<Profile.Profile, OrchestratorError.OrchestratorError>
    /** All of them, by name. */
    readonly list: ReadonlyArray<Profile.Profile>
  }
>()("@remote-agent/orchestrator/Profiles") {}

/** Exactly these profiles. */
export const make = (profiles: ReadonlyArray<Profile.Profile>) => {
  const byName = new Map(profiles.map((profile) => [profile.name, profile]))
  const list = [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return Profiles.of({
    list,
    get: Effect.fn("Profiles.get")(function* (name: string) {
      const profile = byName.get(name)
      if (profile !== undefined) return profile
      return yield* new OrchestratorError.OrchestratorError({
        operation: "profile",
        reason: new OrchestratorError.UnknownProfile({ name, known: list.map((known) => known.name) })
      })
    })
  })
}

/** Exactly these profiles. */
export const layerFrom = (profiles: ReadonlyArray<Profile.Profile>): Layer.Layer<Profiles> =>
  Layer.succeed(Profiles, make(profiles))

/** The profiles that come with this package, and more; one of the same name takes the place of ours. */
export const layer = (more: ReadonlyArray<Profile.Profile> = []): Layer.Layer<Profiles> =>
  Layer.effect(
    Profiles,
    Effect.map(SampleProfile.make, (sample) => make([sample, ...more]))
  )
