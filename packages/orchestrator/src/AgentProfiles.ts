import type { Profile } from "@remote-agent/domain"
import { Effect } from "effect"
import * as SampleProfile from "./SampleProfile.ts"

/** The profiles that come with this package. */
export const all: Effect.Effect<ReadonlyArray<Profile.Profile>> = Effect.all([SampleProfile.make])
