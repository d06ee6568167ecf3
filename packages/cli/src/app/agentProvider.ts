import type { Agent } from "@remote-agent/domain"
import { Effect } from "effect"
import type { AppFlags } from "./App.ts"
import { type Environment, type Failure, Usage } from "../ui/Failure.ts"
import * as Named from "./Named.ts"
import * as State from "./State.ts"

/**
 * The flags with the provider where the agents live: a sandbox is looked for nowhere else, where it would only be
 * found to be gone. Fails with `Usage` when another provider was named, and when they live at several.
 */
export const where = Effect.fnUntraced(function* <F extends AppFlags>(
  flags: F,
  agents: ReadonlyArray<Agent.Agent>
): Effect.fn.Return<F, Usage> {
  const providers = new Set(
    agents.flatMap(({ binding }) => (binding === undefined ? [] : [binding.provider]))
  )
  const [provider, ...others] = providers
  if (provider === undefined) return flags
  if (others.length > 0) {
    return yield* new Usage({
      message: `These agents live at ${[...providers].join(" and ")}. Name those of one provider at a time, or say --provider with --all.`
    })
  }
  if (flags.provider !== undefined && flags.provider !== provider) {
    return yield* new Usage({
      message: `Not at ${flags.provider}, but at ${provider} is where ${agents.length === 1 ? "this agent lives" : "these agents live"}. Leave --provider out.`
    })
  }
  return { ...flags, provider }
})

/** The agent that somebody means, from the records alone, and the flags with the provider where it lives. */
export const find = Effect.fnUntraced(function* <F extends AppFlags>(
  flags: F,
  name: string
): Effect.fn.Return<readonly [Agent.Agent, F], Failure, Environment> {
  const agent = yield* Effect.provide(Named.agent(name), State.layer(flags))
  return [agent, yield* where(flags, [agent])]
})
