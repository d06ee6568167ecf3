import { Id } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect, type Terminal } from "effect"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { confirm } from "../../ui/Confirm.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { durable, pool, yes } from "../shared/flags.ts"
import * as NamedPool from "./namedPool.ts"

/** `pool terminate`. */
export const terminate = command({
  name: "pool terminate",
  alias: "rm",
  description: "Terminate a pool with all its agents, and delete their files",
  flags: { pool, yes, ...durable },
  examples: [{ command: "remote-agent pool terminate research --yes", description: "Without confirmation" }],
  run: Effect.fn("pool terminate")(
    function* (flags): Run<State.Records | Terminal.Terminal> {
      const { out } = yield* Screen
      const { name } = yield* NamedPool.get(Id.PoolName.make(flags.pool))
      const agents = yield* NamedPool.members(name)
      const count = agents.length
      yield* confirm(`Terminate the pool ${name} with ${count} agents, and delete their files?`, flags.yes)
      yield* Effect.flatMap(Orchestrator.Orchestrator, ({ pools }) => pools.close(name)).pipe(
        Effect.provide(AgentLookup.services(flags, agents))
      )
      yield* line(
        out,
        flags.json
          ? jsonText({ name, terminated: count })
          : `The pool ${name} and its ${count} agents are terminated.`
      )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
