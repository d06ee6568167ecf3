import { RemoteAgentConfig, type OrchestratorError, type SandboxError } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { Orchestrator, SampleProfile } from "@remote-agent/orchestrator"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { Clock, Console, Deferred, Effect, Layer, Redacted, Result, Stream } from "effect"
import * as Diagnostics from "node:diagnostics_channel"
import * as Questions from "./Questions.ts"
import * as RawSdk from "./RawSdk.ts"
import { BenchBroken, type Measure, type Outcome, percentile } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  readonly size: number
  readonly queries: number
  /** The number of rounds of each side. */
  readonly rounds: number
}

/** The results of one side in one round. Times are in milliseconds. */
interface Round {
  readonly launchMillis: number
  readonly queryMillis: number
  /** Processor time of this process, which is client and server. It does not include the agents. */
  readonly cpuMillis: number
  /** Requests to the server during the launches and during the queries. */
  readonly launchRequests: number
  readonly queryRequests: number
  readonly latencies: ReadonlyArray<number>
  readonly answers: ReadonlyArray<string>
}

const launchConcurrency = 5

const broken = (detail: string) => new BenchBroken({ benchmark: "pool", detail })

const cpuSince = (before: NodeJS.CpuUsage) =>
  Effect.sync(() => {
    const { system, user } = process.cpuUsage(before)
    return (system + user) / 1000
  })

/** Counts the requests to the server in this process, while the scope is open. */
const countRequests = Effect.gen(function* () {
  let count = 0
  const listener = () => {
    count++
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => Diagnostics.subscribe("http.server.request.start", listener)),
    () => Effect.sync(() => Diagnostics.unsubscribe("http.server.request.start", listener))
  )
  return () => count
})

const millis = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)

const fromSdk = <A>(call: () => Promise<A>) =>
  Effect.tryPromise({ try: call, catch: (cause) => broken(`the SDK failed: ${String(cause)}`) })

const ours = Effect.fn("bench.pool.ours")(function* (texts: ReadonlyArray<string>, size: number) {
  const orchestrator = yield* Orchestrator.Orchestrator
  const allReady = yield* Deferred.make<void, BenchBroken>()
  const started = new Map<number, number>()
  const latencies: Array<number> = []
  let ready = 0
  const requests = yield* countRequests
  const launchStart = yield* millis
  const pool = yield* orchestrator.pools.open({
    size,
    launchConcurrency,
    onEvent: Effect.fnUntraced(function* (event) {
      if (event._tag === "Ready" && ++ready === size) yield* Deferred.succeed(allReady, undefined)
      if (event._tag === "LaunchFailed") yield* Deferred.fail(allReady, broken(event.error.message))
      if (event._tag === "Started") started.set(event.index, yield* millis)
      if (event._tag === "Ended") {
        latencies.push((yield* millis) - (started.get(event.result.index) ?? Number.NaN))
      }
    })
  })
  yield* Deferred.await(allReady)
  const launchRequests = requests()
  const [cpu, queryStart] = [process.cpuUsage(), yield* millis]
  const results = yield* Stream.runCollect(pool.query(texts))
  const queryEnd = yield* millis
  const cpuMillis = yield* cpuSince(cpu)
  const answers = results.map(({ result }) => (Result.isSuccess(result) ? result.success.answer : ""))
  return {
    launchMillis: queryStart - launchStart,
    queryMillis: queryEnd - queryStart,
    cpuMillis,
    launchRequests,
    queryRequests: requests() - launchRequests,
    latencies,
    answers
  } satisfies Round
}, Effect.scoped)

const raw = Effect.fn("bench.pool.raw")(function* (texts: ReadonlyArray<string>, setting: RawSdk.Setting) {
  const requests = yield* countRequests
  const launchStart = yield* millis
  const sandboxes = yield* Effect.acquireRelease(
    fromSdk(() => RawSdk.launch(setting)),
    (made) => Effect.promise(() => RawSdk.kill(made))
  )
  const launchRequests = requests()
  const [cpu, queryStart] = [process.cpuUsage(), yield* millis]
  const results = yield* fromSdk(() => RawSdk.query(sandboxes, texts))
  const queryEnd = yield* millis
  return {
    launchMillis: queryStart - launchStart,
    queryMillis: queryEnd - queryStart,
    cpuMillis: yield* cpuSince(cpu),
    launchRequests,
    queryRequests: requests() - launchRequests,
    latencies: results.map((result) => result.millis),
    answers: results.map((result) => result.text)
  } satisfies Round
}, Effect.scoped)

