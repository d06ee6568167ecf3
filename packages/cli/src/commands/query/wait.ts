import type { Agent, Query } from "@remote-agent/domain"
import { Orchestrator, QueryHandle, StateStore } from "@remote-agent/orchestrator"
import { Duration, Effect, Option, Result, Stream } from "effect"
import { Argument } from "effect/cli"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import * as ExitCode from "../../ui/ExitCode.ts"
import { Ended, type Failure } from "../../ui/Failure.ts"
import { toJson } from "../../ui/failureText.ts"
import * as Json from "../../ui/json.ts"
import { seconds as secondsText } from "../../ui/liveLines.ts"
import { line, red, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { durable, queryOrAgent } from "../shared/flags.ts"
import { notify, notifying } from "../shared/notify.ts"
import { seconds } from "../shared/time.ts"

/** How many queries are followed at the same time. The others are waited for when one of them has ended. */
const concurrency = 16

interface Waited {
  readonly query: Query.Query
  readonly agent: Agent.Agent
}

/** The result of a query that has ended. */
const stored = Effect.fnUntraced(function* ({ query }: Waited) {
  const { events } = yield* StateStore.StateStore
  return yield* QueryHandle.resultOf("wait", query, yield* Stream.runLast(events(query.id, 0)))
})

/** The result of a query that has not ended, once it has. */
const followed = Effect.fnUntraced(function* ({ query }: Waited) {
  const { queries } = yield* Orchestrator.Orchestrator
  return yield* Effect.flatMap(queries.get(query.id), ({ result }) => result)
})

/** The result of a query that has an outcome, also one without an answer. */
const outcomeOf = <E extends Failure>(ended: Result.Result<Query.QueryResult, E>) => {
  if (Result.isSuccess(ended)) return ended.success
  const { failure }: { readonly failure: Failure } = ended
  return failure._tag === "OrchestratorError" && failure.reason._tag === "QueryFailed"
    ? failure.reason.result
    : undefined
}

/** Prints how a query ended, and returns the exit code for it. */
const print = Effect.fnUntraced(function* (
  { agent, query }: Waited,
  ended: Result.Result<Query.QueryResult, Failure>,
  json: boolean
) {
  const { err, out } = yield* Screen
  const result = outcomeOf(ended)
  if (result !== undefined) {
    const { outcome, usage } = result
    const words = `${query.id}  ${agent.name}  ${outcome}  ${secondsText(usage.wallMillis)}`
    yield* line(out, json ? jsonText(yield* Json.ofQuery(result)) : words)
    return ExitCode.ofOutcome(outcome)
  }
  if (Result.isSuccess(ended)) return 0
  if (json) yield* line(out, jsonText({ queryId: query.id, ...toJson(ended.failure) }))
  yield* line(err, red(err, `${query.id}: ${ended.failure.message}`))
  return ExitCode.of(ended.failure)
})

const summary = (ended: ReadonlyArray<readonly [Waited, number]>): string => {
  const [one] = ended
  const good = ended.filter(([, code]) => code === 0).length
  if (ended.length > 1) return `${good} of ${ended.length} queries were answered.`
  return one === undefined
    ? ""
    : `The query of ${one[0].agent.name} ${good === 1 ? "was answered" : "ended without an answer"}.`
}

/** The query of an agent that is waited for: the running one, or else the newest. */
const choice: typeof AgentLookup.newest = (agent) =>
  Effect.catchTag(AgentLookup.current(agent), "NotFound", () => AgentLookup.newest(agent))

/** `wait`. */
export const wait = command({
  name: "wait",
  description: "Wait until queries have ended, and print how; of an agent, its running query",
  flags: {
    named: Argument.variadic(queryOrAgent, { min: 1 }),
    timeout: seconds("timeout", "Stop waiting after this time: 90, 5m, 1h30m. The queries continue"),
    ...notifying,
    ...durable
  },
  examples: [
    { command: "remote-agent wait qry_06bq... --notify", description: "Ring when it is done" },
    {
      command: "remote-agent wait analyst && remote-agent answer analyst",
      description: "The answer of a detached query"
    }
  ],
  run: Effect.fn("wait")(
    function* (flags): Run<State.Records> {
      const { leftovers } = yield* CommandHost
      const named = yield* Effect.forEach(new Set(flags.named), (text) => AgentLookup.query(text, choice))
      const all = [...new Map(named.map((one) => [one.query.id, one])).values()]
      const each = <R>(
        some: ReadonlyArray<Waited>,
        resultOf: (one: Waited) => Effect.Effect<Query.QueryResult, Failure, R>
      ) =>
        Effect.forEach(
          some,
          (one) =>
            Effect.flatMap(Effect.result(resultOf(one)), (ended) =>
              Effect.map(print(one, ended, flags.json), (code) => [one, code] as const)
            ),
          { concurrency }
        )
      const ended = all.filter(({ query }) => query.status === "ended")
      const running = all.filter(({ query }) => query.status !== "ended")
      if (running.length > 0) leftovers("The queries continue.", "The queries continue.")
      const waited = Effect.gen(function* () {
        const first = yield* each(ended, stored)
        if (running.length === 0) return first
        const places = running.map(({ agent }) => agent)
        return [
          ...first,
          ...(yield* Effect.provide(each(running, followed), AgentLookup.services(flags, places)))
        ]
      })
      const done = yield* flags.timeout === undefined
        ? Effect.asSome(waited)
        : Effect.timeoutOption(waited, Duration.seconds(flags.timeout))
      if (Option.isNone(done)) {
        const { note } = yield* Screen
        yield* line(note, "The time is up. The queries continue.")
        return yield* new Ended({ code: ExitCode.exitCode.timeout })
      }
      const failures = done.value.flatMap(([, code]) => (code === 0 ? [] : [code]))
      const outcome = failures.length === 0 ? "ok" : failures.length < all.length ? "partly" : "failed"
      yield* notify(flags, {
        title: "remote-agent",
        text: summary(done.value),
        env: {
          REMOTE_AGENT_OUTCOME: outcome,
          REMOTE_AGENT_QUERY_ID: all.map(({ query }) => query.id).join(" ")
        }
      })
      const [first] = failures
      if (first === undefined) return
      return yield* new Ended({ code: outcome === "partly" ? ExitCode.exitCode.partly : first })
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
