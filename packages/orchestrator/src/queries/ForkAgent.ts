import { Agent, Id, OrchestratorError, Profile, SandboxError, Placeholders } from "@remote-agent/domain"
import { Duration, Effect } from "effect"
import type { Agents, LaunchSpec } from "../agents/Agents.ts"
import type { AgentSandboxes } from "../agents/AgentSandboxes.ts"
import type { Queries } from "./Queries.ts"
import * as AgentStore from "../state/AgentStore.ts"
import type { AgentSandbox } from "../runtime/setup/SetUp.ts"

/**
 * How the second agent differs from the first. What is absent is copied from the first, except `env`, which no record
 * keeps.
 */
export type ForkOptions = Omit<LaunchSpec, "profile" | "pool">

/** The largest size of an agent's conversations, in bytes. They pass through the memory of this process. */
export const limitBytes = 64 * 1024 * 1024

/** The time limit for packing or unpacking them. */
const packLimit = Duration.minutes(2)

const [tooLarge, nothing] = [90, 91]

/** Packs the paths that exist. Arguments: the folder above them, the file to write, the limit, the paths. */
const pack = `
cd -- "$1" || exit 1
out=$2 limit=$3
shift 3
found=()
for path; do [ ! -e "$path" ] || found+=("$path"); done
[ "\${#found[@]}" -gt 0 ] || exit ${nothing}
size=$(du -sbc -- "\${found[@]}" | tail -n 1 | cut -f 1) || exit 1
[ "$size" -le "$limit" ] || exit ${tooLarge}
umask 077
tar -cf "$out" -- "\${found[@]}"
`

/** The paths of an agent's conversations, relative to its home folder. Paths outside of it are not copied. */
export const pathsOf = (profile: Profile.Profile, home: string): ReadonlyArray<string> => {
  const places = Profile.placeholders(profile, home)
  return (profile.session?.files ?? [])
    .map((path) => Placeholders.expand(path, places))
    .filter((path) => path.startsWith(`${home}/`))
    .map((path) => `.${path.slice(home.length)}`)
}

const archiveIn = ({ home, profile }: AgentSandbox, token: string) =>
  `${Profile.placeholders(profile, home).run}/fork-${token}.tar`

const run = Effect.fnUntraced(function* (
  place: AgentSandbox,
  argv: readonly [string, ...ReadonlyArray<string>]
) {
  const { exitCode } = yield* place.sandbox.exec({ argv, timeouts: { wall: packLimit } })
  return exitCode
})

const failed = (program: string, exitCode: number) =>
  new OrchestratorError.CommandFailed({ program, exitCode })

/** The conversations as one file; `undefined` when there are none yet. */
const packed = Effect.fnUntraced(function* (place: AgentSandbox) {
  const { files, id } = place.sandbox
  const file = archiveIn(place, yield* Id.nextToken)
  const paths = pathsOf(place.profile, place.home)
  const script = ["bash", "-c", pack, "bash", place.home, file, String(limitBytes), ...paths] as const
  return yield* Effect.gen(function* () {
    const exitCode = yield* run(place, script)
    if (exitCode === nothing) return undefined
    if (exitCode === tooLarge) {
      return yield* SandboxError.fail("read", new SandboxError.OutputTooLarge({ limitBytes }), id)
    }
    return exitCode === 0 ? yield* files.read(file) : yield* failed("tar", exitCode)
  }).pipe(Effect.ensuring(Effect.ignore(files.remove(file), { log: "Warn" })))
})

const unpack = Effect.fnUntraced(function* (place: AgentSandbox, content: Uint8Array) {
  const file = archiveIn(place, yield* Id.nextToken)
  yield* place.sandbox.files.write(file, content)
  const exitCode = yield* run(place, ["tar", "-xpf", file, "-C", place.home, "--no-same-owner"])
  yield* place.sandbox.files.remove(file)
  if (exitCode !== 0) return yield* failed("tar", exitCode)
})

const at = (operation: string) => (cause: OrchestratorError.SetUpProblem) =>
  AgentStore.failure(
    operation,
    cause._tag === "SandboxError"
      ? new OrchestratorError.SandboxFailed({ cause })
      : new OrchestratorError.LaunchFailed({ stage: "assets", cause })
  )

/** Launches an agent that continues the conversations of another one. */
export type ForkAgent = (
  id: Id.AgentId,
  options?: ForkOptions
) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>

/** Forks agents of a store. */
export const make = (
  agents: Agents,
  places: AgentSandboxes,
  queries: Queries
): Effect.Effect<ForkAgent, never, AgentStore.AgentStore> =>
  Effect.map(AgentStore.AgentStore, ({ change }) => {
    /** Reads the conversations while no query runs. */
    const conversations = Effect.fnUntraced(function* (id: Id.AgentId) {
      const { lost } = yield* queries.acquireIdle("fork", id, "refuse")
      const agent = yield* agents.get(id)
      const place = yield* places.of("fork", id)
      const { name, session } = place.profile
      if (session === undefined || session.kind === "none") {
        return yield* AgentStore.failure("fork", new OrchestratorError.NoSessions({ profile: name }))
      }
      const content = yield* packed(place).pipe(Effect.mapError(at("fork")), Effect.raceFirst(lost))
      return { agent, content }
    }, Effect.scoped)

    return Effect.fn("Orchestrator.fork")(function* (id, options = {}) {
      const { agent, content } = yield* conversations(id)
      const {
        allowInternetAccess,
        budget,
        labels,
        persistent,
        profile,
        repository,
        sessions,
        sessionTotals,
        ttl
      } = agent
      const launch = agents.launch({
        profile,
        allowInternetAccess,
        budget,
        labels,
        persistent,
        repository,
        ttl,
        ...options
      })
      const furnish = Effect.fnUntraced(function* (forked: Agent.Agent) {
        const place = yield* places.of("fork", forked.id)
        if (content !== undefined) yield* Effect.mapError(unpack(place, content), at("fork"))
        if (sessions === undefined) return forked
        const totals = sessionTotals === undefined ? {} : { sessionTotals }
        const taken = change(forked.id, (known) => new Agent.Agent({ ...known, sessions, ...totals }))
        return yield* Effect.mapError(taken, AgentStore.fromStore("fork"))
      })
      return yield* Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(launch), (forked) =>
          restore(furnish(forked)).pipe(
            Effect.onError(() =>
              Effect.catch(agents.terminate(forked.id), (error) =>
                Effect.logError("A fork failed, and its agent may still be there", error)
              )
            )
          )
        )
      )
    })
  })
