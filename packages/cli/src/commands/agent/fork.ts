import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import * as App from "../../app/App.ts"
import * as Documents from "../../ui/json.ts"
import type { Run } from "../../ui/Failure.ts"
import * as Labels from "./Labels.ts"
import { nameOf } from "./launch.ts"
import * as Provider from "../../app/agentProvider.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as Stages from "../../ui/launchStages.ts"

/** The flags of `fork`. */
export interface ForkFlags extends App.AppFlags {
  readonly agent: string
  readonly name?: string | undefined
  readonly label: ReadonlyArray<string>
  readonly env: ReadonlyArray<string>
  readonly json: boolean
}

/** Launches an agent that goes on with the conversations of another, and prints its id on stdout. */
export const run = Effect.fn("fork")(function* (flags: ForkFlags): Run {
  const { note, out } = yield* Screen
  const name = flags.name === undefined ? undefined : yield* nameOf(flags.name)
  const [labels, env] = [yield* Labels.pairs(flags.label), yield* App.environment(flags.env)]
  const [first, there] = yield* Provider.find(flags, flags.agent)
  const fork = Effect.gen(function* () {
    const orchestrator = yield* Orchestrator.Orchestrator
    const onStage = flags.json ? undefined : yield* Stages.make(note)
    return yield* orchestrator.fork(first.id, { name, labels: { ...first.labels, ...labels }, env, onStage })
  })
  const agent = yield* Effect.provide(Effect.scoped(fork), App.durable(there))
  yield* line(out, flags.json ? JSON.stringify(yield* Documents.ofAgent(agent)) : agent.id)
  if (flags.json) return
  yield* line(
    note,
    `${agent.name} is ${agent.status}, with the conversations of ${first.name}.\n  remote-agent query ${agent.name} "..."`
  )
})
