import {
  type Budget,
  Id,
  OrchestratorError,
  RemoteAgentConfig,
  Run,
  RunTransition,
  TokenUsage
} from "@remote-agent/domain"
import { Sandboxes } from "@remote-agent/sandbox"
import { Context, DateTime, Duration, Effect, Layer, Stream } from "effect"
import * as AgentLocks from "../agents/AgentLocks.ts"
import { Orchestrator } from "../Orchestrator.ts"
import { Profiles } from "../profiles/Profiles.ts"
import * as AgentStore from "../state/AgentStore.ts"
import { Leases } from "../state/Leases.ts"
import { inputResource, RunStore } from "../state/runs/RunStore.ts"
import { StateStore } from "../state/StateStore.ts"
import * as RunRecords from "./RunRecords.ts"
import * as RunSlot from "./RunSlot.ts"
import * as RunWorker from "./RunWorker.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * The options of a run.
 *
 * @category models
 * @since 0.2.0
 */
export interface RunSpec {
  /** The id; a new one when absent. */
  readonly id?: Id.RunId | undefined
  readonly name?: string | undefined
  /** The profile of its agents; `REMOTE_AGENT_PROFILE` when absent. */
  readonly profile?: string | undefined
  /** How many agents answer at the same time. */
  readonly size: number
  /** Runs with a greater priority get agents first; 0 when absent. */
  readonly priority?: number | undefined
  /** Which outcomes are tried again; none when absent. */
  readonly retry?: Run.RetryPolicy | undefined
  /** Stops the run after this many failed questions. */
  readonly stopAfter?: number | undefined
  /** What all queries of the run together may use. */
  readonly budget?: Budget.Budget | undefined
  /** The wall timeout of each query; that of the profile when absent. */
  readonly timeout?: Duration.Input | undefined
  readonly schedule?: Run.Run["schedule"]
}

/**
 * The name under which this process holds the slots of runs. A new one when absent. No other process may have it.
 *
 * @category references
 * @since 0.2.0
 */
export const WorkerName: Context.Reference<string | undefined> = Context.Reference<string | undefined>(
  "@remote-agent/orchestrator/Runs/WorkerName",
  { defaultValue: () => undefined }
)

/**
 * Durable runs.
 *
 * **Details**
 *
 * A run and its questions are in the store, so they survive every process. Any number of processes work for runs at the
 * same time; the leases of the store decide which process works for which agent. Each question gets one result. A
 * question that may have been started is followed or settled, and not started again.
 *
 * @category services
 * @since 0.2.0
 */
export class Runs extends Context.Service<
  Runs,
  RunRecords.RunRecords & {
    /** Records a run without questions. Fails with `UnknownProfile`. */
    readonly create: (spec: RunSpec) => Effect.Effect<Run.Run, Failure>
    /** Adds questions as they come, in batches. A question that was added is worked on at once. */
    readonly add: <E, R>(
      id: Id.RunId,
      questions: Stream.Stream<string, E, R>
    ) => Effect.Effect<Run.Run, Failure | E, R>
    /**
     * Records a run and adds its questions as they come. `onCreated` is called once the run exists, before its first
     * question is read. When this process dies meanwhile, the run continues with the questions that it has.
     */
    readonly start: <E, R>(
      spec: RunSpec,
      questions: Stream.Stream<string, E, R>,
      onCreated?: (run: Run.Run) => Effect.Effect<void>
    ) => Effect.Effect<Run.Run, Failure | E, R>
    /**
     * Works for runs in this process: launches agents and sends them questions. Interruption hands the work over, and
     * queries that run are left running.
     */
    readonly work: (options: RunWorker.WorkOptions) => Effect.Effect<void, Failure>
  }
>()("@remote-agent/orchestrator/Runs") {}

/** How many questions are added, or results read, at a time. */
const batch = 500

