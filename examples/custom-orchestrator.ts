/**
 * Your own workflow, built by composition: `Analyst` is a service that uses `RemoteAgent`. A program that uses `Analyst`
 * does not depend on `RemoteAgent`.
 */
import { runMain } from "@effect/platform-node/NodeRuntime"
import { Console, Context, Effect, Layer, Result, Stream } from "effect"
import { layer as remoteAgentLayer, type OrchestratorError, RemoteAgent } from "remote-agent/local"

interface Profile {
  readonly company: string
  readonly facts: ReadonlyArray<string>
  /** The queries without an answer. */
  readonly open: ReadonlyArray<string>
}

class Analyst extends Context.Service<
  Analyst,
  {
    /** Answers the same questions about every company, with one agent per company and at most four. */
    readonly compare: (
      companies: ReadonlyArray<string>,
      year: number
    ) => Effect.Effect<ReadonlyArray<Profile>, OrchestratorError.OrchestratorError>
  }
>()("example/Analyst") {}

const make = Effect.gen(function* () {
  const { pools } = yield* RemoteAgent

  const compare = Effect.fn("Analyst.compare")(function* (companies: ReadonlyArray<string>, year: number) {
    const pool = yield* pools.open({ size: Math.min(4, companies.length) })
    const topics = ["revenue", "net margin", "mood"]
    const questions = companies.flatMap((company) => topics.map((topic) => `${company} ${topic} ${year}`))
    const results = yield* Stream.runCollect(pool.query(questions))
    return companies.map((company, at): Profile => {
      const own = results.slice(at * topics.length, (at + 1) * topics.length)
      return {
        company,
        facts: own.flatMap(({ result }) => (Result.isSuccess(result) ? [result.success.answer] : [])),
        open: own.flatMap(({ query, result }) => (Result.isFailure(result) ? [query] : []))
      }
    })
  }, Effect.scoped)

  return Analyst.of({ compare })
})

const program = Effect.gen(function* () {
  const { compare } = yield* Analyst
  for (const { company, facts, open } of yield* compare(["Apple", "Tesla"], 2024)) {
    yield* Console.log([`${company}:`, ...facts.map((fact) => `  ${fact}`)].join("\n"))
    yield* Console.log(`  Not answered: ${open.join(", ")}`)
  }
})

const layer = Layer.effect(Analyst, make).pipe(Layer.provide(remoteAgentLayer()))

runMain(Effect.provide(program, layer))
