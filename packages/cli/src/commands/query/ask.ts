import { Orchestrator } from "@remote-agent/orchestrator"
import { Duration, Effect } from "effect"
import * as Answer from "../../ui/Answer.ts"
import * as App from "../../app/App.ts"
import * as Budgets from "../shared/budgets.ts"
import type { Run } from "../../ui/Failure.ts"
import { Screen } from "../../ui/Screen.ts"

/** The flags of `ask`. */
export interface AskFlags extends App.AppFlags, Budgets.BudgetFlags {
  readonly question: string
  readonly timeout?: number | undefined
  readonly model?: string | undefined
  readonly maxSteps?: number | undefined
  readonly env: ReadonlyArray<string>
  readonly json: boolean
}

/** Launches an agent, asks it one question, prints the answer on stdout, and ends it. */
export const run = Effect.fn("ask")(function* (all: AskFlags): Run {
  const { env, json, maxSteps, model, question, timeout, ...flags } = all
  const screen = yield* Screen
  const sandboxEnv = yield* App.environment(env)
  const ask = Effect.flatMap(Orchestrator.Orchestrator, (orchestrator) =>
    orchestrator.ask(question, {
      env: sandboxEnv,
      model,
      maxIterations: maxSteps,
      budget: Budgets.of(all),
      timeout: timeout === undefined ? undefined : Duration.seconds(timeout),
      onEvent: (record) =>
        json ? Effect.void : Effect.provideService(Answer.progress(record), Screen, screen)
    })
  )
  yield* Answer.tell(yield* Effect.result(Effect.provide(ask, App.layer(flags))), json)
})
