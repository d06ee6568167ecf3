import { assert } from "@effect/vitest"
import { type Id, RemoteAgentConfig, type StateStoreError } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import {
  AgentRuntime,
  Leases,
  Orchestrator,
  Profiles,
  Reaper,
  Runs,
  RunStore,
  SqlStateStore,
  type StateStore
} from "@remote-agent/orchestrator"
import { E2bSandboxes } from "@remote-agent/sandbox"
import { Effect, Layer, Redacted, type Scope, Stream } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { counting } from "../fixtures/counting.ts"

const fixture = fileURLToPath(import.meta.resolve("../fixtures/runWorker.ts"))

/** A worker process of a test. */
export interface Worker {
  readonly name: string
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  readonly stderr: () => string
}

/** The services of a test that watches runs of worker processes. */
export const layer = (
  store: string,
  counter: string
): Layer.Layer<
  Runs.Runs | Reaper.Reaper | RunStore.RunStore | Leases.Leases | StateStore.StateStore,
  StateStoreError.StateStoreError | RemoteAgentConfig.ConfigError,
  E2bServer.E2bServer
> =>
  Layer.merge(Runs.layer, Reaper.layer).pipe(
    Layer.provideMerge(Orchestrator.layerNoDeps),
    Layer.provideMerge(
      Layer.mergeAll(
        AgentRuntime.layer,
        Profiles.layerFrom([counting(counter)]),
        store.startsWith("postgres:")
          ? SqlStateStore.layerPostgres({ url: Redacted.make(store) })
          : SqlStateStore.layerSqlite({ path: store }),
        Layer.unwrap(
          Effect.map(E2bServer.E2bServer, ({ apiKey, url }) =>
            E2bSandboxes.layer({ provider: "local", apiKey, apiUrl: url, sandboxUrl: url })
          )
        ),
        RemoteAgentConfig.layerFrom({ REMOTE_AGENT_OWNER: "runs", REMOTE_AGENT_PROFILE: "counting" })
      )
    )
  )

/** Starts a worker process, which is killed when the scope closes. */
export const startWorker = (
  store: string,
  counter: string,
  name: string,
  run: string,
  seconds = 0.3
): Effect.Effect<Worker, never, E2bServer.E2bServer | Scope.Scope> =>
  Effect.flatMap(E2bServer.E2bServer, ({ apiKey, url }) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [fixture, store, url, counter, name, run, String(seconds)], {
          stdio: ["ignore", "ignore", "pipe"],
          env: { ...process.env, CLIENT_KEY: Redacted.value(apiKey) }
        })
        let stderr = ""
        child.stderr.on("data", (data: Buffer) => (stderr += data.toString()))
        return { name, child, ended: once(child, "close"), stderr: () => stderr }
      }),
      ({ child, ended }) =>
        Effect.promise(() => {
          child.kill("SIGCONT")
          child.kill("SIGKILL")
          return ended
        })
    )
  )

/** The questions whose programs were started, in order. */
export const startedIn = (counter: string) =>
  Effect.promise(() =>
    readFile(counter, "utf8").then(
      (text) => text.split("\n").slice(0, -1),
      () => []
    )
  )

/** Records a run of so many questions. */
export const record = Effect.fnUntraced(function* (count: number, size: number) {
  const runs = yield* Runs.Runs
  const texts = Array.from({ length: count }, (_, index) => `question ${index}`)
  const { id } = yield* runs.start({ size }, Stream.fromIterable(texts))
  return { id, texts }
})

/** The present leases on the slots of a run. */
/** @public */
export const leasesOf = Effect.fnUntraced(function* (id: Id.RunId, size: number) {
  const leases = yield* Leases.Leases
  const all = yield* Effect.forEach(Array.from({ length: size }).keys(), (slot) =>
    leases.current(RunStore.slotResource(id, slot))
  )
  return all.flatMap((one) => (one._tag === "Some" ? [one.value] : []))
})

/** Every question has one result, no program was started twice, and no sandbox is left. */
export const checkExact = Effect.fnUntraced(function* (
  id: Id.RunId,
  texts: ReadonlyArray<string>,
  counter: string
) {
  const [runs, server, reaper] = [yield* Runs.Runs, yield* E2bServer.E2bServer, yield* Reaper.Reaper]
  const run = yield* runs.get(id)
  assert.deepStrictEqual([run.status, run.counts.ok, run.counts.failed], ["completed", texts.length, 0])
  const inOrder = yield* Stream.runCollect(runs.results(id, { order: "input" }))
  assert.deepStrictEqual(
    inOrder.map(({ answer }) => answer),
    texts.map((text) => `answer to ${text}`)
  )
  const asTheyCame = yield* Stream.runCollect(runs.results(id, { order: "completion" }))
  assert.deepStrictEqual(
    asTheyCame.map(({ seq }) => seq),
    texts.map((_, index) => index + 1)
  )
  const counted = yield* startedIn(counter)
  assert.deepStrictEqual([counted.length, new Set(counted)], [texts.length, new Set(texts)])
  // A sandbox that a killed process had just asked for belongs to no slot. The reaper finds it.
  yield* reaper.reap({ grace: 0, createDeadline: 0 })
  assert.strictEqual(yield* server.live, 0)
})
