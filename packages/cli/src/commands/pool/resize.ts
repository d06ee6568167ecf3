import { Id } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import { Argument } from "effect/cli"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { command } from "../shared/command.ts"
import { durable, pool, PoolSize } from "../shared/flags.ts"
import * as NamedPool from "./namedPool.ts"

/** `pool resize`. */
export const resize = command({
  name: "pool resize",
  description: "Change the size of a pool. An agent that is answering a query is not terminated",
  flags: {
    pool,
    size: Argument.Int("size").pipe(
      Argument.withSchema(PoolSize),
      Argument.withDescription("The new number of agents")
    ),
    ...durable
  },
  examples: [{ command: "remote-agent pool resize research 8", description: "Eight agents" }],
  run: Effect.fn("pool resize")(
    function* ({ json, size, ...flags }): Run<State.Records> {
      const { name } = yield* NamedPool.get(Id.PoolName.make(flags.pool))
      const known = yield* NamedPool.members(name)
      yield* Effect.gen(function* () {
        const { pools } = yield* Orchestrator.Orchestrator
        const onEvent = yield* NamedPool.launchPrinter
        const { agents, busy, failures } = yield* pools.resize(name, size, { onEvent })
        const kept = busy.map(
          (id) => `agent ${id} is answering a query and was kept; resize again afterwards`
        )
        yield* NamedPool.print(name, agents, [...failures.map(({ message }) => message), ...kept], json)
      }).pipe(Effect.provide(AgentLookup.services(flags, known)))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
