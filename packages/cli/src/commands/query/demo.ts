import { Sandboxes } from "@remote-agent/sandbox"
import { Clock, Effect, Result, Stream } from "effect"
import * as App from "../../app/App.ts"
import * as ProgressDisplay from "../../ui/ProgressDisplay.ts"
import * as Documents from "../../ui/json.ts"
import { Ended, exitCode, type Run } from "../../ui/Failure.ts"
import { runPool, summary, toText } from "../pool/run.ts"
import { bold, line, Screen } from "../../ui/Screen.ts"

const agents = 3

/** Six questions that the sample agent can answer, each in another way. */
export const questions = [
  "What was Tesla's revenue in 2024?",
  "Compare Apple and Microsoft net margin in 2024",
  "How did NVIDIA's revenue grow from 2023 to 2025?",
  "Did Amazon make a profit in 2022?",
  "Which company had the highest net income in 2024?",
  "What was Meta's revenue from 2021 to 2024?"
] as const

/** The flags of `demo`. */
export interface DemoFlags {
  readonly isolation?: string | undefined
  readonly json: boolean
}

/** Three agents answer six questions on this machine, shown live; the last line says how many sandboxes are left. */
export const run = Effect.fn("demo")(function* ({ isolation, json }: DemoFlags): Run {
  const { out } = yield* Screen
  // Without a pause the sample agent is done before anybody has read a line.
  const pace = { SAMPLE_AGENT_STEP_MS: out.live && !json ? "400" : "0" }
  const say = (text: string) => (json ? Effect.void : line(out, text))
  yield* say(bold(out, `${agents} agents in sandboxes on this machine answer ${questions.length} questions.`))
  const started = yield* Clock.currentTimeMillis
  const { left, results } = yield* Effect.gen(function* () {
    const shown = yield* Effect.scoped(
      Effect.gen(function* () {
        const display = yield* json ? Effect.succeed(ProgressDisplay.none) : ProgressDisplay.make(out)
        return yield* runPool(questions, { size: agents, env: pace }, display, (result) =>
          display.say(toText(out, result))
        )
      })
    )
    const { list } = yield* Sandboxes.Sandboxes
    return { results: shown, left: yield* Stream.runCount(list()) }
  }).pipe(Effect.provide(App.layer({ provider: "local", profile: "sample", isolation })))
  const millis = (yield* Clock.currentTimeMillis) - started
  if (json) {
    yield* line(
      out,
      JSON.stringify({ results: yield* Effect.forEach(results, Documents.ofPool), agents, millis, left })
    )
  }
  yield* say(summary(out, results, agents, millis))
  yield* say(`Sandboxes left: ${left}`)
  if (left > 0 || results.some(({ result }) => Result.isFailure(result))) {
    return yield* new Ended({ code: exitCode.failed })
  }
})
