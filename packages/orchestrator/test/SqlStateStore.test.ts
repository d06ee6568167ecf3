import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, it } from "@effect/vitest"
import { SqlStateStore } from "@remote-agent/orchestrator"
import { Effect, FileSystem, Layer, Path } from "effect"
import { cases } from "./stateStoreCases.ts"

/** A store in a file in a folder that goes with the layer. */
const layerFile = Layer.unwrap(
  Effect.gen(function* () {
    const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    return SqlStateStore.layerSqlite({ path: (yield* Path.Path).join(folder, "state.db") })
  })
).pipe(Layer.provide(NodeServices.layer))

describe("SqlStateStore.layerSqlite", () => {
  for (const one of cases) it.effect(one.name, () => Effect.provide(one.run, layerFile))
})

describe("SqlStateStore.layerSqliteMemory", () => {
  for (const one of cases) it.effect(one.name, () => Effect.provide(one.run, SqlStateStore.layerSqliteMemory))
})
