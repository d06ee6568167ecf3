import { assert, describe, it } from "@effect/vitest"

import { Conformance, Memory } from "@remote-agent/sandbox"
import { Effect } from "effect"
import { run } from "./memoryPrograms.ts"

const limit = { timeout: 120_000 }

describe("Memory", () => {
  for (const one of Conformance.cases) {
    it.live(
      one.name,
      () =>
        Effect.gen(function* () {
          yield* one.run
          const ledger = yield* Memory.Ledger
          assert.deepStrictEqual(yield* ledger.alive, [])
          assert.strictEqual(yield* ledger.commands, 0)
        }).pipe(Effect.provide(Memory.layer({ run }))),
      limit
    )
  }
})
