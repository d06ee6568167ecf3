import { RemoteAgentConfig, type OrchestratorError, Profile } from "@remote-agent/domain"
import {
  AgentRuntime,
  LaunchIntents,
  MemoryStateStore,
  Orchestrator,
  Profiles
} from "@remote-agent/orchestrator"
import { MemorySandboxes, type Sandbox } from "@remote-agent/sandbox"
import { Clock, Deferred, Duration, Effect, Fiber, Layer, Result, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { BenchBroken, type Outcome } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  readonly agents: number
  readonly queries: number
  readonly rounds: number
}

/** The duration of every query, on the virtual clock. */
const work = Duration.millis(50)

const broken = (detail: string) => new BenchBroken({ benchmark: "scheduler", detail })

const profile = new Profile.Profile({
  name: "worker",
  description: "Works for a while and answers with the question",
  trusted: true,
  work: "{home}",
  assets: [],
  setup: [],
  health: new Profile.ProfileCommand({ argv: ["check"] }),
  run: new Profile.RunSpec({
    argv: ["work"],
    input: "stdin-json",
    protocol: "runner-jsonl",
    wallTimeout: Duration.minutes(2),
    idleTimeout: Duration.minutes(1)
  })
})

const decodeRequest = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ query: Schema.String })))

const line = (value: unknown): Sandbox.ProcessEvent => ({
  _tag: "Stdout",
  text: `${JSON.stringify(value)}\n`
})

const program = (command: Sandbox.Command): MemorySandboxes.Program => {
  if ("argv" in command && command.argv[0] === "check") return MemorySandboxes.answer("")
  const answer = decodeRequest(command.stdin).query
  return Stream.concat(
    Stream.make(line({ type: "ready", agent: profile.name })),
    Stream.fromEffect(Effect.delay(Effect.succeed(line({ type: "result", outcome: "ok", answer })), work))
  )
}

const layer = Orchestrator.layerNoDeps.pipe(
  Layer.provide([
    AgentRuntime.layer,
    Profiles.layerFrom([profile]),
    MemoryStateStore.layer,
    LaunchIntents.layerMemory,
    RemoteAgentConfig.layerFrom({ REMOTE_AGENT_PROFILE: profile.name })
  ]),
  Layer.provideMerge(MemorySandboxes.layer({ run: program })),
  Layer.provideMerge(TestClock.layer())
)

const round = Effect.fnUntraced(
  function* ({ agents, queries }: Options) {
    const ledger = yield* MemorySandboxes.Ledger
    const allReady = yield* Deferred.make<void>()
    let ready = 0
    const texts = Array.from({ length: queries }, (_, index) => `question ${index}`)
    const figures = yield* Effect.scoped(
      Effect.gen(function* () {
        const pool = yield* (yield* Orchestrator.Orchestrator).pools.open({
          size: agents,
          launchConcurrency: agents,
          onEvent: ({ _tag }) =>
            _tag === "Ready" && ++ready === agents ? Deferred.succeed(allReady, undefined) : Effect.void
        })
        yield* Deferred.await(allReady)
        const [cpu, started] = [process.cpuUsage(), yield* Clock.currentTimeMillis]
        const asked = yield* Effect.forkChild(
          Effect.gen(function* () {
            const results = yield* Stream.runCollect(pool.query(texts))
            return { results, virtual: (yield* Clock.currentTimeMillis) - started }
          })
        )
        // The clock must not move before every agent works. After that, `adjust` waits for the fibers that it wakes.
        while ((yield* ledger.commands) < Math.min(agents, queries)) yield* Effect.yieldNow
        while (asked.pollUnsafe() === undefined) yield* TestClock.adjust(work)
        const { results, virtual } = yield* Fiber.join(asked)
        const { system, user } = process.cpuUsage(cpu)
        const right = results.every(
          ({ result }, index) => Result.isSuccess(result) && result.success.answer === texts[index]
        )
        if (!right || results.length !== queries) return yield* broken("answers are wrong or missing")
        return { virtual, cpuMicros: (system + user) / queries }
      })
    )
    const left = yield* ledger.alive
    return left.length === 0 ? figures : yield* broken(`${left.length} sandboxes are left`)
  },
  // Each round has its own provider.
  (effect) => Effect.provide(effect, Layer.fresh(layer))
)

/**
 * Measures the efficiency of a pool on a virtual clock: the ideal time, in which no agent ever waits, divided by the
 * actual time. Also measures the processor time per query.
 */
export const run = Effect.fn("bench.scheduler")(function* (
  options: Options
): Effect.fn.Return<
  Outcome,
  BenchBroken | RemoteAgentConfig.ConfigError | OrchestratorError.OrchestratorError
> {
  const { agents, queries, rounds } = options
  const figures = yield* Effect.replicateEffect(round(options), rounds)
  const ideal = Math.ceil(queries / agents) * Duration.toMillis(work)
  return {
    measures: [
      {
        name: `scheduler: ${queries} queries, ${agents} agents, virtual time`,
        unit: "ms",
        ours: figures.map(({ virtual }) => virtual),
        reference: { name: "ideal", samples: [ideal] },
        aim: { kind: "efficiency", atLeast: 0.97 }
      },
      {
        name: "scheduler: CPU per query",
        unit: "us",
        ours: figures.map(({ cpuMicros }) => cpuMicros)
      }
    ],
    notes: []
  }
})
