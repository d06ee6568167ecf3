import type { Id, Lease, Run, RunTransition, StateStoreError } from "@remote-agent/domain"
import { Context, type Effect, type Option } from "effect"

/**
 * A slot of a run: the place of one of its agents.
 *
 * @category models
 * @since 0.2.0
 */
export interface RunSlot {
  readonly slot: number
  readonly agentId: Option.Option<Id.AgentId>
  /** The question that is assigned to the slot or was started on its agent. */
  readonly question: Option.Option<Run.Question>
}

/**
 * Selects results of a run.
 *
 * @category models
 * @since 0.2.0
 */
export interface ResultRange {
  /**
   * The order of the results. In the order of the input, results end at the first question that has none, unless the
   * run is over.
   */
  readonly order: "input" | "completion"
  /** Continues after this index (`input`) or this `seq` (`completion`). */
  readonly after?: number | undefined
  readonly limit: number
}

/**
 * Selects runs.
 *
 * @category models
 * @since 0.2.0
 */
export interface RunFilter {
  readonly status?: ReadonlyArray<Run.RunStatus> | undefined
  readonly limit: number
  /** Continues behind this run: older runs follow. */
  readonly before?: Id.RunId | undefined
}

type Result<A> = Effect.Effect<A, StateStoreError.StateStoreError>

/**
 * The resource of the lease on a slot. Only its holder works for the slot.
 *
 * @category leases
 * @since 0.2.0
 */
export const slotResource = (id: Id.RunId, slot: number): string => `run/${id}/slot/${slot}`

/**
 * The resource of the lease on the input of a run, which the process holds that reads its questions.
 *
 * @category leases
 * @since 0.2.0
 */
export const inputResource = (id: Id.RunId): string => `run/${id}/input`

/**
 * Stores runs and their questions.
 *
 * **Details**
 *
 * Every change is one transaction, so the counts of a run always match its questions. Methods that take an id fail with
 * `NotFound` when there is no such run, and methods that take a fence fail with `Fenced`, and change nothing, when a
 * newer lease of the same resource was granted.
 *
 * @category services
 * @since 0.2.0
 */
export class RunStore extends Context.Service<
  RunStore,
  {
    /** Fails with `AlreadyExists` when the id is taken. */
    readonly create: (run: Run.Run) => Result<void>
    readonly get: (id: Id.RunId) => Result<Run.Run>
    /** Lists runs, newest first. */
    readonly list: (filter: RunFilter) => Result<ReadonlyArray<Run.Run>>
    /** Lists the runs that need work: those that are running, and those with an agent or a question in a slot. */
    readonly open: Result<ReadonlyArray<Run.Run>>
    /**
     * Adds questions behind the first `from` ones. Fails with `RevisionConflict` when the run has more or fewer, so that
     * a repeated call adds nothing, and when the run takes no more questions.
     */
    readonly add: (id: Id.RunId, from: number, texts: ReadonlyArray<string>) => Result<Run.Run>
    /** Changes the record of a run. `change` must not change its counts. */
    readonly change: (id: Id.RunId, change: (run: Run.Run) => Run.Run) => Result<Run.Run>
    /**
     * Assigns the first waiting question that may be started now to a slot. Returns none when there is none, or when
     * the run is not running. With an attempt the question is recorded as started.
     */
    readonly claim: (
      id: Id.RunId,
      slot: number,
      fence: Lease.Fence,
      attempt?: RunTransition.Attempt
    ) => Result<Option.Option<Run.Question>>
    /** Records the attempt of the question that is assigned to a slot. Returns none when the slot has none. */
    readonly start: (
      id: Id.RunId,
      slot: number,
      fence: Lease.Fence,
      attempt: RunTransition.Attempt
    ) => Result<Option.Option<Run.Question>>
    /** Records how the attempt in a slot ended. Returns none, and changes nothing, when the slot has no question. */
    readonly finish: (
      id: Id.RunId,
      slot: number,
      fence: Lease.Fence,
      end: RunTransition.AttemptEnd
    ) => Result<Option.Option<RunTransition.Changed>>
    readonly slot: (id: Id.RunId, slot: number) => Result<RunSlot>
    /** Lists the slots that have an agent or a question. */
    readonly slots: (id: Id.RunId) => Result<ReadonlyArray<number>>
    /** Records the agent of a slot, or that it has none. */
    readonly setAgent: (
      id: Id.RunId,
      slot: number,
      fence: Lease.Fence,
      agentId: Option.Option<Id.AgentId>
    ) => Result<void>
    readonly results: (id: Id.RunId, range: ResultRange) => Result<ReadonlyArray<Run.Question>>
    /** Reads the questions from an index on, in any state. */
    readonly questions: (id: Id.RunId, from: number, limit: number) => Result<ReadonlyArray<Run.Question>>
    /** Removes a run with its questions. Succeeds when there is none. */
    readonly remove: (id: Id.RunId) => Result<void>
  }
>()("@remote-agent/orchestrator/RunStore") {}
