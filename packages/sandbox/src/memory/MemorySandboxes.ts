import { Id, SandboxError } from "@remote-agent/domain"
import { Context, type Duration, Effect, Layer, Ref, Stream } from "effect"
import * as KeepAlive from "../KeepAlive.ts"
import type { Command, SandboxInfo, SandboxSpec } from "../Sandbox.ts"
import { type Filter, Sandboxes } from "../Sandboxes.ts"
import * as FaultSchedule from "./faults.ts"
import * as Box from "./internal/box.ts"
import * as Commands from "./internal/commands.ts"
import * as Files from "./internal/files.ts"
import * as Handle from "./internal/handle.ts"
import { home, type Machine, type Program } from "./Program.ts"

export type { Call, Faults } from "./faults.ts"
export { answer, home, type Machine, type Program } from "./Program.ts"

/**
 * How the provider behaves.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends FaultSchedule.Faults {
  /** Returns the program of a command. A command without a program has the exit code 127. */
  readonly run?: ((command: Command, machine: Machine) => Program | undefined) | undefined
}

/**
 * The sandboxes that the provider holds and the calls that were made, for the assertions of tests.
 *
 * @category services
 * @since 0.1.0
 */
export class Ledger extends Context.Service<
  Ledger,
  {
    /** The sandboxes that exist, running or paused. */
    readonly alive: Effect.Effect<ReadonlyArray<SandboxInfo>>
    /** The number of running commands. */
    readonly commands: Effect.Effect<number>
    /** The largest number of sandboxes that ever existed at the same time. */
    readonly peak: Effect.Effect<number>
    readonly calls: Effect.Effect<ReadonlyArray<FaultSchedule.Call>>
    /** The templates of the snapshots that exist. */
    readonly snapshots: Effect.Effect<ReadonlyArray<string>>
  }
>()("@remote-agent/sandbox/MemorySandboxes/Ledger") {}

const snapshotPrefix = "mem-snapshot-"

const matches = (filter: Filter) => (info: SandboxInfo) =>
  (filter.state === undefined || filter.state === info.state) &&
  Object.entries(filter.metadata ?? {}).every(([key, value]) => info.metadata[key] === value)

/** Everything that one provider holds. */
interface Held {
  readonly boxes: Box.Boxes
  readonly snapshots: Map<string, Files.Contents>
  readonly faults: FaultSchedule.FaultSchedule
  readonly commands: Effect.Success<ReturnType<typeof Commands.make>>
  readonly peak: Ref.Ref<number>
}

/** Finds a sandbox, as an operation on it. */
const find = Effect.fnUntraced(function* (
  { boxes, faults }: Held,
  operation: SandboxError.Operation,
  sandboxId: Id.SandboxId
) {
  const call = yield* faults.called(operation, sandboxId)
  return boxes.get(sandboxId) ?? (yield* FaultSchedule.failure(call, new SandboxError.Gone({})))
})

const findRunning =
  (held: Held): Commands.FindRunning =>
  (operation, sandboxId) =>
    Effect.filterOrFail(
      find(held, operation, sandboxId),
      ({ state }) => state === "running",
      () => FaultSchedule.failure({ operation, sandboxId }, new SandboxError.Paused({}))
    )

const launch = Effect.fnUntraced(function* (held: Held, spec: SandboxSpec) {
  const { boxes, commands, faults, peak, snapshots } = held
  const call = yield* faults.called("create")
  const seed = snapshots.get(spec.template ?? "")
  if (seed === undefined && spec.template?.startsWith(snapshotPrefix) === true) {
    return yield* FaultSchedule.failure(
      call,
      new SandboxError.InvalidRequest({ detail: "there is no such snapshot" })
    )
  }
  const box = yield* Box.make({
    id: Id.SandboxId.make(`mem-${yield* Id.nextToken}`),
    attemptId: spec.attemptId ?? (yield* Id.nextAttemptId),
    spec,
    contents: Files.copy(seed ?? Files.empty(home)),
    jobsOf: commands.jobsOf
  })
  boxes.set(box.id, box)
  yield* Ref.update(peak, (most) => Math.max(most, boxes.size))
  yield* Box.setTtl(boxes, box, spec.ttl)
  return box.id
})

