import type { SandboxError } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Console, Effect, Redacted, Schema } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { BenchBroken, type Measure, type Outcome } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  /** The amount of output to read through a job. */
  readonly megabytes: number
  readonly rounds: number
}

/** The SDK keeps the output of a command in one string, which is limited to 512 MiB. */
const mostByCommand = 256

const MiB = 1024 * 1024

const Report = Schema.fromJsonString(
  Schema.Struct({ received: Schema.Int, millis: Schema.Finite, peak: Schema.Finite })
)
type Report = typeof Report.Type

const broken = (detail: string) => new BenchBroken({ benchmark: "streaming", detail })

const client = fileURLToPath(new URL("StreamingClient.ts", import.meta.url))

const read = Effect.fn("bench.streaming.read")(function* (
  how: "job" | "spawn" | "raw",
  megabytes: number
): Effect.fn.Return<
  Report,
  BenchBroken | SandboxError.SandboxError,
  Sandboxes.Sandboxes | E2bServer.E2bServer
> {
  const { apiKey, url } = yield* E2bServer.E2bServer
  const sandbox = yield* (yield* Sandboxes.Sandboxes).launch({ ttl: "1 hour" })
  const bytes = megabytes * MiB
  const { stdout } = yield* Effect.tryPromise({
    try: (signal) =>
      promisify(execFile)(process.execPath, [client, how, url, sandbox.id, String(bytes)], {
        env: { ...process.env, BENCH_API_KEY: Redacted.value(apiKey) },
        signal
      }),
    catch: (cause) => broken(`the client that reads by ${how} failed: ${String(cause)}`)
  })
  yield* (yield* Sandboxes.Sandboxes).terminate(sandbox.id)
  const report = yield* Effect.mapError(Schema.decodeEffect(Report)(stdout), () =>
    broken("a client said what is no report")
  )
  if (report.received !== bytes) {
    return yield* broken(`${report.received} of ${bytes} bytes were read by ${how}`)
  }
  return report
})

/** Reads the output of one command through a job, through `spawn`, and with the SDK alone. */
export const run = Effect.fn("bench.streaming")(function* ({ megabytes, rounds }: Options) {
  const common = Math.min(megabytes, mostByCommand)
  const samples = { job: new Array<Report>(), spawn: new Array<Report>(), raw: new Array<Report>() }
  const all = { job: new Array<Report>(), spawn: new Array<Report>() }
  for (let round = 0; round < rounds; round++) {
    for (const how of ["raw", "spawn", "job"] as const) samples[how].push(yield* read(how, common))
    if (megabytes > common) {
      for (const how of ["spawn", "job"] as const) all[how].push(yield* read(how, megabytes))
    }
    yield* Console.error(`streaming: round ${round + 1} of ${rounds}`)
  }
  const rows = (
    name: string,
    ours: ReadonlyArray<Report>,
    reference: ReadonlyArray<Report>,
    of: string,
    aim?: number
  ): ReadonlyArray<Measure> => [
    {
      name,
      unit: "ms",
      ours: ours.map(({ millis }) => millis),
      reference: { name: of, samples: reference.map(({ millis }) => millis) },
      aim: aim === undefined ? undefined : { kind: "cost", atMost: aim }
    },
    {
      name: `${name}, memory`,
      unit: "MB",
      ours: ours.map(({ peak }) => peak / MiB),
      reference: { name: of, samples: reference.map(({ peak }) => peak / MiB) }
    }
  ]
  return {
    measures: [
      ...rows(`streaming ${common} MB: Job.read`, samples.job, samples.raw, "raw SDK", 1.15),
      ...rows(`streaming ${common} MB: spawn`, samples.spawn, samples.raw, "raw SDK", 1.2),
      ...(megabytes === common
        ? []
        : [
            ...rows(`streaming ${megabytes} MB: Job.read`, all.job, samples.job, `Job.read of ${common} MB`),
            ...rows(`streaming ${megabytes} MB: spawn`, all.spawn, samples.spawn, `spawn of ${common} MB`)
          ])
    ],
    notes:
      megabytes === common
        ? []
        : [
            `streaming: the SDK cannot give more than 512 MiB of one command, so it is compared at ${common} MB.`
          ]
  } satisfies Outcome
}, Effect.provide(LocalSandboxes.layer()))
