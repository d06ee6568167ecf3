import { Agent } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Duration, Effect, Option, Schema } from "effect"
import * as App from "../../app/App.ts"
import * as Budgets from "../shared/budgets.ts"
import * as Documents from "../../ui/json.ts"
import { type Run, Usage } from "../../ui/Failure.ts"
import * as Labels from "./Labels.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as Stages from "../../ui/launchStages.ts"

/** The flags of `launch`. */
export interface LaunchFlags extends App.AppFlags, Budgets.BudgetFlags {
  readonly name?: string | undefined
  readonly ephemeral: boolean
  /** In seconds. */
  readonly ttl?: number | undefined
  readonly label: ReadonlyArray<string>
  readonly env: ReadonlyArray<string>
  readonly repository?: string | undefined
  readonly ref?: string | undefined
  readonly json: boolean
}

const decodeName = Schema.decodeUnknownOption(Agent.AgentName)
const decodeRepository = Schema.decodeUnknownOption(Agent.Repository)

/** The name of an agent. Fails with `Usage` for what is none. */
export const nameOf = (text: string): Effect.Effect<Agent.AgentName, Usage> =>
  Option.match(decodeName(text), {
    onSome: Effect.succeed,
    onNone: () =>
      new Usage({
        message: `${JSON.stringify(text)} is no name of an agent. Names are at most 64 letters, digits, ".", "_" and "-".`
      })
  })

const repositoryOf = Effect.fnUntraced(function* ({
  ref,
  repository: url
}: LaunchFlags): Effect.fn.Return<Agent.Repository | undefined, Usage> {
  if (url === undefined && ref === undefined) return undefined
  if (url === undefined) {
    return yield* new Usage({ message: "--ref says what of a repository. Say which one with --repository." })
  }
  const decoded = decodeRepository({ url, ...(ref === undefined ? {} : { ref }) })
  if (Option.isSome(decoded)) return decoded.value
  return yield* new Usage({
    message:
      "The address of --repository holds a password or a token. Leave it out: GITHUB_TOKEN is used where it is needed."
  })
})

/** Launches an agent that outlives the command, and prints its id on stdout. */
export const run = Effect.fn("launch")(function* (flags: LaunchFlags): Run {
  const { note, out } = yield* Screen
  const spec = {
    name: flags.name === undefined ? undefined : yield* nameOf(flags.name),
    labels: yield* Labels.pairs(flags.label),
    env: yield* App.environment(flags.env),
    repository: yield* repositoryOf(flags),
    budget: Budgets.of(flags),
    ttl: flags.ttl === undefined ? undefined : Duration.seconds(flags.ttl),
    persistent: flags.ephemeral ? false : undefined
  }
  const launch = Effect.gen(function* () {
    const { launch: launchOne } = yield* Orchestrator.Orchestrator
    const onStage = flags.json ? undefined : yield* Stages.make(note)
    return yield* launchOne({ ...spec, onStage })
  })
  const agent = yield* Effect.provide(Effect.scoped(launch), App.durable(flags))
  yield* line(out, flags.json ? JSON.stringify(yield* Documents.ofAgent(agent)) : agent.id)
  if (flags.json) return
  yield* line(note, `${agent.name} is ${agent.status}.\n  remote-agent query ${agent.name} "..."`)
})
