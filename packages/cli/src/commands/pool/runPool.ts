import type { OrchestratorError } from "@remote-agent/domain"
import { type AgentPool, Orchestrator } from "@remote-agent/orchestrator"
import { Effect, type Scope, Stream } from "effect"
import type { ProgressDisplay } from "../../ui/ProgressDisplay.ts"

/** How questions are run on a pool. */
export type RunOptions = AgentPool.PoolQueryOptions &
  Pick<AgentPool.PoolSpec, "size" | "env" | "name" | "poolBudget" | "profile">

/** Runs questions on a pool, shows the progress, and returns all results. */
export const runPool = Effect.fnUntraced(function* (
  questions: ReadonlyArray<string>,
  options: RunOptions,
  display: ProgressDisplay,
  onResult: (result: AgentPool.PoolResult) => Effect.Effect<void>
): Effect.fn.Return<
  ReadonlyArray<AgentPool.PoolResult>,
  OrchestratorError.OrchestratorError,
  Orchestrator.Orchestrator | Scope.Scope
> {
  const { pools } = yield* Orchestrator.Orchestrator
  const { env, name, poolBudget, profile, size } = options
  const pool = yield* pools.open({ size, env, name, profile, onEvent: display.onEvent, poolBudget })
  return yield* Stream.runCollect(Stream.tap(pool.query(questions, options), onResult))
}, Effect.scoped)
