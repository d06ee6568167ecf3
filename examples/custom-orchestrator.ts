/**
 * A workflow of your own. Nothing is inherited: `Analyst` is a service that uses the orchestrator, and whoever uses
 * `Analyst` need not know of it.
 */
import { runMain } from "@effect/platform-node/NodeRuntime"
import { RemoteAgentConfig, type OrchestratorError } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { Console, Context, Effect, Layer, Result, Stream } from "effect"

interface Profile {
  readonly company: string
  readonly facts: ReadonlyArray<string>
  /** What could not be answered. */
  readonly open: ReadonlyArray<string>
}

class Analyst extends Context.Service<
  Analyst,
  {
    /** Answers the same questions about every company, with as many agents as there are companies, four at most. */
    readonly compare: (
      companies: ReadonlyArray<string>,
      year: number
    ) => Effect.Effect<ReadonlyArray<Profile>, OrchestratorError.OrchestratorError>
  }
>()("example/Analyst") {}

const make = Effect.gen(function* () {
  const orchestrator = yield* Orchestrator.Orchestrator

  const compare = Effect.fn("Analyst.compare")(function* (companies: ReadonlyArray<string>, year: number) {
    const pool = yield* orchestrator.pools.open({ size: Math.min(4, companies.length) })
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

const layer = Layer.effect(Analyst, make).pipe(
  Layer.provide(Orchestrator.layer),
  Layer.provide(LocalSandboxes.layer()),
  Layer.provide(RemoteAgentConfig.layer)
)

runMain(Effect.provide(program, layer))
