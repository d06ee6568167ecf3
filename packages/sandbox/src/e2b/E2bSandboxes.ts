import { RemoteAgentConfig, Id, SandboxError, SandboxLabels } from "@remote-agent/domain"
import type * as Sdk from "e2b"
import { Clock, DateTime, Duration, Effect, Layer, Option, Redacted, Schedule, Stream } from "effect"
import { createHash } from "node:crypto"
import { type Connection, E2bCalls } from "./internal/calls.ts"
import * as E2bFiles from "./internal/files.ts"
import * as E2bHost from "./internal/host.ts"
import * as E2bProcess from "./internal/process.ts"
import * as E2bSnapshots from "./internal/snapshots.ts"
import * as E2bTerminal from "./internal/terminal.ts"
import * as Heartbeat from "../internal/keepAlive.ts"
import type { Sandbox, SandboxInfo, SandboxSpec } from "../Sandbox.ts"
import { type Filter, type Isolation, Sandboxes } from "../Sandboxes.ts"

export type { Connection }

/** How E2B, or a server that speaks its protocol, is used. */
export interface Options extends Connection {
  /** How it is called in messages and records. */
  readonly provider?: string | undefined
  /** What sandboxes are made from when their spec does not say; `base` when absent. */
  readonly template?: string | undefined
  readonly isolation?: Isolation | undefined
  /** How many sandboxes are asked for at a time when listing; the provider's own page when absent. */
  readonly pageSize?: number | undefined
  /** How long the server may still be working on a create after it began: 70 seconds at E2B. */
  readonly createDeadline?: Duration.Input | undefined
}

const milliseconds = (ttl: Duration.Input): number => Math.max(1000, Duration.toMillis(ttl))

const plain = (env: SandboxSpec["env"]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env ?? {}).map(([name, value]) => [
      name,
      Redacted.isRedacted(value) ? Redacted.value(value) : value
    ])
  )

// Throws when the answer describes no sandbox: what sent it was not the provider.
const sandboxInfo = (info: Sdk.SandboxInfo): SandboxInfo => ({
  id: Id.SandboxId.make(info.sandboxId),
  state: info.state === "paused" ? "paused" : "running",
  metadata: info.metadata,
  startedAt: DateTime.fromDateUnsafe(info.startedAt),
  endsAt: DateTime.fromDateUnsafe(info.endAt)
})

// A few letters of a digest: enough to tell two accounts apart, and nothing can be learned from them.
const accountOf = ({ apiKey, apiUrl = "" }: Connection): string =>
  createHash("sha256")
    .update(`${apiUrl}\n${Redacted.value(apiKey)}`)
    .digest("hex")
    .slice(0, 12)

