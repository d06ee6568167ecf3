import { type OrchestratorError, Profile, RemoteAgentConfig, type SandboxError } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import {
  AgentRuntime,
  LaunchIntents,
  MemoryStateStore,
  Orchestrator,
  Profiles,
  SnapshotIndex
} from "@remote-agent/orchestrator"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { E2B } from "e2b"
import { Duration, Effect, Layer, Redacted, Stream } from "effect"
import { BenchBroken, type Measure, type Outcome, percentile } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  /** The number of events of one round. */
  readonly events: number
  readonly rounds: number
}

const broken = (detail: string) => new BenchBroken({ benchmark: "events", detail })

/** Prints an event with the time of day every 20 to 60 ms. */
const program = (events: number) => `
read -r _
exec 8<> <(:)
for ((at = 0; at < ${events}; at++)); do
  read -r -t "0.0$((RANDOM % 40 + 20))" -u 8
  printf '{"type":"event","event":{"type":"notice","message":"%s"}}\\n' "$EPOCHREALTIME"
done
printf '{"type":"result","outcome":"ok","answer":"done"}\\n'`

const profileOf = (events: number) =>
  new Profile.Profile({
    name: "clock",
    description: "Prints the time of day",
    trusted: true,
    work: "{home}/work",
    assets: [],
    setup: [],
    health: new Profile.ProfileCommand({ argv: ["true"] }),
    run: new Profile.RunSpec({
      argv: ["bash", "-c", program(events)],
      input: "stdin-json",
      protocol: "runner-jsonl",
      wallTimeout: Duration.minutes(5),
      idleTimeout: Duration.minutes(5)
    })
  })

const now = () => performance.timeOrigin + performance.now()

const late = (printed: string) => now() - Number(printed) * 1000

/** The delays of the events that a query streams, in milliseconds. */
const ours = Effect.fn("bench.events.ours")(function* () {
  const { agents } = yield* Orchestrator.Orchestrator
  const agent = yield* agents.launchScoped({ profile: "clock" })
  const delays: Array<number> = []
  yield* Stream.runForEach(agent.stream("?"), ({ event }) =>
    Effect.sync(() => {
      if (event.type === "notice") delays.push(late(event.text))
    })
  )
  return delays
}, Effect.scoped)

/** The delays with the SDK alone, whose command writes to a pipe and not to a file. */
const raw = (events: number) =>
  Effect.gen(function* () {
    const { apiKey, url } = yield* E2bServer.E2bServer
    return yield* Effect.tryPromise({
      try: async () => {
        const client = new E2B({ apiKey: Redacted.value(apiKey), apiUrl: url, sandboxUrl: url, retries: 0 })
        const sandbox = await client.Sandbox.create("base")
        const delays: Array<number> = []
        await sandbox.commands.run(`echo | bash -c '${program(events).replaceAll("'", "'\\''")}'`, {
          timeoutMs: 0,
          onStdout: (text) => {
            for (const [, printed] of text.matchAll(/"message":"([\d.]+)"/g)) delays.push(late(printed ?? ""))
          }
        })
        await sandbox.kill()
        return delays
      },
      catch: (cause) => broken(`the SDK failed: ${String(cause)}`)
    })
  })

/** Measures how long an event that is printed in the sandbox takes to be seen by the reader of a query. */
export const run = Effect.fn("bench.events")(function* ({
  events,
  rounds
}: Options): Effect.fn.Return<
  Outcome,
  | BenchBroken
  | RemoteAgentConfig.ConfigError
  | OrchestratorError.OrchestratorError
  | SandboxError.SandboxError
> {
  const layer = Orchestrator.layerNoDeps.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        LocalSandboxes.layer(),
        AgentRuntime.layer,
        Profiles.layerFrom([profileOf(events)]),
        MemoryStateStore.layer,
        LaunchIntents.layerMemory,
        SnapshotIndex.layerMemory,
        RemoteAgentConfig.layerFrom({})
      )
    )
  )
  const all = yield* Effect.forEach(Array.from({ length: rounds }), () =>
    Effect.all({ mine: ours(), theirs: raw(events) })
  ).pipe(Effect.provide(layer))
  const [mine, theirs] = [all.flatMap((round) => round.mine), all.flatMap((round) => round.theirs)]
  if (mine.length !== events * rounds) return yield* broken(`${mine.length} events were seen`)
  const row = (part: number, atMost: number): Measure => ({
    name: `event printed to event seen, p${part * 100}`,
    unit: "ms",
    ours: [percentile(mine, part)],
    reference: { name: "raw SDK", samples: [percentile(theirs, part)] },
    aim: { kind: "figure", atMost }
  })
  return { measures: [row(0.5, 5), row(0.99, 25)], notes: [] }
})
