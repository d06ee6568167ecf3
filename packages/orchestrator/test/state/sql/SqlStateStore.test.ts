import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, it } from "@effect/vitest"
import { SqlStateStore } from "@remote-agent/orchestrator"
import { Effect, FileSystem, Layer, Path } from "effect"
import { timed } from "../../support/accessCases.ts"
import { conformance } from "../../support/conformance.ts"
import { layerTestClock } from "../../support/stateStoreCases.ts"

/** A store in a file in a folder that goes with the layer. */
const layerFile = Layer.unwrap(
  Effect.gen(function* () {
    const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    return SqlStateStore.layerSqlite({ path: (yield* Path.Path).join(folder, "state.db") })
  })
).pipe(Layer.provide(NodeServices.layer))

describe("SqlStateStore.layerSqlite", () => {
  it.effect.each([...conformance, ...timed].map((one) => [one.name, one] as const))("%s", ([, { run }]) =>
    Effect.provide(run, Layer.merge(layerFile, layerTestClock))
  )
})

describe("SqlStateStore.layerSqliteMemory", () => {
  it.effect.each([...conformance, ...timed].map((one) => [one.name, one] as const))("%s", ([, { run }]) =>
    Effect.provide(run, Layer.merge(SqlStateStore.layerSqliteMemory, layerTestClock))
  )
})
