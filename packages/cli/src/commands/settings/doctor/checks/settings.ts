import { Effect } from "effect"
import * as Settings from "../../../../app/Settings.ts"
import { check, type Checks } from "../Check.ts"

/** The settings are valid. */
export const settings: Checks = {
  name: "settings",
  run: () =>
    Effect.gen(function* () {
      yield* Settings.checked(yield* Settings.Settings)
      return [check("settings", "ok", "The settings are in order.")]
    })
}
