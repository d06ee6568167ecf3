import { amount, runsRest } from "#test/tier"
import { describeWhere } from "#test/where"
import { assert, it, vi } from "@effect/vitest"
import { Budget, RemoteAgentConfig } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { type AgentHandle, HostBounds, Orchestrator } from "@remote-agent/orchestrator"
import { LocalSandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Deferred, Duration, Effect, Fiber, Layer, Stream } from "effect"
import { inject } from "vitest"

// Real processes take as long as the machine needs.
vi.setConfig({ testTimeout: 180_000 })

const isolates = inject("isolations").length > 0

const say = (value: unknown) => `echo '${JSON.stringify(value)}'`
const ready = say({ type: "ready", agent: "t", version: "1" })

/** Programs that do not want to end. Their processes are all called `stubborn`. */
const stubborn = `cp "$(command -v sleep)" "$HOME/stubborn" 2>/dev/null; trap '' TERM INT HUP`
const scripts = {
  "stops-its-supervisor": `${stubborn}; kill -STOP $PPID; ${ready}; "$HOME/stubborn" 3000`,
  "leaves-its-session": `${stubborn}; (setsid env -i "$HOME/stubborn" 3000 &) ; kill -STOP $PPID; ${ready}; "$HOME/stubborn" 3000`,
  "talks-on": `${stubborn}; kill -STOP $PPID; ${ready}; while :; do ${say({ type: "text", text: "still here" })}; "$HOME/stubborn" 0.2; done`,
  "forges-its-exit": `${stubborn}; (setsid env -i "$HOME/stubborn" 3000 &); ${ready}; printf '%s\\n' 'killed 0 0' >"$HOME"/.remote-agent/jobs/*/cause; "$HOME/stubborn" 3000`
} as const

type Script = keyof typeof scripts

const profile = (script: Script, run: Readonly<Record<string, string>>) => ({
  extends: "custom",
  run: { protocol: "runner-jsonl", input: "stdin-json", killGrace: "1 second", ...run },
  assets: [{ path: "{run}/agent", mode: "0755", content: `#!/bin/bash\n${scripts[script]}\n` }]
})

const long = { idleTimeout: "20 minutes", wallTimeout: "20 minutes" }

const layer = (profiles: Readonly<Record<string, unknown>>) =>
  Orchestrator.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        LocalSandboxes.layer(),
        RemoteAgentConfig.layerFrom({ REMOTE_AGENT_PROFILES: JSON.stringify(profiles) })
      )
    )
  )

const bounds = Effect.provideService(HostBounds.HostBounds, {
  wall: Duration.millis(500),
  idle: Duration.millis(500),
  stop: Duration.seconds(10)
})

const connected = (agent: AgentHandle.AgentHandle) =>
  Effect.gen(function* () {
    const sandboxes = yield* Sandboxes.Sandboxes
    const { binding } = yield* agent.refresh
    assert(binding !== undefined)
    return (yield* sandboxes.connect(binding.sandboxId, "10 minutes")).sandbox
  })

/** The processes of the program that are left. */
const left = (sandbox: Sandbox.Sandbox) =>
  Effect.map(
    sandbox.exec({
      script:
        "for p in /proc/[0-9]*; do read -r c <$p/comm && [ \"$c\" = stubborn ] && grep -q '^State:[[:space:]]*[^ZX[:space:]]' $p/status && cat $p/stat; done 2>/dev/null; :"
    }),
    ({ stdout }) => stdout.trim()
  )

