import type { Profile } from "@remote-agent/domain"
import { Effect } from "effect"
import * as CodingProfiles from "./CodingProfiles.ts"
import * as DexterProfile from "./DexterProfile.ts"
import * as SampleProfile from "./SampleProfile.ts"

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
