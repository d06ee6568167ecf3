import type { Agent } from "@remote-agent/domain"
import {
  type AgentLifecycle,
  type AgentLocks,
  Orchestrator,
  type StateStore
} from "@remote-agent/orchestrator"
import { Effect, type Terminal } from "effect"
import * as App from "../../app/App.ts"
import * as Confirm from "../../ui/Confirm.ts"
import * as Documents from "../../ui/json.ts"
import { type Failure, type Run, Usage } from "../../ui/Failure.ts"
import * as Provider from "../../app/agentProvider.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import * as Targets from "../../app/Targets.ts"

/** The flags of commands that may find an agent answering. */
export interface BusyFlags extends Targets.TargetFlags {
  readonly yes: boolean
  readonly wait: boolean
  readonly cancel: boolean
}

type Act = (
  orchestrator: Orchestrator.Orchestrator["Service"],
  agent: Agent.Agent
) => Effect.Effect<Targets.Done, Failure>

/** Does something with the agents that are meant, after a question where it cannot be undone. */
const perform = Effect.fnUntraced(function* (
  flags: Targets.TargetFlags,
  filter: StateStore.AgentFilter,
  options: { readonly question?: ((agents: number) => string) | undefined; readonly yes?: boolean },
  act: Act
): Run<Terminal.Terminal> {
  const { note } = yield* Screen
  const targets = yield* Targets.find(flags, filter)
  const agents = Targets.agentsOf(targets)
  if (targets.length === 0) return yield* line(note, "There is no such agent.")
  if (options.question !== undefined && (flags.all || agents.length > 1)) {
    yield* Confirm.confirm(options.question(agents.length), options.yes ?? false)
  }
  // Where nobody was found there is nothing to do but to say so.
  if (agents.length === 0) {
    return yield* Targets.each(targets, flags.json, () => Effect.succeed({ text: "", document: {} }))
  }
  const work = Effect.flatMap(Orchestrator.Orchestrator, (orchestrator) =>
    Targets.each(targets, flags.json, (agent) => act(orchestrator, agent))
  )
  yield* Effect.provide(work, App.durable(yield* Provider.where(flags, agents)))
})

const some = (agents: number) => (agents === 1 ? "1 agent" : `${agents} agents`)

const told = (agent: Agent.Agent): Effect.Effect<Targets.Done> =>
  Effect.map(Documents.ofAgent(agent), (document) => ({
    text: `${agent.name} (${agent.id}) is ${agent.status}.`,
    document
  }))

const whenRunning = ({ cancel, wait }: BusyFlags): Effect.Effect<AgentLocks.WhenRunning, Usage> =>
  cancel && wait
    ? Effect.fail(
        new Usage({
          message: "--wait and --cancel are two ways to treat a query that runs. Say one of them."
        })
      )
    : Effect.succeed(cancel ? "cancel" : wait ? "wait" : "refuse")

/** Puts agents to sleep. */
export const pause = Effect.fn("pause")(function* (flags: BusyFlags): Run<Terminal.Terminal> {
  const options = { whenRunning: yield* whenRunning(flags) }
  const question = flags.cancel
    ? (agents: number) => `Pause ${some(agents)} and stop what they answer?`
    : undefined
  yield* perform(flags, { status: "active" }, { question, yes: flags.yes }, (orchestrator, { id }) =>
    Effect.flatMap(orchestrator.pause(id, options), told)
  )
})

/** Wakes agents. */
export const resume = Effect.fn("resume")(function* (flags: Targets.TargetFlags): Run<Terminal.Terminal> {
  yield* perform(flags, { status: "paused" }, {}, (orchestrator, { id }) =>
    Effect.flatMap(orchestrator.resume(id), told)
  )
})

const ending = (agents: number) => `Terminate ${some(agents)}, with all files in their sandboxes?`

/** Ends agents and their sandboxes. */
export const terminate = Effect.fn("terminate")(function* (
  flags: Targets.TargetFlags & { readonly yes: boolean }
): Run<Terminal.Terminal> {
  const filter = { status: ["launching", "active", "paused", "failed", "lost"] as const }
  yield* perform(flags, filter, { question: ending, yes: flags.yes }, (orchestrator, { id }) =>
    Effect.flatMap(orchestrator.terminate(id), told)
  )
})

/** Brings the programs of agents to what their profiles say now. */
export const update = Effect.fn("update")(function* (flags: BusyFlags): Run<Terminal.Terminal> {
  const options = { whenRunning: yield* whenRunning(flags) }
  const question = flags.cancel
    ? (agents: number) => `Update ${some(agents)} and stop what they answer?`
    : undefined
  yield* perform(flags, { status: "active" }, { question, yes: flags.yes }, (orchestrator, { id, name }) =>
    Effect.map(orchestrator.update(id, options), ({ from, to }) => ({
      text: `${name} (${id}) ${from === to ? `is up to date${to === undefined ? "" : ` at ${to}`}.` : `is at ${to ?? "?"} now, from ${from ?? "?"}.`}`,
      document: { agentId: id, from: from ?? null, to: to ?? null }
    }))
  )
})

const healthText = ({ id, name }: Agent.Agent, { checks, healthy }: AgentLifecycle.Health): string =>
  [
    `${name} (${id}) is ${healthy ? "well" : "not well"}.`,
    ...Table.render(checks.map((check) => [`  ${check.name}`, check.status, check.detail]))
  ].join("\n")

/** Looks at agents from all sides. Ends with 1 when they are not well, and with 5 when only some are not. */
export const health = Effect.fn("health")(function* (flags: Targets.TargetFlags): Run<Terminal.Terminal> {
  yield* perform(flags, { status: ["active", "paused"] }, {}, (orchestrator, agent) =>
    Effect.map(orchestrator.health(agent.id), (report) => ({
      text: healthText(agent, report),
      document: report,
      failed: !report.healthy
    }))
  )
})