describeWhere(isolates, "no isolation works here")("a program that stops what watches over it", () => {
  const limits = [
    ["stops-its-supervisor", { ...long, wallTimeout: "2 seconds" }, "wall"],
    ["talks-on", { ...long, wallTimeout: "2 seconds" }, "wall"],
    ["leaves-its-session", { ...long, idleTimeout: "2 seconds" }, "idle"]
  ] as const
  for (const [script, run, by] of limits.slice(0, amount(1, 3))) {
    it.live(`is killed from outside at its ${by} timeout: one that ${script.replaceAll("-", " ")}`, () =>
      Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        const agent = yield* agents.launchScoped({ profile: "it" })
        const events = yield* Stream.runCollect(agent.stream("?"))
        const last = events.at(-1)?.event
        assert(last?.type === "result")
        assert.deepInclude(last, { outcome: "timeout", limit: by })
        assert.include(last.error, "killed from outside")
        assert.strictEqual(yield* left(yield* connected(agent)), "")
        assert.strictEqual((yield* agent.refresh).status, "active")
      }).pipe(Effect.scoped, bounds, Effect.provide(layer({ it: profile(script, run) })))
    )
  }

  const cancelled = ["forges-its-exit", "stops-its-supervisor", "leaves-its-session"] as const
  for (const script of cancelled.slice(0, amount(1, 3))) {
    it.live(`is killed when its query is cancelled: one that ${script.replaceAll("-", " ")}`, () =>
      Effect.gen(function* () {
        const { agents, queries } = yield* Orchestrator.Orchestrator
        const agent = yield* agents.launchScoped({ profile: "it" })
        const begun = yield* Deferred.make<void>()
        const asking = yield* Effect.forkChild(
          Stream.runForEach(agent.stream("?"), ({ event }) =>
            event.type === "ready" ? Deferred.succeed(begun, undefined) : Effect.void
          )
        )
        yield* Deferred.await(begun)
        const sandbox = yield* connected(agent)
        assert.notStrictEqual(yield* left(sandbox), "")
        const [running] = yield* Stream.runCollect(queries.list({ agentId: agent.id }))
        assert(running !== undefined)
        const ended = yield* Effect.flatMap(queries.get(running.id), (query) => query.cancel())
        assert.strictEqual(ended.status, "ended")
        yield* Fiber.join(asking)
        assert.strictEqual(yield* left(sandbox), "")
      }).pipe(Effect.scoped, bounds, Effect.provide(layer({ it: profile(script, long) })))
    )
  }

  it.live.runIf(runsRest)("is killed when a budget is reached", () =>
    Effect.gen(function* () {
      const { agents } = yield* Orchestrator.Orchestrator
      const agent = yield* agents.launchScoped({ profile: "it" })
      const events: Array<unknown> = []
      const failed = yield* Effect.flip(
        Stream.runForEach(
          agent.stream("?", { budget: new Budget.Budget({ wall: Duration.seconds(2) }) }),
          ({ event }) => Effect.sync(() => events.push(event))
        )
      )
      assert.strictEqual(failed.reason._tag, "BudgetExceeded")
      assert.deepInclude(events.at(-1), { outcome: "aborted", limit: "budget" })
      assert.strictEqual(yield* left(yield* connected(agent)), "")
    }).pipe(Effect.scoped, bounds, Effect.provide(layer({ it: profile("leaves-its-session", long) })))
  )
})

describeWhere(isolates, "no isolation works here")("a sandbox whose processes cannot be killed", () => {
  for (const [persistent, status] of [
    [false, "terminated"],
    [true, "paused"]
  ] as const) {
    it.live.runIf(runsRest || !persistent)(`is ${status}, and the outcome says so`, () =>
      Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        const { live } = yield* E2bServer.E2bServer
        const agent = yield* agents.launch({ profile: "it", persistent })
        const last = (yield* Stream.runCollect(agent.stream("?"))).at(-1)?.event
        assert(last?.type === "result")
        assert.deepInclude(last, { outcome: "timeout", limit: "wall" })
        assert.include(last.error, `could not be killed, so its sandbox was ${status}`)
        assert.strictEqual((yield* agent.refresh).status, persistent ? "paused" : "lost")
        yield* agent.terminate
        assert.strictEqual(yield* live, 0)
      }).pipe(
        // No time for the sandbox to answer.
        Effect.provideService(HostBounds.HostBounds, {
          wall: Duration.millis(500),
          idle: Duration.minutes(10),
          stop: Duration.millis(1)
        }),
        Effect.provide(layer({ it: profile("talks-on", { ...long, wallTimeout: "2 seconds" }) }))
      )
    )
  }
})
