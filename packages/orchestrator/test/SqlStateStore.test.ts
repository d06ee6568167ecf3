import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, it } from "@effect/vitest"
import { MemoryStateStore, SqlStateStore } from "@remote-agent/orchestrator"
import { Effect, FileSystem, Layer, Path } from "effect"
import { cases as all, layerTestClock } from "./stateStoreCases.ts"

/** A store in a file in a folder that goes with the layer. */
const layerFile = Layer.unwrap(
  Effect.gen(function* () {
    const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    return SqlStateStore.layerSqlite({ path: (yield* Path.Path).join(folder, "state.db") })
  })
).pipe(Layer.provide(NodeServices.layer))

// The SQL half of starting queries comes with its columns.
const cases = all.filter(({ name }) => !name.startsWith("calls a query running"))

const others = Layer.merge(MemoryStateStore.layer, layerTestClock)

describe("SqlStateStore.layerSqlite", () => {
  for (const one of cases)
    it.effect(one.name, () => Effect.provide(one.run, Layer.provideMerge(layerFile, others)))
})

describe("SqlStateStore.layerSqliteMemory", () => {
  for (const one of cases)
    it.effect(one.name, () =>
      Effect.provide(one.run, Layer.provideMerge(SqlStateStore.layerSqliteMemory, others))
    )
})
