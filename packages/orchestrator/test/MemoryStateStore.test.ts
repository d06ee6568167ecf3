import { describe, it } from "@effect/vitest"
import { MemoryStateStore } from "@remote-agent/orchestrator"
import { Effect, Layer } from "effect"
import { conformance } from "./conformance.ts"
import { layerTestClock } from "./stateStoreCases.ts"

describe("MemoryStateStore.layer", () => {
  it.effect.each(conformance.map((one) => [one.name, one] as const))("%s", ([, { run }]) =>
    Effect.provide(run, Layer.merge(MemoryStateStore.layer, layerTestClock))
  )
})
