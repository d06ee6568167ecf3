import { amount } from "#test/tier"
import { assert, it, vi } from "@effect/vitest"
import { E2bServer } from "@remote-agent/e2b-local"
import { Runs } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import { randomInt } from "node:crypto"
import * as World from "../support/runWorld.ts"
import { newPath } from "../support/storeSupport.ts"

// Real processes: how long they take is up to the machine.
vi.setConfig({ testTimeout: 1_800_000 })

const kills = amount(1, 50)
const questions = amount(4, 200)

/** Waits until more programs were started than before, or the process has ended. */
const moreStarted = Effect.fnUntraced(function* (counter: string, than: number, worker: World.Worker) {
  while ((yield* World.startedIn(counter)).length < than && worker.child.exitCode === null) {
    yield* Effect.sleep("20 millis")
  }
})

it.live("goes on with exactly the rest of a run whose process is killed at any moment", () =>
  Effect.gen(function* () {
    const path = yield* newPath
    const counter = `${path}.started`
    yield* Effect.gen(function* () {
      const { id, texts } = yield* World.record(questions, 3)
      const runs = yield* Runs.Runs
      for (let kill = 0; kill < kills; kill++) {
        const worker = yield* World.startWorker(path, counter, `worker/${kill}`, id)
        const before = (yield* World.startedIn(counter)).length
        yield* moreStarted(counter, before + randomInt(1, 4), worker)
        yield* Effect.sleep(randomInt(0, 400))
        worker.child.kill("SIGKILL")
        yield* Effect.promise(() => worker.ended)
        if ((yield* runs.get(id)).status === "completed") break
      }
      const last = yield* World.startWorker(path, counter, "worker/last", id)
      const [code] = (yield* Effect.promise(() => last.ended)) as [number | null]
      assert.strictEqual(code, 0, last.stderr())
      yield* World.checkExact(id, texts, counter)
    }).pipe(Effect.scoped, Effect.provide(World.layer(path, counter)))
  }).pipe(Effect.scoped, Effect.provide(E2bServer.layer({ isolation: "none" })))
)
