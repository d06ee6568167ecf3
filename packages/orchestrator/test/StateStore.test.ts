import { describe, it } from "@effect/vitest"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import { cases } from "./stateStoreCases.ts"

describe("StateStore.layerMemory", () => {
  for (const one of cases) {
    it.effect(one.name, () => Effect.provide(one.run, StateStore.layerMemory))
  }
})
