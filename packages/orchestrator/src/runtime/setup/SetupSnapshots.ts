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

/** How many templates are kept in one account of a provider; the least recently used goes first. */
export const capacity = 10

/** A template is used for this long: what a branch or the newest version of a package was is not for ever. */
const maxAge = Duration.days(1)

/** Longer than a provider takes for a snapshot; a process that dies in between keeps the others from it for so long. */
const claimTtl = Duration.minutes(15)

/** How long the search for secrets may take. */
const searchLimit = Duration.minutes(2)

/** Shorter values are found everywhere by chance, and are no keys. */
const shortestSecret = 8

/** Keeps sandboxes that were set up as templates, and says which one a launch can start from. Never fails. */
export interface SetupSnapshots {
  /** The template to launch from. */
  readonly lookup: (profile: Profile.Profile) => Effect.Effect<Option.Option<Entry>>
  /** Notes that a launch from it went well. */
  readonly touch: (entry: Entry) => Effect.Effect<void>
  /**
   * Keeps a sandbox that is set up and has not been asked anything, unless the profile is not cacheable, a template is
   * there or being made, or one of these values is in its files.
   */
  readonly store: (
    place: SetUp.AgentSandbox,
    secrets: ReadonlyArray<string | Redacted.Redacted>
  ) => Effect.Effect<void>
  /**
   * Launches from a template that was found, and, where that fails in a way that may be the template's fault, removes
   * it and launches without.
   */
  readonly withFallback: <A, R>(
    found: Option.Option<Entry>,
    launch: (kept: Entry | undefined) => Effect.Effect<A, OrchestratorError.OrchestratorError, R>
  ) => Effect.Effect<A, OrchestratorError.OrchestratorError, R>
  /** Has the next launch of a profile set up anew. */
  readonly invalidate: (profile: Profile.Profile) => Effect.Effect<void>
}

/** Whether set-up leaves anything in a sandbox that takes longer than to place a few files. */
export const worthwhile = (profile: Profile.Profile): boolean =>
  profile.setup.length > 0 ||
  profile.source !== undefined ||
  (profile.needs ?? []).some(({ install }) => install !== undefined)

/** What to search the files for. */
export const needles = (secrets: ReadonlyArray<string | Redacted.Redacted>): ReadonlyArray<string> =>
  secrets
    .flatMap((secret) => (Redacted.isRedacted(secret) ? Redacted.value(secret) : secret).split("\n"))
    .map((line) => line.trim())
    .filter((line) => line.length >= shortestSecret)

/** Which templates have to go, of those that one account has, the least recently used first. */
const surplus = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> =>
  entries.slice(0, Math.max(0, entries.length - capacity))

/** Whether a launch from a template failed in a way that may be the template's fault. */
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

/** Whether one of these texts is in a file of the home folder. Also true when that cannot be told. */
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

/** In the environment there is, or one that keeps nothing: without a `SnapshotIndex`, or where the setting says so. */
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
