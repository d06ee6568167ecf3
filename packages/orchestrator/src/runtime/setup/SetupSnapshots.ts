import {
  RemoteAgentConfig,
  Id,
  type OrchestratorError,
  type Profile,
  SandboxError,
  type StateStoreError
} from "@remote-agent/domain"
import { Sandboxes } from "@remote-agent/sandbox"
import { DateTime, Duration, Effect, Option, Redacted } from "effect"
import { Leases } from "../../state/Leases.ts"
import * as LocalRepository from "../../profiles/localRepository.ts"
import * as SetUp from "./SetUp.ts"
import { type Entry, SnapshotIndex } from "../../state/SnapshotIndex.ts"

/** How many snapshots are kept in one account of a provider. The least recently used one is removed first. */
export const capacity = 10

/** How long a snapshot is used: branches and packages move on. */
const maxAge = Duration.days(1)

/** Longer than a provider takes for a snapshot. A process that dies meanwhile blocks the others for this long. */
const claimTtl = Duration.minutes(15)

/** The time limit of the search for secrets. */
const searchLimit = Duration.minutes(2)

/** Shorter values occur by chance and are no keys. */
const shortestSecret = 8

/** Keeps snapshots of sandboxes after their setup, so that later launches can skip it. Never fails. */
export interface SetupSnapshots {
  /** The snapshot to launch from. */
  readonly lookup: (profile: Profile.Profile) => Effect.Effect<Option.Option<Entry>>
  /** Records that a launch from the snapshot succeeded. */
  readonly touch: (entry: Entry) => Effect.Effect<void>
  /**
   * Keeps a snapshot of a sandbox after its setup, unless the profile is not cacheable, a snapshot exists or is being
   * made, or one of these secrets is in its files.
   */
  readonly store: (
    place: SetUp.AgentSandbox,
    secrets: ReadonlyArray<string | Redacted.Redacted>
  ) => Effect.Effect<void>
  /**
   * Launches from a snapshot. When that fails in a way that the snapshot may have caused, removes it and launches
   * without.
   */
  readonly withFallback: <A, R>(
    found: Option.Option<Entry>,
    launch: (kept: Entry | undefined) => Effect.Effect<A, OrchestratorError.OrchestratorError, R>
  ) => Effect.Effect<A, OrchestratorError.OrchestratorError, R>
  /** Invalidates the profile's snapshot; the next launch runs setup again. */
  readonly invalidate: (profile: Profile.Profile) => Effect.Effect<void>
}

/** Whether the setup of a profile takes longer than writing a few files. */
export const worthwhile = (profile: Profile.Profile): boolean =>
  profile.setup.length > 0 ||
  profile.source !== undefined ||
  (profile.needs ?? []).some(({ install }) => install !== undefined)

/** The lines to search the files for. */
export const needles = (secrets: ReadonlyArray<string | Redacted.Redacted>): ReadonlyArray<string> =>
  secrets
    .flatMap((secret) => (Redacted.isRedacted(secret) ? Redacted.value(secret) : secret).split("\n"))
    .map((line) => line.trim())
    .filter((line) => line.length >= shortestSecret)

/** The snapshots to remove, of those of one account, the least recently used first. */
const surplus = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> =>
  entries.slice(0, Math.max(0, entries.length - capacity))

/** Whether the snapshot may have caused the failure of a launch from it. */
export const isTemplateFault = ({ cause, stage }: OrchestratorError.LaunchFailed): boolean => {
  if (stage !== "create" && stage !== "assets" && stage !== "health") return false
  switch (cause._tag) {
    case "CommandFailed":
      return true
    case "SandboxError":
      return templateFaults.has(cause.reason._tag)
    default:
      return false
  }
}

const templateFaults: ReadonlySet<SandboxError.Reason["_tag"]> = new Set([
  "InvalidRequest",
  "Gone",
  "FileNotFound",
  "IdleTimedOut",
  "WallTimedOut",
  "OutputTooLarge"
])

const never: SetupSnapshots = {
  lookup: () => Effect.succeedNone,
  touch: () => Effect.void,
  store: () => Effect.void,
  withFallback: (_, launch) => launch(undefined),
  invalidate: () => Effect.void
}

/** Whether one of these texts is in a file of the home folder. Also `true` when the search fails. */
const isWritten = Effect.fnUntraced(function* (
  { home, sandbox }: SetUp.AgentSandbox,
  texts: ReadonlyArray<string>
): Effect.fn.Return<boolean, SandboxError.SandboxError> {
  if (texts.length === 0) return false
  const { exitCode } = yield* sandbox.exec({
    argv: ["grep", "-rqsaF", "-D", "skip", "-f", "-", "--", home],
    env: { LC_ALL: "C" },
    stdin: `${texts.join("\n")}\n`,
    timeouts: { wall: searchLimit }
  })
  return exitCode !== 1
})

const warn = (message: string) => (error: StateStoreError.StateStoreError | SandboxError.SandboxError) =>
  Effect.logWarning(message, error)

/** The snapshots of the provider in use. Keeps none without a `SnapshotIndex`, or when the settings turn them off. */
export const make: Effect.Effect<
  SetupSnapshots,
  never,
  RemoteAgentConfig.RemoteAgentConfig | Sandboxes.Sandboxes | Leases
