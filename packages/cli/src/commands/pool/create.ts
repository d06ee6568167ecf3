import { Id } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect, Option } from "effect"
import { Argument } from "effect/cli"
import * as App from "../../app/App.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { Usage } from "../../ui/Failure.ts"
import * as Budget from "../shared/budget.ts"
import { command } from "../shared/command.ts"
import { app, budget, PoolName, poolSize } from "../shared/flags.ts"
import * as SandboxEnv from "../shared/sandboxEnv.ts"
import * as NamedPool from "./namedPool.ts"

/** `pool create`. */
export const create = command({
  name: "pool create",
  description: "Launch a named pool of agents that outlives this command",
  flags: {
    name: Argument.String("name").pipe(
      Argument.withSchema(PoolName),
      Argument.withDescription("The name of the new pool")
    ),
    size: poolSize,
    ...budget("all queries of the pool"),
    ...app
  },
  examples: [{ command: "remote-agent pool create research --size 5", description: "Five agents" }],
  run: Effect.fn("pool create")(
    function* (flags): Run<State.Records> {
      const { json, profile, size = 3 } = flags
      const name = Id.PoolName.make(flags.name)
      const env = yield* SandboxEnv.parse(flags.env)
      if (Option.isSome(yield* Effect.option(NamedPool.get(name)))) {
        return yield* new Usage({
          message: `The pool ${name} already exists. Resize it, or choose another name.`
        })
      }
      yield* Effect.gen(function* () {
        const { pools } = yield* Orchestrator.Orchestrator
        const onEvent = yield* NamedPool.launchPrinter
        const pool = yield* pools.open({ name, size, env, poolBudget: Budget.of(flags), profile, onEvent })
        const { agents, failures } = yield* pool.settled
        yield* NamedPool.print(
          name,
          agents,
          failures.map(({ message }) => message),
          json
        )
      }).pipe(Effect.scoped, Effect.provide(App.agents(flags)))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
