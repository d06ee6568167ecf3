/** Three agents share eight queries. A query that fails is a result like any other. */
import { runMain } from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Result, Stream } from "effect"
import { layer, RemoteAgent } from "remote-agent/local"

const questions = [
  "Tesla revenue 2024",
  "Apple net income 2023",
  "What is love?",
  "Microsoft net margin 2024",
  "Amazon revenue 2022",
  "Meta net income 2024",
  "NVIDIA revenue 2025",
  "Which company had the highest revenue in 2024?"
]

const program = Effect.gen(function* () {
  const remoteAgent = yield* RemoteAgent
  const pool = yield* remoteAgent.pools.open({ profile: "sample", size: 3 })
  const results = yield* pool.query(questions, { timeout: "1 minute" }).pipe(
    Stream.tap(({ index, query, result }) =>
      Console.log(
        `${index + 1}. ${query}\n   ${Result.isSuccess(result) ? result.success.answer : result.failure.message}`
      )
    ),
    Stream.runCollect
  )
  const answered = results.filter(({ result }) => Result.isSuccess(result)).length
  yield* Console.log(`${answered} of ${results.length} questions answered by ${yield* pool.size} agents`)
}).pipe(Effect.scoped)

runMain(Effect.provide(program, layer()))
