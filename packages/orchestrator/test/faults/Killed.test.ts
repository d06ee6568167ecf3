import { runsDefault, runsRest } from "#test/tier"
import { assert, it, vi } from "@effect/vitest"
import { RemoteAgentConfig, AgentLifecycle, SandboxLabels } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import {
  AgentRuntime,
  LaunchIntents,
  Orchestrator,
  Profiles,
  Reaper,
  SqlStateStore,
  StateStore
} from "@remote-agent/orchestrator"
import { E2bSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Layer, Redacted, Stream } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { none } from "../../../sandbox/test/faults/Fault.ts"
import * as FaultProxy from "../../../sandbox/test/faults/FaultProxy.ts"
import { newPath } from "../support/storeSupport.ts"
import { profiles } from "./programs.ts"
import { byId } from "../support/byId.ts"

// Real processes: how long they take is up to the machine.
vi.setConfig({ testTimeout: 900_000 })

const fixture = fileURLToPath(import.meta.resolve("../fixtures/agentLife.ts"))

type When = "Before" | "After"

/** Takes an agent through its life in a process of its own, which is killed at a request. */
const live = Effect.fnUntraced(function* (kill: { readonly at: number; readonly when: When } | undefined) {
  const server = yield* E2bServer.E2bServer
  const apiKey = Redacted.value(server.apiKey)
  const [path, owner] = [yield* newPath, `me-${kill?.at ?? "all"}-${kill?.when ?? ""}`]
  const dead = Promise.withResolvers<number | null>()
  const victim: { child?: ChildProcess } = {}
  const act = () => {
    victim.child?.kill("SIGKILL")
    return dead.promise
  }
  const proxy = yield* FaultProxy.make({ url: server.url, apiKey }, ({ index }) =>
    index === kill?.at ? { _tag: kill.when, act } : none
  )
  const child = spawn(process.execPath, [fixture, proxy.url, apiKey, path, owner], {
    stdio: ["ignore", "pipe", "pipe"]
  })
  victim.child = child
  const said: Array<string> = []
  let stderr = ""
  child.stdout.on("data", (data: Buffer) => said.push(...data.toString().trim().split("\n")))
  child.stderr.on("data", (data: Buffer) => (stderr += data.toString()))
  child.once("close", dead.resolve)
  const code = yield* Effect.promise(() => dead.promise)
  // What the server was told, it does, whoever is left to hear of it.
  while (proxy.pending() > 0) yield* Effect.promise(() => new Promise(setImmediate))
  return { code, owner, path, requests: proxy.asked, said, stderr }
})

/** What a fresh process does with what is left of such a life, and how things stand then. */
const recovered = Effect.fnUntraced(function* (owner: string, path: string) {
  const server = yield* E2bServer.E2bServer
  const truth = yield* E2bSandboxes.make({
    provider: "local",
    apiKey: server.apiKey,
    apiUrl: server.url,
    sandboxUrl: server.url,
    isolation: "waived"
  })
  const fresh = Effect.gen(function* () {
    const [orchestrator, reaper] = yield* Effect.all([byId, Reaper.Reaper])
    const [store, intents] = yield* Effect.all([StateStore.StateStore, LaunchIntents.LaunchIntents])
    yield* reaper.reap({ grace: 0, createDeadline: 0 })
    const agents = yield* Stream.runCollect(store.listAgents())
    const held = yield* Stream.runCollect(truth.list({ metadata: { [SandboxLabels.ownerKey]: owner } }))
    const homes = agents.flatMap(({ binding, status }) =>
      binding !== undefined && AgentLifecycle.mayHoldSandbox(status) ? [binding.sandboxId] : []
    )
    const open = yield* Stream.runCollect(intents.list)
    const statuses = agents.map(({ status }) => status)
    // Whoever lives on can be used and ended.
    for (const { id, status } of agents) if (status === "active") yield* orchestrator.terminate(id)
    const left = yield* Stream.runCollect(truth.list({ metadata: { [SandboxLabels.ownerKey]: owner } }))
    return { held: held.map(({ id }) => id), homes, open: open.length, statuses, left: left.length }
  })
  const state = SqlStateStore.layerSqlite({ path })
  return yield* fresh.pipe(
    Effect.provide(
      Layer.merge(Orchestrator.layerNoDeps, Reaper.layer).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            AgentRuntime.layer,
            Layer.fresh(state),
            Profiles.layerFrom(profiles),
            Layer.succeed(Sandboxes.Sandboxes, truth),
            RemoteAgentConfig.layerFrom({ REMOTE_AGENT_OWNER: owner, REMOTE_AGENT_PROFILE: "quick" })
          )
        )
      )
    )
  )
})

const provided = Effect.provide(E2bServer.layer({ isolation: "none" }))

it.live("leaves nothing that a fresh process does not find, killed before or after any request", () =>
  Effect.gen(function* () {
    const whole = yield* Effect.scoped(live(undefined))
    assert.deepStrictEqual(
      whole.said,
      ["launched", "answered", "paused", "resumed", "terminated"],
      whole.stderr
    )
    const all = whole.requests.flatMap(({ index }) =>
      (["Before", "After"] as const).map((when) => ({ at: index, when }))
    )
    // For everybody some of each kind, which are others than those of the rest.
    const kills = all.filter((_, index) => (index % 5 === 0 ? runsDefault : runsRest))
    yield* Effect.forEach(
      kills,
      Effect.fnUntraced(function* (kill) {
        const { code, owner, path, requests, said } = yield* live(kill)
        const where = `killed ${kill.when} ${requests.at(-1)?.kind} ${kill.at}, after ${said.at(-1)}`
        assert.isNull(code, where)
        const { held, homes, left, open, statuses } = yield* recovered(owner, path)
        assert.deepStrictEqual([...held].toSorted(), [...homes].toSorted(), where)
        assert.strictEqual(open, 0, where)
        assert.notInclude(statuses, "launching", where)
        assert.strictEqual(left, 0, where)
      }, Effect.scoped),
      { concurrency: 2, discard: true }
    )
    const server = yield* E2bServer.E2bServer
    assert.strictEqual(yield* server.live, 0)
  }).pipe(provided)
)
