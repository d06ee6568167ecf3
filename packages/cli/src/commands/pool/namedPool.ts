import type { Agent, Id, PoolRecord } from "@remote-agent/domain"
import { type AgentPool, StateStore } from "@remote-agent/orchestrator"
import { Effect, Stream } from "effect"
import { exitCode } from "../../ui/ExitCode.ts"
import { Ended, type Failure, NotFound } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"

/** The pool of a name. Fails with `NotFound` when there is none. */
export const get = Effect.fnUntraced(function* (
  name: Id.PoolName
): Effect.fn.Return<PoolRecord.PoolRecord, Failure, StateStore.StateStore> {
  const { getPool } = yield* StateStore.StateStore
  return yield* Effect.catchReason(getPool(name), "StateStoreError", "NotFound", () =>
    Effect.fail(
      new NotFound({ message: `There is no pool ${name}. List pools with \`remote-agent pool list\`.` })
    )
  )
})

/** The agents of a pool that are not terminated. */
export const members = Effect.fnUntraced(function* (
  pool: string
): Effect.fn.Return<ReadonlyArray<Agent.Agent>, Failure, StateStore.StateStore> {
  const { listAgents } = yield* StateStore.StateStore
  return yield* Stream.runCollect(listAgents({ pool, status: ["active", "paused"] }))
})

/** Prints the launches of a pool as they end. */
export const launchPrinter = Effect.map(Screen, ({ note }) => (event: AgentPool.PoolEvent) => {
  switch (event._tag) {
    case "Ready":
      return line(note, `agent ${event.slot + 1}: ready (${event.agent.id})`)
    case "LaunchFailed":
      return line(note, `agent ${event.slot + 1}: ${event.error.message}`)
    default:
      return Effect.void
  }
})

/** Prints the agents of a pool. Ends with exit code 5 when there are failures. */
export const print = Effect.fnUntraced(function* (
  name: string,
  agents: ReadonlyArray<Agent.Agent>,
  failures: ReadonlyArray<string>,
  json: boolean
): Effect.fn.Return<void, Ended, Screen> {
  const { out } = yield* Screen
  const ids = agents.map(({ id }) => id)
  yield* line(
    out,
    json
      ? jsonText({ name, agents: ids, failures })
      : `The pool ${name} has ${ids.length} agent${ids.length === 1 ? "" : "s"}.`
  )
  if (failures.length > 0) return yield* new Ended({ code: exitCode.partly })
})
