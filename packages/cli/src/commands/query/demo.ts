import { Sandboxes } from "@remote-agent/sandbox"
import { Clock, Effect, Result, Stream } from "effect"
import * as App from "../../app/App.ts"
import type { Run } from "../../app/Environment.ts"
import { exitCode } from "../../ui/ExitCode.ts"
import { Ended } from "../../ui/Failure.ts"
import * as Json from "../../ui/json.ts"
import * as PoolResults from "../pool/poolResults.ts"
import * as ProgressDisplay from "../../ui/ProgressDisplay.ts"
import { bold, line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { runPool } from "../pool/runPool.ts"
import { command } from "../shared/command.ts"
import { isolation } from "../shared/flags.ts"

const agents = 3

/** Six questions that the sample agent answers in different ways. */
const questions = [
  "What was Tesla's revenue in 2024?",
  "Compare Apple and Microsoft net margin in 2024",
  "How did NVIDIA's revenue grow from 2023 to 2025?",
  "Did Amazon make a profit in 2022?",
  "Which company had the highest net income in 2024?",
  "What was Meta's revenue from 2021 to 2024?"
] as const

/** `demo`. */
export const demo = command({
  name: "demo",
  at: "machine",
  description: "Watch three agents on this machine answer six questions. Needs no account and no key",
  flags: { isolation },
  examples: [{ command: "remote-agent demo", description: "Ends with the number of sandboxes left" }],
  run: Effect.fn("demo")(function* ({ isolation: kind, json }): Run {
    const { out } = yield* Screen
    // The sample agent is otherwise done before the first line can be read.
    const env = { SAMPLE_AGENT_STEP_MS: out.live && !json ? "400" : "0" }
    const say = (words: string) => (json ? Effect.void : line(out, words))
    yield* say(
      bold(out, `${agents} agents in sandboxes on this machine answer ${questions.length} questions.`)
    )
    const started = yield* Clock.currentTimeMillis
    const { left, results } = yield* Effect.gen(function* () {
      const answered = yield* Effect.scoped(
        Effect.gen(function* () {
          const display = yield* json ? Effect.succeed(ProgressDisplay.none) : ProgressDisplay.make(out)
          return yield* runPool(questions, { size: agents, env }, display, (result) =>
            display.say(PoolResults.toText(out, result))
          )
        })
      )
      const { list } = yield* Sandboxes.Sandboxes
      return { results: answered, left: yield* Stream.runCount(list()) }
    }).pipe(Effect.provide(App.temporary({ provider: "local", profile: "sample", isolation: kind })))
    const millis = (yield* Clock.currentTimeMillis) - started
    if (json) {
      const documents = yield* Effect.forEach(results, Json.ofPool)
      yield* line(out, jsonText({ results: documents, agents, millis, left }))
    }
    yield* say(PoolResults.summary(out, results, agents, millis))
    yield* say(`Sandboxes left: ${left}`)
    if (left > 0 || results.some(({ result }) => Result.isFailure(result))) {
      return yield* new Ended({ code: exitCode.failed })
    }
  })
})
