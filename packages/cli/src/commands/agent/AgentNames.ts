import { Agent } from "@remote-agent/domain"
import { AgentLifecycle, StateStore } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type * as App from "../../app/App.ts"
import * as Documents from "../../ui/json.ts"
import { type Run, Usage } from "../../ui/Failure.ts"
import * as Labels from "./Labels.ts"
import { nameOf } from "./launch.ts"
import * as Named from "../../app/Named.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as State from "../../app/State.ts"

/** The flags of `rename`. */
export interface RenameFlags extends App.AppFlags {
  readonly agent: string
  readonly name: string
  readonly json: boolean
}

/** The flags of `label`. */
export interface LabelFlags extends App.AppFlags {
  readonly agent: string
  /** `key=value` or `key-`. */
  readonly labels: ReadonlyArray<string>
  readonly json: boolean
}

/** Changes the record of an agent; no sandbox is needed for that. */
const change = Effect.fnUntraced(function* (named: string, next: (agent: Agent.Agent) => Agent.Agent) {
  const { getAgent, updateAgent } = yield* StateStore.StateStore
  const { id } = yield* Named.agent(named)
  return yield* Effect.flatMap(getAgent(id), (agent) => updateAgent(next(agent))).pipe(
    Effect.retry({ times: 10, while: (error) => error.isRetryable })
  )
})

/** Gives an agent another name. */
export const rename = Effect.fn("rename")(function* (flags: RenameFlags): Run {
  const { out } = yield* Screen
  const name = yield* nameOf(flags.name)
  const agent = yield* Effect.provide(
    change(flags.agent, (was) => new Agent.Agent({ ...was, name })),
    State.layer(flags)
  )
  yield* line(
    out,
    flags.json ? JSON.stringify(yield* Documents.ofAgent(agent)) : `${agent.id} is ${agent.name} now.`
  )
})

/** Sets labels of an agent and takes some away; the others stay. */
export const label = Effect.fn("label")(function* (flags: LabelFlags): Run {
  const { out } = yield* Screen
  const labels = yield* Labels.parse(flags.labels)
  if (flags.labels.length === 0) {
    return yield* new Usage({
      message: "No label is given. Write key=value to set one, and key- to take one away."
    })
  }
  const agent = yield* Effect.provide(
    change(flags.agent, (was) => AgentLifecycle.relabelled(was, labels)),
    State.layer(flags)
  )
  const now = Labels.toText(agent.labels)
  yield* line(
    out,
    flags.json
      ? JSON.stringify(yield* Documents.ofAgent(agent))
      : `${agent.name} (${agent.id}) ${now === "" ? "has no labels" : `is labelled ${now}`}`
  )
})
