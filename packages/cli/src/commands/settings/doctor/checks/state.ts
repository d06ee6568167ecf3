import { StateStore } from "@remote-agent/orchestrator"
import { Effect, Stream } from "effect"
import * as State from "../../../../app/State.ts"
import { check, type Checks } from "../Check.ts"

/** The state opens. */
export const state: Checks = {
  name: "state",
  run: (flags) =>
    Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      yield* Stream.runDrain(Stream.take(store.listAgents(), 1))
      return [check("state", "ok", "The state opens, and its schema is current.")]
    }).pipe(Effect.provide(State.layer(flags)))
}