/** The provider, over the unmodified SDK, which is loaded here and not before. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const sdk = yield* Effect.promise(() => import("e2b"))
  const calls = new E2bCalls(sdk, options)
  const api = calls.client.Sandbox
  const createDeadline = options.createDeadline ?? "70 seconds"

  const remember = Effect.fnUntraced(function* (id: Id.SandboxId, ttl: Duration.Input) {
    calls.lifetimes.set(id, (yield* Clock.currentTimeMillis) + milliseconds(ttl))
  })

  const handle = (sandbox: Sdk.Sandbox): Sandbox => {
    const id = Id.SandboxId.make(sandbox.sandboxId)
    return {
      id,
      ...E2bProcess.make(calls, sandbox, id),
      ...E2bTerminal.make(calls, sandbox, id),
      files: E2bFiles.make(calls, sandbox, id),
      host: E2bHost.make(sandbox, options.sandboxUrl)
    }
  }

  const found = Effect.fnUntraced(function* (attemptId: Id.AttemptId) {
    const [hit] = yield* Stream.runCollect(
      Stream.take(list({ metadata: { [SandboxLabels.attemptKey]: attemptId } }), 1)
    )
    return Option.fromUndefinedOr(hit)
  })

  // There is no idempotency key, and the id of a sandbox whose reply was lost is never told: what became of an
  // attempt can only be seen by its mark, and only once the server has certainly stopped working on it.
  const reconcile = Effect.fnUntraced(function* (
    attemptId: Id.AttemptId,
    spec: SandboxSpec,
    startedAt: number,
    error: SandboxError.SandboxError
  ) {
    const deadline = startedAt + Duration.toMillis(createDeadline)
    const ambiguous = SandboxError.fail("create", new SandboxError.Ambiguous({ attemptId }))
    const look = Effect.gen(function* () {
      // Before asking: the answer may be older than the moment it arrives.
      const over = (yield* Clock.currentTimeMillis) >= deadline
      return { hit: yield* found(attemptId), over }
    })
    const { hit } = yield* look.pipe(
      Effect.repeat({
        until: (seen) => Option.isSome(seen.hit) || seen.over,
        schedule: Schedule.spaced("2 seconds")
      }),
      Effect.mapError(() => ambiguous)
    )
    if (Option.isNone(hit)) return yield* error
    yield* Effect.logInfo("A sandbox whose reply was lost has been found").pipe(
      Effect.annotateLogs({ sandboxId: hit.value.id })
    )
    return yield* calls
      .call({ operation: "create", sandboxId: hit.value.id }, (signal) =>
        api.connect(hit.value.id, { timeoutMs: milliseconds(spec.ttl), signal })
      )
      .pipe(Effect.mapError(() => ambiguous))
  })

  const createOnce = Effect.fnUntraced(function* (spec: SandboxSpec) {
    const attemptId = spec.attemptId ?? (yield* Id.nextAttemptId)
    const startedAt = yield* Clock.currentTimeMillis
    const created = yield* calls
      .attempt({ operation: "create" }, (signal) =>
        api.create(spec.template ?? options.template ?? "base", {
          signal,
          timeoutMs: milliseconds(spec.ttl),
          metadata: { ...spec.metadata, [SandboxLabels.attemptKey]: attemptId },
          envs: plain(spec.env),
          lifecycle: { onTimeout: spec.onExpiry ?? "kill" },
          ...(spec.allowInternetAccess === undefined ? {} : { allowInternetAccess: spec.allowInternetAccess })
        })
      )
      .pipe(Effect.catchIf(unclear, (error) => reconcile(attemptId, spec, startedAt, error)))
    const sandbox = handle(created)
    yield* remember(sandbox.id, spec.ttl)
    return sandbox
  })

  // Uninterruptible: a reply that is under way when the caller gives up is a sandbox that somebody must end.
  const launch = Effect.fn("Sandboxes.launch")((spec: SandboxSpec) =>
    Effect.uninterruptible(calls.patiently(createOnce(spec)))
  )

  const terminate = Effect.fn("Sandboxes.terminate")(function* (sandboxId: Id.SandboxId) {
    yield* calls.call({ operation: "terminate", sandboxId }, (signal) => api.kill(sandboxId, { signal }))
    calls.lifetimes.delete(sandboxId)
  })

  const info = Effect.fn("Sandboxes.info")((sandboxId: Id.SandboxId) =>
    calls.call({ operation: "info", sandboxId }, async (signal) =>
      sandboxInfo(await api.getInfo(sandboxId, { signal }))
    )
  )

  const list = (filter: Filter = {}): Stream.Stream<SandboxInfo, SandboxError.SandboxError> =>
    Stream.suspend(() => {
      const first = api.list({
        ...(options.pageSize === undefined ? {} : { limit: options.pageSize }),
        query: {
          ...(filter.metadata === undefined ? {} : { metadata: filter.metadata }),
          ...(filter.state === undefined ? {} : { state: [filter.state] })
        }
      })
      return Stream.paginate(first, (pages) =>
        calls
          .call({ operation: "list" }, (signal) => pages.nextItems({ signal }))
          .pipe(
            // Not part of what is repeated: that would ask for the next page.
            Effect.flatMap((items) =>
              calls.attempt({ operation: "list" }, async () => items.map(sandboxInfo))
            ),
            Effect.map((items) => [items, pages.hasNext ? Option.some(pages) : Option.none()] as const)
          )
      )
    }).pipe(Stream.withSpan("Sandboxes.list"))

  const connect = Effect.fn("Sandboxes.connect")(function* (sandboxId: Id.SandboxId, ttl: Duration.Input) {
    const { state } = yield* info(sandboxId)
    const sandbox = yield* calls.call({ operation: "connect", sandboxId }, (signal) =>
      api.connect(sandboxId, { timeoutMs: milliseconds(ttl), signal })
    )
    yield* remember(sandboxId, ttl)
    return { sandbox: handle(sandbox), resumed: state === "paused" }
  })

  // A pause that is cut short can cost the sandbox: no signal, no timeout but a very long one, no interruption.
  const pause = Effect.fn("Sandboxes.pause")(
    function* (sandboxId: Id.SandboxId) {
      const paused = yield* calls.attempt({ operation: "pause", sandboxId }, () =>
        api.pause(sandboxId, { requestTimeoutMs: 600_000 })
      )
      if (paused || (yield* info(sandboxId)).state === "paused") return
      return yield* SandboxError.fail("pause", new SandboxError.Busy({}), sandboxId)
    },
    (effect) => Effect.uninterruptible(effect)
  )

  const resume = Effect.fn("Sandboxes.resume")((sandboxId: Id.SandboxId, ttl: Duration.Input) =>
    Effect.asVoid(
      calls.call({ operation: "resume", sandboxId }, (signal) =>
        api.connect(sandboxId, { timeoutMs: milliseconds(ttl), signal })
      )
    ).pipe(Effect.andThen(remember(sandboxId, ttl)))
  )

  const extend = Effect.fn("Sandboxes.extend")(function* (sandboxId: Id.SandboxId, ttl: Duration.Input) {
    const asked = calls
      .attempt({ operation: "extend", sandboxId }, (signal) =>
        api.setTimeout(sandboxId, milliseconds(ttl), { signal })
      )
      .pipe(
        // What sleeps has no lifetime to extend; the API words that as a conflict or as not found.
        Effect.catchIf(
          ({ reason }) => reason._tag === "Gone" || reason._tag === "Busy",
          (error) =>
            Effect.flatMap(info(sandboxId), ({ state }) =>
              state === "paused" ? SandboxError.fail("extend", new SandboxError.Paused({}), sandboxId) : error
            )
        )
      )
    yield* calls.patiently(asked)
    yield* remember(sandboxId, ttl)
  })

  return Sandboxes.of({
    provider: options.provider ?? "e2b",
    account: accountOf(options),
    isolation: options.isolation ?? "isolated",
    create: (spec) => Heartbeat.create({ launch, terminate, extend }, spec),
    launch,
    connect,
    info,
    list,
    pause,
    resume,
    terminate,
    extend,
    ...E2bSnapshots.make(calls, createDeadline)
  })
})

/** Whether a failed create may have made a sandbox all the same. */
const unclear = (error: SandboxError.SandboxError): boolean => SandboxError.retryClass(error) === "ambiguous"

/** Sandboxes at E2B, or at another server that speaks its protocol. */
export const layer = (options: Options): Layer.Layer<Sandboxes> => Layer.effect(Sandboxes, make(options))

/** The same from the configuration. Fails when there is no `E2B_API_KEY`. */
export const layerConfig: Layer.Layer<
  Sandboxes,
  RemoteAgentConfig.ConfigError,
  RemoteAgentConfig.RemoteAgentConfig
> = Layer.unwrap(
  Effect.gen(function* () {
    const values = yield* RemoteAgentConfig.RemoteAgentConfig
    yield* RemoteAgentConfig.requireKeys(values, ["E2B_API_KEY"], "the provider e2b")
    return layer({
      apiKey: values.E2B_API_KEY ?? Redacted.make(""),
      apiUrl: values.E2B_API_URL,
      sandboxUrl: values.E2B_SANDBOX_URL,
      template: values.E2B_TEMPLATE
    })
  })
)
