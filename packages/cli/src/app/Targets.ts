import type { Agent } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect, Result, Stream } from "effect"
import type * as App from "./App.ts"
import {
  codeOf,
  Ended,
  type Environment,
  exitCode,
  type Failure,
  toJson,
  toLines,
  Usage
} from "../ui/Failure.ts"
import * as Named from "./Named.ts"
import { line, red, Screen } from "../ui/Screen.ts"
import * as State from "./State.ts"

/** The flags of every command that takes several agents. */
export interface TargetFlags extends App.AppFlags {
  readonly agents: ReadonlyArray<string>
  readonly all: boolean
  readonly json: boolean
}

/** Somebody that was named, and the agent that it is, or why it is none. */
export interface Target {
  readonly named: string
  readonly agent: Result.Result<Agent.Agent, Failure>
}

/** What was done with an agent. */
export interface Done {
  /** In one line or more, for people. */
  readonly text: string
  /** For programs. */
  readonly document: unknown
  /** Whether it did not turn out well; then the command does not end with 0. */
  readonly failed?: boolean | undefined
}

const atOnce = 8

/**
 * The agents that were named, each once, or with `--all` those of the filter, at the provider that is
 * named if one is. Fails with `Usage` when there are both
 * or neither.
 */
export const find = Effect.fnUntraced(function* (
  flags: TargetFlags,
  filter: StateStore.AgentFilter
): Effect.fn.Return<ReadonlyArray<Target>, Failure, Environment> {
  const { agents, all } = flags
  if (all === agents.length > 0) {
    return yield* new Usage({
      message: all
        ? "Agents are named beside --all. Leave one of both out."
        : "No agent is named. Name some by id or name, or say --all."
    })
  }
  const found = Effect.gen(function* () {
    if (!all) {
      return yield* Effect.forEach(new Set(agents), (named) =>
        Effect.map(Effect.result(Named.agent(named)), (agent): Target => ({ named, agent }))
      )
    }
    const { listAgents } = yield* StateStore.StateStore
    const living = Stream.filter(
      listAgents(filter),
      ({ binding }) =>
        flags.provider === undefined || (binding?.provider ?? flags.provider) === flags.provider
    )
    return yield* Stream.runCollect(
      Stream.map(living, (agent): Target => ({ named: agent.name, agent: Result.succeed(agent) }))
    )
  })
  const targets = yield* Effect.provide(found, State.layer(flags))
  const seen = new Set<string>()
  return targets.filter(({ agent }) => {
    if (Result.isFailure(agent)) return true
    const isNew = !seen.has(agent.success.id)
    seen.add(agent.success.id)
    return isNew
  })
})

/** The agents among the targets. */
export const agentsOf = (targets: ReadonlyArray<Target>): ReadonlyArray<Agent.Agent> =>
  targets.flatMap(({ agent }) => (Result.isSuccess(agent) ? [agent.success] : []))

/**
 * Does something with every agent, a few at a time, and prints what came of each as it comes; one failure does not
 * stop the others. Ends with 5 when some failed, and with the code of the first failure when all did.
 */
export const each = Effect.fnUntraced(function* <R>(
  targets: ReadonlyArray<Target>,
  json: boolean,
  act: (agent: Agent.Agent) => Effect.Effect<Done, Failure, R>
): Effect.fn.Return<void, Ended, R | Screen> {
  const { err, out } = yield* Screen

  const tellFailure = Effect.fnUntraced(function* (named: string, failure: Failure) {
    if (json) yield* line(out, JSON.stringify({ agent: named, ...toJson(failure) }))
    const [what = "", ...todo] = toLines(failure)
    const whose = targets.length === 1 ? what : `${named}: ${what}`
    yield* line(err, [red(err, whose), ...todo].join("\n"))
    return codeOf(failure)
  })

  const codes = yield* Effect.forEach(
    targets,
    ({ agent, named }) =>
      Effect.gen(function* () {
        const done = yield* Effect.result(Effect.flatMap(Effect.fromResult(agent), act))
        if (Result.isFailure(done)) return yield* tellFailure(named, done.failure)
        const { document, failed = false, text } = done.success
        yield* line(out, json ? JSON.stringify(document) : text)
        return failed ? exitCode.failed : 0
      }),
    { concurrency: atOnce }
  )
  const [first, ...others] = codes.filter((code) => code !== 0)
  if (first === undefined) return
  return yield* new Ended({ code: others.length + 1 < codes.length ? exitCode.partly : first })
})
