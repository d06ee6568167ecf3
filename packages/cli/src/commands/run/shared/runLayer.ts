import { AgentLocks, Runs } from "@remote-agent/orchestrator"
import { Duration, Layer } from "effect"
import * as App from "../../../app/App.ts"
import type * as Settings from "../../../app/Settings.ts"

/**
 * The leases of processes that work for runs. They are short, so that the work of a process that died is taken over soon.
 */
const policy = Layer.succeed(AgentLocks.Policy, {
  ttl: Duration.seconds(6),
  beat: Duration.millis(1500)
})

/** Runs over the agents of a command. Use inside of `State.layer`. */
export const layer = (flags: Settings.AppFlags) =>
  Layer.provideMerge(Runs.layer, App.agents(flags)).pipe(Layer.provide(policy))