/**
 * Makes the service over the current services.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.gen(function* () {
  const [store, profiles, config] = yield* Effect.all([
    RunStore,
    Profiles,
    RemoteAgentConfig.RemoteAgentConfig
  ])
  const holder = (yield* WorkerName) ?? `worker/${yield* Id.nextToken}`
  const slots = yield* RunSlot.make(holder)

  const create = Effect.fn("Runs.create")(function* (spec: RunSpec) {
    const { budget, name, priority = 0, retry = Run.noRetries, schedule, size, stopAfter, timeout } = spec
    const profile = spec.profile ?? config.REMOTE_AGENT_PROFILE
    yield* profiles.get(profile)
    const run = new Run.Run({
      id: spec.id ?? (yield* Id.nextRunId),
      status: "running",
      profile,
      size: Math.max(1, Math.trunc(size)),
      priority,
      retry,
      sealed: false,
      usage: TokenUsage.zero,
      failedBefore: 0,
      launchFailures: 0,
      createdAt: yield* DateTime.now,
      ...(name === undefined ? {} : { name }),
      ...(stopAfter === undefined ? {} : { stopAfter }),
      ...(budget === undefined ? {} : { budget }),
      ...(timeout === undefined ? {} : { timeout: Duration.fromInputUnsafe(timeout) }),
      ...(schedule === undefined ? {} : { schedule })
    })
    yield* AgentStore.stored("createRun", store.create(run))
    return run
  })

  const get = (operation: string, id: Id.RunId) => AgentStore.stored(operation, store.get(id))

  const add = Effect.fn("Runs.add")(function* <E, R>(id: Id.RunId, questions: Stream.Stream<string, E, R>) {
    let { counts } = yield* get("addQuestions", id)
    yield* Stream.runForEach(
      // A slow input is not held back until a batch is full.
      Stream.groupedWithin(questions, batch, "200 millis"),
      Effect.fnUntraced(function* (texts) {
        const run = yield* AgentStore.stored("addQuestions", store.add(id, counts.total, texts))
        counts = run.counts
      })
    )
    return yield* get("addQuestions", id)
  })

  const change = (operation: string, id: Id.RunId, next: (at: DateTime.Utc) => (run: Run.Run) => Run.Run) =>
    Effect.flatMap(DateTime.now, (at) => AgentStore.stored(operation, store.change(id, next(at))))

  const leases = yield* Leases
  const { beat, ttl } = yield* AgentLocks.Policy

  /** Holds the lease on the input of a run, so that no worker takes it for abandoned. */
  const readsInput = Effect.fnUntraced(function* (id: Id.RunId) {
    const lease = yield* Effect.acquireRelease(leases.acquire(inputResource(id), { holder, ttl }), (held) =>
      Effect.ignore(leases.release(held))
    )
    yield* Effect.forkScoped(
      Effect.forever(Effect.andThen(Effect.sleep(beat), Effect.ignore(leases.renew(lease, ttl))))
    )
  })

  const start = Effect.fn("Runs.start")(function* <E, R>(
    spec: RunSpec,
    questions: Stream.Stream<string, E, R>,
    onCreated: (run: Run.Run) => Effect.Effect<void> = () => Effect.void
  ) {
    const id = spec.id ?? (yield* Id.nextRunId)
    // Before there is a run, so that no worker takes its input for abandoned.
    yield* AgentStore.stored("createRun", readsInput(id))
    yield* onCreated(yield* create({ ...spec, id }))
    yield* add(id, questions)
    return yield* change("sealRun", id, RunTransition.seal)
  }, Effect.scoped)

  return Runs.of({
    ...(yield* RunRecords.make),
    create,
    add,
    start,
    work: Effect.fn("Runs.work")((options) =>
      Effect.scoped(RunWorker.work({ slots, store, leases }, options))
    )
  })
})

/**
 * The service over the current orchestrator and its state.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  Runs,
  never,
  | Orchestrator
  | Sandboxes.Sandboxes
  | StateStore
  | RunStore
  | Leases
  | Profiles
  | RemoteAgentConfig.RemoteAgentConfig
> = Layer.effect(Runs, make)
