import { SandboxError } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { E2B } from "e2b"
import { Effect, Redacted } from "effect"
import * as Diagnostics from "node:diagnostics_channel"
import { BenchBroken, type Measure, type Outcome } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  /** How often each operation is measured. */
  readonly times: number
}

const fromSdk = <A>(call: () => Promise<A>) =>
  Effect.tryPromise({
    try: call,
    catch: (cause) => new BenchBroken({ benchmark: "guest", detail: `the SDK failed: ${String(cause)}` })
  })

/** Counts the programs that this process, which is the server, starts. */
const countPrograms = Effect.gen(function* () {
  let count = 0
  const listener = () => {
    count++
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => Diagnostics.subscribe("child_process", listener)),
    () => Effect.sync(() => Diagnostics.unsubscribe("child_process", listener))
  )
  return () => count
})

const measured = Effect.fnUntraced(function* ({ times }: Options) {
  const { apiKey, isolation, url } = yield* E2bServer.E2bServer
  const client = new E2B({ apiKey: Redacted.value(apiKey), apiUrl: url, sandboxUrl: url, retries: 0 })
  const sandbox = yield* Effect.acquireRelease(
    fromSdk(() => client.Sandbox.create("base")),
    (made) => Effect.promise(() => made.kill())
  )
  const programs = yield* countPrograms
  yield* fromSdk(() => sandbox.commands.run("true"))
  const each = Effect.fnUntraced(function* (name: string, call: () => Promise<unknown>, atMost?: number) {
    const [samples, before] = [new Array<number>(), programs()]
    for (let time = 0; time < times; time++) {
      const started = performance.now()
      yield* fromSdk(call)
      samples.push(performance.now() - started)
    }
    const rows: ReadonlyArray<Measure> = [
      {
        name: `${isolation}: ${name}`,
        unit: "ms",
        ours: samples,
        aim: atMost === undefined ? undefined : { kind: "figure", atMost }
      },
      {
        name: `${isolation}: ${name}, programs started beside the user's`,
        unit: "count",
        ours: [(programs() - before) / times],
        aim: { kind: "figure", atMost: name.startsWith("commands") ? 1 : 0 }
      }
    ]
    return rows
  })
  const rows = [
    yield* each("commands.run(true)", () => sandbox.commands.run("true")),
    yield* each("files.write", () => sandbox.files.write("file", "text", { useOctetStream: true }), 3),
    yield* each("files.read", () => sandbox.files.read("file"), 3),
    yield* each("files.list", () => sandbox.files.list("."))
  ]
  return rows.flat()
}, Effect.scoped)

/** Measures the round trips of the SDK for commands and small files, and the programs that they start. */
export const run = Effect.fn("bench.guest")(function* (options: Options) {
  const outcomes = yield* Effect.forEach(["bubblewrap", "namespaces"] as const, (isolation) =>
    measured(options).pipe(
      Effect.provide(LocalSandboxes.layer({ isolation })),
      Effect.catchIf(
        (error) => error instanceof SandboxError.SandboxError && error.reason._tag === "IsolationUnavailable",
        () => Effect.succeed<ReadonlyArray<Measure>>([])
      )
    )
  )
  return { measures: outcomes.flat(), notes: [] } satisfies Outcome
})
