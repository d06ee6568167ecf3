import { Conformance } from "@remote-agent/sandbox/testing"
import { E2bServer } from "@remote-agent/e2b-local"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { E2bSandboxes, LocalSandboxes, MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { assert, it, layer } from "@effect/vitest"
import { chosen, type Kind, works } from "#test/isolation"
import { describeOnce } from "#test/once"
import { describeWhere } from "#test/where"
import { Effect, Layer, Schedule, Stream } from "effect"
import { run } from "../support/memoryPrograms.ts"

const limit = { timeout: 120_000 }

describeOnce("Memory", () => {
  for (const one of Conformance.cases) {
    it.live(
      one.name,
      () =>
        Effect.gen(function* () {
          yield* one.run
          const ledger = yield* MemorySandboxes.Ledger
          assert.deepStrictEqual(yield* ledger.alive, [])
          assert.strictEqual(yield* ledger.commands, 0)
        }).pipe(Effect.provide(MemorySandboxes.layer({ run }))),
      limit
    )
  }
})

// An expired sandbox is gone for its caller a moment before its folder is removed.
const liveAtLast = Effect.flatMap(E2bServer.E2bServer, ({ live }) =>
  Effect.repeat(live, {
    until: (count) => count === 0,
    schedule: Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 500 }))
  })
)

const suite = (isolation: Kind) =>
  describeWhere(works(isolation), `${isolation} does not work here`)(`Local, isolation ${isolation}`, () => {
    // Pages of two, so that five sandboxes fill several pages.
    layer(LocalSandboxes.layer({ isolation, pageSize: 2 }), { excludeTestServices: true })((local) => {
      for (const one of Conformance.cases) {
        local.effect(
          one.name,
          () =>
            Effect.gen(function* () {
              yield* one.run
              assert.strictEqual(yield* liveAtLast, 0)
            }),
          limit
        )
      }
    })
  })

for (const kind of chosen(["bubblewrap", "namespaces", "none"])) suite(kind)

const keyed = process.env["E2B_API_KEY"] !== undefined
const environment = E2bSandboxes.layerConfig.pipe(Layer.provide(RemoteAgentConfig.layer))

describeOnce("E2B", () => {
  describeWhere(keyed, "E2B_API_KEY is not set")("itself", () => {
    layer(environment, { excludeTestServices: true })((e2b) => {
      for (const one of Conformance.cases) e2b.effect(one.name, () => one.run, limit)

      e2b.effect("leaves nothing alive", () =>
        Effect.gen(function* () {
          const { list } = yield* Sandboxes.Sandboxes
          assert.deepStrictEqual(yield* Stream.runCollect(list({ metadata: { suite: "conformance" } })), [])
        })
      )
    })
  })
})