> = Effect.gen(function* () {
  const [config, sandboxes, leases] = yield* Effect.all([
    RemoteAgentConfig.RemoteAgentConfig,
    Sandboxes.Sandboxes,
    Leases
  ])
  const cache = Option.getOrUndefined(yield* Effect.serviceOption(SnapshotIndex))
  if (cache === undefined || !config.REMOTE_AGENT_SETUP_CACHE) return never
  const provider = [sandboxes.provider, sandboxes.account].filter((part) => part !== undefined).join("/")

  const keyOf = Effect.fnUntraced(function* (profile: Profile.Profile) {
    const fingerprint = SetUp.fingerprint(profile)
    if (fingerprint === undefined || !worthwhile(profile)) return Option.none<string>()
    const commit = yield* LocalRepository.commitOf(profile.source)
    return Option.map(commit, (id) =>
      [provider, config.E2B_TEMPLATE ?? "base", fingerprint, id].join(" ").trim()
    )
  })

  const remove = Effect.fnUntraced(function* (entry: Entry) {
    yield* cache.remove(entry)
    yield* sandboxes.removeSnapshot(entry.template)
  })

  const lookup = Effect.fnUntraced(function* (profile: Profile.Profile) {
    const key = yield* keyOf(profile)
    if (Option.isNone(key)) return Option.none<Entry>()
    const entry = yield* cache.get(key.value)
    if (Option.isNone(entry)) return entry
    const age = DateTime.distance(entry.value.createdAt, yield* DateTime.now)
    if (Duration.isLessThan(age, maxAge)) return entry
    yield* remove(entry.value)
    return Option.none<Entry>()
  })

  const prune = Effect.gen(function* () {
    const ours = (yield* cache.list).filter((entry) => entry.provider === provider)
    yield* Effect.forEach(surplus(ours), remove, { discard: true })
  })

  // Nothing may come in between: a snapshot that is not written down is never removed.
  const snapshot = (key: string, { sandbox }: SetUp.AgentSandbox) =>
    Effect.uninterruptible(
      Effect.gen(function* () {
        const { template } = yield* sandboxes.snapshot(sandbox.id)
        const added = yield* Effect.result(cache.add({ key, provider, template }))
        if (added._tag === "Success" && added.success) return
        yield* sandboxes.removeSnapshot(template)
        if (added._tag === "Failure") return yield* added.failure
      })
    )

  const store = Effect.fnUntraced(function* (
    place: SetUp.AgentSandbox,
    secrets: ReadonlyArray<string | Redacted.Redacted>
  ) {
    const key = yield* keyOf(place.profile)
    if (Option.isNone(key)) return
    const claim = leases.acquire(`set-up/${key.value}`, { holder: yield* Id.nextToken, ttl: claimTtl })
    const work = Effect.gen(function* () {
      if (Option.isSome(yield* cache.get(key.value))) return
      if (yield* isWritten(place, needles(secrets))) {
        return yield* Effect.logWarning(
          `The set-up of the profile ${place.profile.name} is not kept for later launches: a value of its environment may be in a file of it`
        )
      }
      yield* snapshot(key.value, place)
      yield* prune
    })
    yield* Effect.acquireUseRelease(
      claim,
      () => work,
      (lease) =>
        Effect.catch(leases.release(lease), (error) =>
          Effect.logWarning("The claim on a set-up could not be given back; it runs out by itself", error)
        )
    ).pipe(
      Effect.catchReason("StateStoreError", "LeaseHeld", () =>
        Effect.logDebug("Another launch keeps this set-up")
      )
    )
  })

  const invalidate = Effect.fnUntraced(function* (profile: Profile.Profile) {
    const key = yield* keyOf(profile)
    if (Option.isNone(key)) return
    const entry = yield* cache.get(key.value)
    if (Option.isSome(entry)) yield* remove(entry.value)
  })

  const notRemoved = warn("A kept set-up could not be removed")

  const withFallback = Effect.fnUntraced(function* <A, R>(
    found: Option.Option<Entry>,
    launch: (kept: Entry | undefined) => Effect.Effect<A, OrchestratorError.OrchestratorError, R>
  ) {
    if (Option.isNone(found)) return yield* launch(undefined)
    const launched = yield* Effect.result(launch(found.value))
    if (launched._tag === "Success") return launched.success
    const { reason } = launched.failure
    if (reason._tag !== "LaunchFailed" || !isTemplateFault(reason)) return yield* launched.failure
    yield* Effect.logDebug("A kept set-up no longer works; the launch sets up anew", launched.failure)
    yield* Effect.catch(remove(found.value), notRemoved)
    return yield* launch(undefined)
  })

  return {
    lookup: (profile) =>
      lookup(profile).pipe(
        Effect.catch((error) =>
          Effect.as(
            warn("A kept set-up could not be looked up; the launch sets up anew")(error),
            Option.none()
          )
        ),
        Effect.withSpan("SetupSnapshots.lookup")
      ),
    touch: ({ key }) =>
      Effect.catch(cache.touch(key), warn("The use of a kept set-up could not be written down")),
    store: (place, secrets) =>
      store(place, secrets).pipe(
        Effect.catch(warn("A set-up could not be kept for later launches")),
        Effect.withSpan("SetupSnapshots.store")
      ),
    withFallback,
    invalidate: (profile) => Effect.catch(invalidate(profile), notRemoved)
  } satisfies SetupSnapshots
})