/** Fails unless every answer contains the right figure and the round left no sandbox. */
const check = Effect.fnUntraced(function* (
  side: string,
  questions: ReadonlyArray<Questions.Question>,
  answers: ReadonlyArray<string>
) {
  const wrong = questions.flatMap(({ figure, text }, index) =>
    answers[index]?.includes(figure) === true ? [] : [`"${text}" got "${answers[index] ?? "nothing"}"`]
  )
  if (answers.length !== questions.length || wrong.length > 0) {
    return yield* broken(`${side}: ${wrong.length} wrong answers of ${answers.length}; ${wrong[0] ?? ""}`)
  }
  const left = yield* (yield* E2bServer.E2bServer).live
  return left === 0 ? undefined : yield* broken(`${side} left ${left} sandboxes`)
})

const measuresOf = (
  { queries, size }: Options,
  mine: ReadonlyArray<Round>,
  theirs: ReadonlyArray<Round>
): ReadonlyArray<Measure> => {
  const measure = (
    name: string,
    unit: Measure["unit"],
    read: (round: Round) => number,
    aim?: Measure["aim"]
  ): Measure => ({
    name,
    unit,
    ours: mine.map(read),
    reference: { name: "e2b", samples: theirs.map(read) },
    aim
  })
  return [
    measure(`pool: ${queries} queries, ${size} agents`, "ms", (round) => round.queryMillis, {
      kind: "cost",
      atMost: 1.05
    }),
    measure("pool: throughput", "1/s", (round) => (queries / round.queryMillis) * 1000),
    measure("pool: one query, p50", "ms", (round) => percentile(round.latencies, 0.5)),
    measure("pool: one query, p95", "ms", (round) => percentile(round.latencies, 0.95)),
    measure("pool: CPU of client + server per query", "ms", (round) => round.cpuMillis / queries),
    measure("pool: HTTP requests per query", "requests", (round) => round.queryRequests / queries),
    measure("pool: HTTP requests per agent made", "requests", (round) => round.launchRequests / size, {
      kind: "figure",
      atMost: 4
    }),
    measure(`pool: ${size} agents ready`, "ms", (round) => round.launchMillis, { kind: "cost", atMost: 1.1 })
  ]
}

const rounds = Effect.fn("bench.pool")(function* (options: Options) {
  const { apiKey, isolation, url } = yield* E2bServer.E2bServer
  const { assets } = yield* SampleProfile.make
  const files = assets.map(({ content, path }) => ({
    path: path.replace("{home}/", ""),
    data: content ?? ""
  }))
  const data = files.find(({ path }) => path.endsWith(".json"))?.data ?? ""
  const questions = yield* Questions.make(data, options.queries)
  const run = Effect.fnUntraced(function* (side: "ours" | "raw", size: number, count: number) {
    const asked = questions.slice(0, count)
    const texts = asked.map(({ text }) => text)
    const setting = { url, apiKey: Redacted.value(apiKey), size, launchConcurrency, files }
    const round = yield* side === "ours" ? ours(texts, size) : raw(texts, setting)
    yield* check(side, asked, round.answers)
    return round
  })
  // Not counted: the first round of each side includes loading and compiling.
  yield* run("raw", 2, 8)
  yield* run("ours", 2, 8)
  const [mine, theirs]: [Array<Round>, Array<Round>] = [[], []]
  for (let index = 0; index < options.rounds; index++) {
    for (const side of index % 2 === 0 ? (["ours", "raw"] as const) : (["raw", "ours"] as const)) {
      const round = yield* run(side, options.size, options.queries)
      ;(side === "ours" ? mine : theirs).push(round)
      yield* Console.error(
        `pool: round ${index + 1} of ${options.rounds}, ${side}: ${Math.round(round.queryMillis)} ms`
      )
    }
  }
  const answers = mine[0]?.answers.join("\n")
  if ([...mine, ...theirs].some((round) => round.answers.join("\n") !== answers)) {
    return yield* broken("the two sides got different answers")
  }
  return {
    measures: measuresOf(options, mine, theirs),
    notes: [
      isolation === "none"
        ? "This host cannot isolate sandboxes: both sides of the pool benchmark ran in plain processes."
        : `Sandboxes of both sides of the pool benchmark were isolated by ${isolation}.`
    ]
  } satisfies Outcome
})

/**
 * Runs the same questions in the same number of sandboxes of one server in this process, alternately through the
 * orchestrator's pool and by hand with the unmodified SDK.
 */
export const run = (
  options: Options
): Effect.Effect<
  Outcome,
  | BenchBroken
  | RemoteAgentConfig.ConfigError
  | OrchestratorError.OrchestratorError
  | SandboxError.SandboxError
> =>
  Effect.provide(
    rounds(options),
    Orchestrator.layer.pipe(
      Layer.provideMerge(LocalSandboxes.layer()),
      Layer.provide(RemoteAgentConfig.layerFrom({}))
    )
  )
