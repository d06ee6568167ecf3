import { AgentEvent } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Duration, Effect, Result } from "effect"
import * as App from "./App.ts"
import * as Documents from "./Documents.ts"
import { codeOf, Ended, type Run } from "./Failure.ts"
import { dim, line, Screen } from "./Screen.ts"

/** The flags of `ask`. */
export interface AskFlags extends App.AppFlags {
  readonly question: string
  readonly timeout?: number | undefined
  readonly env: ReadonlyArray<string>
  readonly json: boolean
}

/** Launches an agent, asks it one question, prints the answer on stdout, and ends it. */
export const run = Effect.fn("ask")(function* ({ env, json, question, timeout, ...flags }: AskFlags): Run {
  const { note, out } = yield* Screen
  const sandboxEnv = yield* App.environment(env)
  const ask = Effect.flatMap(Orchestrator.Orchestrator, (orchestrator) =>
    orchestrator.ask(question, {
      env: sandboxEnv,
      timeout: timeout === undefined ? undefined : Duration.seconds(timeout),
      onEvent: ({ event }) => {
        const words = event.type === "result" ? "" : AgentEvent.describe(event)
        return words === "" || json ? Effect.void : line(note, dim(note, words))
      }
    })
  )
  const result = yield* Effect.result(Effect.provide(ask, App.layer(flags)))
  if (Result.isSuccess(result)) {
    return yield* line(
      out,
      json ? JSON.stringify(yield* Documents.ofQuery(result.success)) : result.success.answer
    )
  }
  const { failure } = result
  if (json && failure._tag === "OrchestratorError" && failure.reason._tag === "QueryFailed") {
    yield* line(out, JSON.stringify(yield* Documents.ofQuery(failure.reason.result)))
    return yield* new Ended({ code: codeOf(failure) })
  }
  return yield* failure
})
