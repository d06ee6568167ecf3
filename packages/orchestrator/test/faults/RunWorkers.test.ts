import { amount } from "#test/tier"
import { assert, it, vi } from "@effect/vitest"
import { E2bServer } from "@remote-agent/e2b-local"
import { Runs } from "@remote-agent/orchestrator"
import { Clock, Effect, type Scope } from "effect"
import { randomInt } from "node:crypto"
import * as Postgres from "../support/postgres.ts"
import * as World from "../support/runWorld.ts"
import { newPath } from "../support/storeSupport.ts"

// Real processes: how long they take is up to the machine.
vi.setConfig({ testTimeout: 3_600_000 })

const questions = amount(6, 300)
const kills = amount(1, 20)
const freezes = amount(1, 10)
const restarts = amount(0, 2)
const size = 6

type Fault = "kill" | "freeze" | "restart"

/** The faults in a random order. */
const faults = (): ReadonlyArray<Fault> => {
  const all: Array<Fault> = [
    ...Array.from({ length: kills }, () => "kill" as const),
    ...Array.from({ length: freezes }, () => "freeze" as const),
    ...Array.from({ length: restarts }, () => "restart" as const)
  ]
  return all
    .map((fault) => ({ fault, at: randomInt(1_000_000) }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ fault }) => fault)
}

const percentile = (all: ReadonlyArray<number>, part: number) =>
  all.toSorted((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * part))]

it.live(
  "answers each question once on several workers that are killed and frozen, over a database that restarts",
  () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(Effect.promise(Postgres.start), ({ stop }) =>
        Effect.promise(stop)
      )
      const store = Postgres.urlOf(server.address, "postgres")
      const counter = `${yield* newPath}.started`
      yield* Effect.gen(function* () {
        const { id, texts } = yield* World.record(questions, size)
        const runs = yield* Runs.Runs
        const takeovers: Array<number> = []
        let number = 0
        const newWorker = Effect.suspend(() => World.startWorker(store, counter, `worker/${number++}`, "all"))
        const workers = yield* Effect.forEach([0, 1, 2], () => newWorker)

        const isOver = Effect.map(
          Effect.option(runs.get(id)),
          (run) => run._tag === "Some" && run.value.status === "completed"
        )

        /** Waits until a few more programs were started. */
        const progress = Effect.gen(function* () {
          const before = (yield* World.startedIn(counter)).length
          const until = before + randomInt(1, 6)
          while ((yield* World.startedIn(counter)).length < until && !(yield* isOver))
            yield* Effect.sleep("50 millis")
        })

        /** How long the slots of a dead worker have no other owner. */
        const takeover = Effect.fnUntraced(function* (name: string) {
          const since = yield* Clock.currentTimeMillis
          const leases = yield* Effect.orElseSucceed(World.leasesOf(id, size), () => [])
          const lost = leases.filter(({ holder }) => holder === name)
          yield* Effect.forEach(
            lost,
            Effect.fnUntraced(function* ({ resource }) {
              for (;;) {
                if (yield* isOver) return
                const now = yield* Effect.orElseSucceed(World.leasesOf(id, size), () => [])
                if (now.some((one) => one.resource === resource && one.holder !== name)) break
                yield* Effect.sleep("50 millis")
              }
              takeovers.push((yield* Clock.currentTimeMillis) - since)
            }),
            { concurrency: "unbounded", discard: true }
          )
        })

        const act = Effect.fnUntraced(function* (
          fault: Fault
        ): Effect.fn.Return<
          void,
          never,
          E2bServer.E2bServer | Scope.Scope | Effect.Services<ReturnType<typeof takeover>>
        > {
          const index = randomInt(workers.length)
          const worker = workers[index]!
          if (fault === "restart") return yield* Effect.promise(server.restart)
          if (fault === "freeze") {
            worker.child.kill("SIGSTOP")
            yield* takeover(worker.name)
            yield* Effect.sleep(randomInt(0, 2000))
            worker.child.kill("SIGCONT")
            return
          }
          worker.child.kill("SIGKILL")
          yield* Effect.promise(() => worker.ended)
          yield* takeover(worker.name)
          workers[index] = yield* newWorker
        })

        for (const fault of faults()) {
          yield* progress
          if (yield* isOver) break
          yield* act(fault)
        }
        while (!(yield* isOver)) {
          for (const { child, name, stderr } of workers) {
            assert.isNull(child.exitCode, `${name} ended: ${stderr()}`)
          }
          yield* Effect.sleep("200 millis")
        }
        // Until the workers have terminated the agents of the run.
        const e2b = yield* E2bServer.E2bServer
        const leftAt = yield* Clock.currentTimeMillis
        while ((yield* e2b.live) > 0 && (yield* Clock.currentTimeMillis) - leftAt < 60_000) {
          yield* Effect.sleep("100 millis")
        }
        for (const { child, ended } of workers) {
          child.kill("SIGKILL")
          yield* Effect.promise(() => ended)
        }
        yield* World.checkExact(id, texts, counter)
        yield* Effect.log(
          `takeover of ${takeovers.length} slots: p50 ${percentile(takeovers, 0.5)} ms, p95 ${percentile(takeovers, 0.95)} ms`
        )
      }).pipe(Effect.scoped, Effect.provide(World.layer(store, counter)))
    }).pipe(Effect.scoped, Effect.provide(E2bServer.layer({ isolation: "none" })))
)
