import type { RemoteAgentConfig } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { LaunchIntents, MemoryStateStore, type Profiles } from "@remote-agent/orchestrator"
import { E2bSandboxes } from "@remote-agent/sandbox"
import { Duration, Effect, Redacted, Schedule, type Scope } from "effect"
import { setTimeout } from "node:timers/promises"
import { none, schedule } from "../../../sandbox/test/faults/Fault.ts"
import * as FaultProxy from "../../../sandbox/test/faults/FaultProxy.ts"
import { mark } from "./programs.ts"
import type { WarpClock } from "./WarpClock.ts"
import { makeProcess, type World } from "./World.ts"

/** Virtual time goes by in steps of this length, so that whoever must act within a few of them can. */
const step = Duration.seconds(30)

const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** Until other processes have had the machine for a moment. */
const moment = Effect.promise(() => setTimeout(2))

/** Processes that reach one real server through a proxy each, which harms what passes. */
export const make = Effect.fnUntraced(function* (options: {
  readonly seed: number
  /** The part of all requests that something happens to. */
  readonly often: number
  readonly clock: WarpClock
}) {
  const server = yield* E2bServer.E2bServer
  const target = { url: server.url, apiKey: Redacted.value(server.apiKey) }
  const services = yield* Effect.context<
    RemoteAgentConfig.RemoteAgentConfig | Profiles.Profiles | Scope.Scope
  >()
  const proxies: Array<FaultProxy.FaultProxy> = []
  const weather = { stormy: true }
  const adapter = (url: string) =>
    E2bSandboxes.make({
      provider: "local",
      apiKey: server.apiKey,
      apiUrl: url,
      sandboxUrl: url,
      isolation: "waived",
      pageSize: 5,
      retry: Schedule.recurs(4)
    })
  const truth = yield* adapter(server.url)
  const { leases, store } = yield* MemoryStateStore.make
  const intents = yield* LaunchIntents.makeMemory

  // Leaping while a request is under way would be a provider that takes minutes to answer.
  const quiet = Effect.gen(function* () {
    for (let calm = 0; calm < 8; calm++) {
      yield* turn
      if (proxies.every((proxy) => proxy.pending() === 0)) continue
      yield* moment
      calm = -1
    }
  })
  const pass = Effect.fnUntraced(function* (duration: Duration.Input) {
    let left = Duration.fromInputUnsafe(duration)
    do {
      yield* quiet
      options.clock.leap(Duration.min(left, step))
      left = Duration.subtract(left, step)
    } while (Duration.isGreaterThan(left, Duration.zero))
    yield* quiet
  })

  const world: World = {
    truth,
    store,
    intents,
    pass,
    stride: "1 second",
    makeProcess: Effect.gen(function* () {
      const choose = schedule(`${options.seed}/${proxies.length}`, options.often)
      const proxy = yield* FaultProxy.make(target, (asked) => (weather.stormy ? choose(asked) : none), {
        background: (body) => body.includes(mark)
      })
      proxies.push(proxy)
      const sandboxes = yield* adapter(proxy.url)
      return yield* makeProcess({ sandboxes, store, intents, leases, onDeath: Effect.sync(proxy.sever) })
    }).pipe(Effect.provide(services)),
    calm: Effect.sync(() => (weather.stormy = false)),
    told: () => proxies.map(({ told }, index) => `${index}: ${told.join(", ")}`).join("\n")
  }
  return world
})