const serviceOf = (held: Held) => {
  const { boxes, commands, faults, snapshots } = held
  const running = findRunning(held)
  const handle = (id: Id.SandboxId) => Handle.make(running, commands.spawn, id)

  const launchService = Effect.fn("Sandboxes.launch")(
    (spec: SandboxSpec) => Effect.map(launch(held, spec), handle),
    Effect.uninterruptible
  )

  const terminate = Effect.fn("Sandboxes.terminate")(function* (id: Id.SandboxId) {
    yield* faults.called("terminate", id)
    const box = boxes.get(id)
    if (box !== undefined) yield* Box.end(boxes, box, new SandboxError.Gone({}))
  })

  const extend = Effect.fn("Sandboxes.extend")((id: Id.SandboxId, ttl: Duration.Input) =>
    Effect.flatMap(running("extend", id), (box) => Box.setTtl(boxes, box, ttl))
  )

  return Sandboxes.of({
    provider: "memory",
    isolation: "isolated",
    create: (spec) => KeepAlive.create({ launch: launchService, terminate, extend }, spec),
    launch: launchService,
    terminate,
    connect: Effect.fn("Sandboxes.connect")(function* (id: Id.SandboxId, ttl: Duration.Input) {
      const box = yield* find(held, "connect", id)
      return { sandbox: handle(id), resumed: yield* Box.resume(boxes, box, ttl) }
    }),
    info: Effect.fn("Sandboxes.info")((id: Id.SandboxId) => Effect.map(find(held, "info", id), Box.infoOf)),
    list: (filter = {}) =>
      Stream.unwrap(
        Effect.map(faults.called("list"), () =>
          Stream.fromIterable([...boxes.values()].map(Box.infoOf).toReversed().filter(matches(filter)))
        )
      ),
    pause: Effect.fn("Sandboxes.pause")((id: Id.SandboxId) =>
      Effect.flatMap(find(held, "pause", id), Box.pause)
    ),
    resume: Effect.fn("Sandboxes.resume")((id: Id.SandboxId, ttl: Duration.Input) =>
      Effect.asVoid(Effect.flatMap(find(held, "resume", id), (box) => Box.resume(boxes, box, ttl)))
    ),
    extend,
    snapshot: Effect.fn("Sandboxes.snapshot")(function* (id: Id.SandboxId) {
      const { contents } = yield* find(held, "snapshot", id)
      const template = `${snapshotPrefix}${yield* Id.nextToken}`
      snapshots.set(template, Files.copy(contents))
      return { template }
    }),
    removeSnapshot: Effect.fn("Sandboxes.removeSnapshot")(function* (template: string) {
      yield* faults.called("removeSnapshot")
      snapshots.delete(template)
    })
  })
}

/**
 * Makes the provider and its ledger.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const held: Held = {
    boxes: new Map(),
    snapshots: new Map(),
    faults: yield* FaultSchedule.make(options),
    commands: yield* Commands.make(options.run),
    peak: yield* Ref.make(0)
  }
  const ledger = Ledger.of({
    alive: Effect.sync(() => [...held.boxes.values()].map(Box.infoOf)),
    commands: held.commands.running,
    peak: Ref.get(held.peak),
    calls: held.faults.calls,
    snapshots: Effect.sync(() => [...held.snapshots.keys()])
  })
  return Context.make(Sandboxes, serviceOf(held)).pipe(Context.add(Ledger, ledger))
})

/**
 * Sandboxes in memory, for tests.
 *
 * **Details**
 *
 * Programs and faults are scripted, and time follows the clock of the test.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Sandboxes | Ledger> =>
  Layer.effectContext(make(options))
