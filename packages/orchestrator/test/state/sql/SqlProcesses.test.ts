import { describeOnce, describeRest } from "#test/once"
import { runsRest } from "#test/tier"
import { assert, it } from "@effect/vitest"
import { Agent, Id } from "@remote-agent/domain"
import { Effect, Random, Stream } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { newAgent, newQuery, thinking } from "../../support/stateStoreCases.ts"
import { newPath, openBoth, openStore } from "../../support/storeSupport.ts"

const fixture = fileURLToPath(import.meta.resolve("../../fixtures/store.ts"))

/** How many agents have how many queries: 50 and 1,000 with `REMOTE_AGENT_QUEUE=full`. */
const queue = process.env["REMOTE_AGENT_QUEUE"] === "full" ? ([50, 1000] as const) : ([10, 80] as const)

interface Ended {
  readonly lines: ReadonlyArray<string>
  /** When each line came, in milliseconds. */
  readonly times: ReadonlyArray<number>
  readonly code: number | null
  readonly stderr: string
}

/** Runs the fixture to its end, or kills it as soon as it has printed so many lines. */
const run = (
  args: ReadonlyArray<string>,
  options: { readonly killAfter?: number; readonly node?: ReadonlyArray<string> } = {}
) =>
  Effect.callback<Ended>((resume) => {
    const child = spawn(process.execPath, [...(options.node ?? []), fixture, ...args], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    const lines: Array<string> = []
    const times: Array<number> = []
    let stderr = ""
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()))
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line)
      times.push(performance.now())
      if (lines.length === options.killAfter) child.kill("SIGKILL")
    })
    child.on("close", (code) => resume(Effect.succeed({ lines, times, code, stderr })))
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

