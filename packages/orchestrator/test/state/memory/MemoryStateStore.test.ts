import { describe, it } from "@effect/vitest"
import { Deliveries } from "@remote-agent/github"
import {
  AccessTokens,
  LaunchIntents,
  MemoryStateStore,
  RequestKeys,
  SnapshotIndex
} from "@remote-agent/orchestrator"
import { Effect, Layer } from "effect"
import { timed } from "../../support/accessCases.ts"
import { conformance } from "../../support/conformance.ts"
import { layerTestClock } from "../../support/stateStoreCases.ts"

const layer = Layer.mergeAll(
  MemoryStateStore.layer,
  LaunchIntents.layerMemory,
  SnapshotIndex.layerMemory,
  Deliveries.layerMemory(),
  AccessTokens.layerMemory,
  RequestKeys.layerMemory,
  layerTestClock
)

describe("MemoryStateStore.layer", () => {
  it.effect.each([...conformance, ...timed].map((one) => [one.name, one] as const))("%s", ([, { run }]) =>
    Effect.provide(run, layer)
  )
})
