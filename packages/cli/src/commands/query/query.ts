import { Orchestrator, type Queries } from "@remote-agent/orchestrator"
import { Duration, Effect, Option, Stream } from "effect"
import * as Answer from "../../ui/Answer.ts"
import * as App from "../../app/App.ts"
import * as Budgets from "../shared/budgets.ts"
import * as Documents from "../../ui/json.ts"
import type { Run } from "../../ui/Failure.ts"
import * as Provider from "../../app/agentProvider.ts"
import { line, Screen } from "../../ui/Screen.ts"

/** The flags of `query`. */
export interface QueryFlags extends App.AppFlags, Budgets.BudgetFlags {
  readonly agent: string
  readonly question: string
  readonly session?: string | undefined
  readonly newSession: boolean
  readonly timeout?: number | undefined
  readonly model?: string | undefined
  readonly maxSteps?: number | undefined
  readonly noResume: boolean
  readonly replace: boolean
  readonly detach: boolean
  readonly json: boolean
}

const stopped =
  "The query was stopped, and its outcome is aborted. With --detach a query runs on without this terminal."

/**
 * Puts a question to an agent and prints the answer on stdout; leaving it stops the query. Detached: prints the id of
 * the query once it runs, and is done.
 */
export const run = Effect.fn("query")(function* (flags: QueryFlags): Run {
  const { note, out } = yield* Screen
  const { json, question } = flags
  const [agent, there] = yield* Provider.find(flags, flags.agent)
  const layer = App.durable(there)
  const options: Queries.QueryOptions = {
    session: flags.session,
    newSession: flags.newSession,
    timeout: flags.timeout === undefined ? undefined : Duration.seconds(flags.timeout),
    model: flags.model,
    maxIterations: flags.maxSteps,
    budget: Budgets.of(flags),
    resume: !flags.noResume,
    replace: flags.replace
  }
  if (flags.detach) {
    const start = Effect.flatMap(Orchestrator.Orchestrator, (all) => all.start(agent.id, question, options))
    const query = yield* Effect.provide(start, layer)
    yield* line(out, json ? JSON.stringify(yield* Documents.ofQueryRecord(query)) : query.id)
    return yield* line(note, `It runs on.\n  remote-agent logs --follow ${query.id}`)
  }
  const ask = Effect.gen(function* () {
    const { stream } = yield* Orchestrator.Orchestrator
    const events = stream(agent.id, question, options)
    return yield* Stream.runLast(json ? events : Stream.tap(events, Answer.progress))
  })
  const last = yield* ask.pipe(
    Effect.provide(layer),
    Effect.onInterrupt(() => line(note, stopped))
  )
  yield* Answer.tell(Answer.ofEvent(Option.getOrThrow(last), agent.id, question), json)
})