describeOnce("a state file and its processes", () => {
  it.live(
    "keeps every event that a killed process was told is written, and whole appends only",
    () =>
      Effect.gen(function* () {
        const path = yield* newPath
        const query = yield* newQuery((yield* newAgent()).id)
        yield* Effect.scoped(Effect.flatMap(openStore(path), (store) => store.createQuery(query)))
        let known = 0
        for (let round = 1; round <= 4; round++) {
          const killAfter = yield* Random.nextIntBetween(1, 120)
          yield* Effect.logInfo(`round ${round}: killed after ${killAfter} appends`)
          const { lines, stderr } = yield* run(["append", path, query.id], { killAfter })
          assert.isAtLeast(lines.length, killAfter, stderr)
          const told = lines.flatMap((line) => line.split(" ").map(Number))
          const log = yield* Effect.scoped(
            Effect.flatMap(openStore(path), (store) => Stream.runCollect(store.events(query.id, 0)))
          )
          assert.deepStrictEqual(
            told,
            Array.from({ length: told.length }, (_, index) => known + index)
          )
          assert.isAtLeast(log.length, known + told.length)
          assert.deepStrictEqual(
            log.map(({ event, seq }) => [seq, event]),
            Array.from({ length: log.length }, (_, seq) => [seq, thinking("abc".charAt(seq % 3))])
          )
          assert.strictEqual(log.length % 3, 0)
          known = log.length
        }
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "keeps whole appends only, before whichever statement of one the process is killed",
    () =>
      Effect.gen(function* () {
        const path = yield* newPath
        const query = yield* newQuery((yield* newAgent()).id)
        yield* Effect.scoped(Effect.flatMap(openStore(path), (store) => store.createQuery(query)))
        let known = 0
        // Of every append the first takes the numbers and two insert; the seventh is the first of a third append.
        for (const statement of [2, 3, 7]) {
          const { code, lines, stderr } = yield* run(["die", path, query.id, String(statement)])
          assert.isNull(code, stderr)
          known += 1500 * lines.length
          const store = yield* openStore(path)
          const log = yield* Stream.runCollect(store.events(query.id, 0))
          assert.deepStrictEqual(
            log.map(({ seq }) => seq),
            Array.from({ length: known }, (_, seq) => seq)
          )
        }
        assert.strictEqual(known, 3000)
        const [next] = yield* (yield* openStore(path)).appendEvents(query.id, [thinking("on")])
        assert.strictEqual(next?.seq, 3000)
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "loses no write of eight processes that create a file and change one agent at once",
    () =>
      Effect.gen(function* () {
        const [path, { id }] = [yield* newPath, yield* newAgent()]
        const all = yield* Effect.replicateEffect(run(["increment", path, id, "50"]), 8, {
          concurrency: 8
        })
        for (const { code, stderr } of all) assert.strictEqual(code, 0, stderr)
        const revisions = all.flatMap(({ lines }) => lines.map(Number)).toSorted((a, b) => a - b)
        assert.deepStrictEqual(
          revisions,
          Array.from({ length: 400 }, (_, index) => index + 1)
        )
        const agent = yield* (yield* openStore(path)).getAgent(id)
        assert.deepStrictEqual([agent.revision, agent.queryCount], [400, 400])
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "loses and doubles no query of eight processes that answer those of many agents by their leases",
    () =>
      Effect.gen(function* () {
        const path = yield* newPath
        const [agents, queries] = queue
        const { store } = yield* openBoth({ path })
        for (let index = 0; index < agents; index++) {
          const agent = yield* newAgent("active")
          yield* store.createAgent(agent)
          for (let count = 0; count < queries / agents; count++) {
            yield* store.createQuery(yield* newQuery(agent.id))
          }
        }
        const all = yield* Effect.forEach(
          Array.from({ length: 8 }).keys(),
          (index) => run(["answer", path, `process-${index}`]),
          { concurrency: 8 }
        )
        for (const { code, stderr } of all) assert.strictEqual(code, 0, stderr)
        const times = all.flatMap((one) => one.times)
        const took = (Math.max(...times) - Math.min(...times)) / 1000
        yield* Effect.logInfo(
          `${queries} queries of ${agents} agents in ${took.toFixed(1)} seconds, ${(queries / took).toFixed(0)} per second`
        )
        const told = all.flatMap(({ lines }) => lines)
        assert.lengthOf(told, queries)
        assert.strictEqual(new Set(told).size, queries)
        for (const [index, { lines }] of all.entries()) {
          for (const line of lines) {
            const log = yield* Stream.runCollect(store.events(Id.QueryId.make(line), 0))
            assert.deepStrictEqual(
              log.map(({ event, seq }) => [seq, event.type === "text" ? event.text : event.type]),
              [
                [0, `process-${index}`],
                [1, "result"]
              ]
            )
          }
        }
        const counted = yield* Stream.runCollect(store.listAgents())
        assert.deepStrictEqual(
          counted.map(({ usage }) => usage.inputTokens),
          counted.map(() => queries / agents)
        )
        assert.deepStrictEqual((yield* store.usage()).outcomes, { ok: queries })
      }).pipe(Effect.scoped),
    600_000
  )
})

/** Together they are 80 MB, whoever runs this. */
const [many, characters] = runsRest ? ([20_000, 4000] as const) : ([5000, 16_000] as const)

describeRest("a state file of many agents", () => {
  it.live(
    `lists ${many} agents in a process that has no room for them all, and says nothing else on stdout`,
    () =>
      Effect.gen(function* () {
        const path = yield* newPath
        const { sql, store } = yield* openBoth({ path })
        const detail = "x".repeat(characters)
        yield* sql.withTransaction(
          Effect.forEach(
            Array.from({ length: many }).keys(),
            () =>
              Effect.flatMap(newAgent(), (agent) => store.createAgent(new Agent.Agent({ ...agent, detail }))),
            { discard: true }
          )
        )
        const { code, lines, stderr } = yield* run(["list", path], { node: ["--max-old-space-size=60"] })
        assert.strictEqual(code, 0, stderr)
        assert.deepStrictEqual(lines, [String(many)])
      }).pipe(Effect.scoped),
    120_000
  )
})
