import type { Agent } from "@remote-agent/domain"
import { Orchestrator, type AgentLocks, StateStore } from "@remote-agent/orchestrator"
import { Effect, Result, Stream, type Terminal } from "effect"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Environment, Run } from "../../app/Environment.ts"
import type { AppFlags } from "../../app/Settings.ts"
import * as State from "../../app/State.ts"
import { confirm } from "../../ui/Confirm.ts"
import * as ExitCode from "../../ui/ExitCode.ts"
import { Ended, type Failure, Usage } from "../../ui/Failure.ts"
import { toJson, toLines } from "../../ui/failureText.ts"
import * as Json from "../../ui/json.ts"
import { line, red, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"

/** The flags of a command on several agents. */
export interface BulkFlags extends AppFlags {
  readonly agents: ReadonlyArray<string>
  readonly all: boolean
  readonly json: boolean
}

/** The result for one agent. */
export interface Done {
  /** For people. */
  readonly text: string
  /** For programs. */
  readonly document: unknown
  /** Whether the exit code reports a failure. */
  readonly failed?: boolean | undefined
}

/** What a command does with several agents. */
export interface Bulk {
  /** The agents that `--all` means. */
  readonly all: StateStore.AgentFilter
  /** The confirmation for more than one agent. Absent for what can be undone. */
  readonly question?: ((agents: number) => string) | undefined
  readonly yes?: boolean | undefined
  readonly act: (
    orchestrator: Orchestrator.Orchestrator["Service"],
    agent: Agent.Agent
  ) => Effect.Effect<Done, Failure>
}

const concurrency = 8

const reportOne = Effect.fnUntraced(function* (
  named: string,
  failure: Failure,
  json: boolean,
  only: boolean
) {
  const { err, out } = yield* Screen
  if (json) yield* line(out, jsonText({ agent: named, ...toJson(failure) }))
  const [what = "", ...todo] = toLines(failure)
  yield* line(err, [red(err, only ? what : `${named}: ${what}`), ...todo].join("\n"))
  return ExitCode.of(failure)
})

const listed = (filter: StateStore.AgentFilter, provider: string | undefined) =>
  Effect.flatMap(StateStore.StateStore, ({ listAgents }) =>
    Stream.runCollect(
      Stream.filter(
        listAgents(filter),
        ({ binding }) => provider === undefined || (binding?.provider ?? provider) === provider
      )
    )
  )

/** The named agents, each once. Reports every name that does not resolve, and then ends. */
const named = Effect.fnUntraced(function* (names: ReadonlyArray<string>, json: boolean) {
  const all = yield* Effect.forEach(new Set(names), (name) =>
    Effect.map(Effect.result(AgentLookup.one(name)), (found) => ({ name, found }))
  )
  const codes: Array<number> = []
  const agents = new Map<string, Agent.Agent>()
  for (const { found, name } of all) {
    if (Result.isSuccess(found)) agents.set(found.success.id, found.success)
    else codes.push(yield* reportOne(name, found.failure, json, all.length === 1))
  }
  const [code] = codes
  if (code === undefined) return [...agents.values()]
  if (all.length > 1) {
    const { err } = yield* Screen
    yield* line(err, "Nothing was done.")
  }
  return yield* new Ended({ code })
})

const resolved = Effect.fnUntraced(function* (
  { agents, all, json, provider }: BulkFlags,
  filter: StateStore.AgentFilter
): Effect.fn.Return<ReadonlyArray<Agent.Agent>, Failure | Ended, StateStore.StateStore | Screen> {
  if (all === agents.length > 0) {
    return yield* new Usage({
      message: all
        ? "Agents are named together with --all. Give one or the other."
        : "No agent is named. Name agents, or give --all."
    })
  }
  return yield* all ? listed(filter, provider) : named(agents, json)
})

/**
 * Does something with several agents and prints each result as it comes.
 *
 * **Details**
 *
 * All names are resolved before any agent is touched. One failure does not stop the others. The exit code is 5 when
 * some fail, and that of the first failure when all do.
 */
export const each = Effect.fnUntraced(
  function* (
    flags: BulkFlags,
    { act, all, question, yes = false }: Bulk
  ): Run<State.Records | Terminal.Terminal> {
    const { note, out } = yield* Screen
    const agents = yield* resolved(flags, all)
    if (agents.length === 0) return yield* line(note, "There is no such agent.")
    if (question !== undefined && (flags.all || agents.length > 1))
      yield* confirm(question(agents.length), yes)
    const codes = yield* Effect.flatMap(Orchestrator.Orchestrator, (orchestrator) =>
      Effect.forEach(
        agents,
        Effect.fnUntraced(function* (agent) {
          const done = yield* Effect.result(act(orchestrator, agent))
          if (Result.isFailure(done)) {
            return yield* reportOne(agent.name, done.failure, flags.json, agents.length === 1)
          }
          const { document, failed = false, text } = done.success
          yield* line(out, flags.json ? jsonText(document) : text)
          return failed ? ExitCode.exitCode.failed : 0
        }),
        { concurrency }
      )
    ).pipe(Effect.provide(AgentLookup.services(flags, agents)))
    const failures = codes.filter((code) => code !== 0)
    const [first] = failures
    if (first === undefined) return
    return yield* new Ended({ code: failures.length < codes.length ? ExitCode.exitCode.partly : first })
  },
  (effect, flags): Effect.Effect<void, Failure | Ended, Environment | Terminal.Terminal> =>
    Effect.provide(effect, State.layer(flags))
)

/** A number of agents in words. */
export const some = (agents: number): string => (agents === 1 ? "1 agent" : `${agents} agents`)

/** The confirmation for cancelling queries. */
export const cancelling = (verb: string, { cancel }: { readonly cancel: boolean }) =>
  cancel ? (agents: number) => `${verb} ${some(agents)} and cancel their running queries?` : undefined

/** The new status of an agent. */
export const statusOf = (agent: Agent.Agent): Effect.Effect<Done> =>
  Effect.map(Json.ofAgent(agent), (document) => ({
    text: `${agent.name} (${agent.id}) is ${agent.status}.`,
    document
  }))

/** What `--wait` and `--cancel` say about a running query. Fails with `Usage` when both are given. */
export const whenRunning = ({
  cancel,
  wait
}: {
  readonly cancel: boolean
  readonly wait: boolean
}): Effect.Effect<AgentLocks.WhenRunning, Usage> =>
  cancel && wait
    ? Effect.fail(new Usage({ message: "--wait and --cancel exclude each other. Give one of them." }))
    : Effect.succeed(cancel ? "cancel" : wait ? "wait" : "refuse")
