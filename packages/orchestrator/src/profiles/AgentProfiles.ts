import type { Profile } from "@remote-agent/domain"
import { Effect } from "effect"
import * as CodingProfiles from "./coding.ts"
import * as DexterProfile from "./dexter.ts"
import * as SampleProfile from "./sample.ts"

/** The profiles that come with this package. */
export const all: Effect.Effect<ReadonlyArray<Profile.Profile>> = Effect.map(
  Effect.all([SampleProfile.make, DexterProfile.make, DexterProfile.makePython]),
  (made) => [
    ...made,
    CodingProfiles.claudeCode,
    CodingProfiles.codex,
    CodingProfiles.opencode,
    CodingProfiles.custom
  ]
)
