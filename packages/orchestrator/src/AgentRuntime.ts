import { type AgentEvent, type Id, OrchestratorError, Profile, type SandboxError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Context, Duration, Effect, Layer, Stream } from "effect"
import * as EventReader from "./EventReader.ts"

/** One question as the agent program gets it. */
export interface Request {
  readonly id: Id.QueryId
  readonly text: string
  /** The conversation it belongs to; the agent remembers earlier turns of it. */
  readonly session?: string | undefined
  /** Instead of the profile's own. */
  readonly wallTimeout?: Duration.Duration | undefined
}

/** A sandbox in which an agent program lives. */
export interface Place {
  readonly sandbox: Sandbox.Sandbox
  readonly profile: Profile.Profile
  /** The home folder in the sandbox. */
  readonly home: string
}

/** Drives the program of a profile in a sandbox. It knows nothing of agents' records. */
export class AgentRuntime extends Context.Service<
  AgentRuntime,
  {
    /** Finds the home folder and places the profile's files. */
    readonly place: (
      sandbox: Sandbox.Sandbox,
      profile: Profile.Profile
    ) => Effect.Effect<Place, SandboxError.SandboxError>
    /** Runs the profile's set-up. Fails with `CommandFailed` at the first command that does. */
    readonly setUp: (
      place: Place
    ) => Effect.Effect<void, SandboxError.SandboxError | OrchestratorError.CommandFailed>
    /** Runs the profile's health check. Fails with `CommandFailed` when the agent cannot work. */
    readonly checkHealth: (
      place: Place
    ) => Effect.Effect<void, SandboxError.SandboxError | OrchestratorError.CommandFailed>
    /**
     * Puts a question and streams what the agent does. The last event is the only `result`; a program that ends
     * without one gets the outcome `crash`. Leaving the stream kills the program. Fails with `IdleTimedOut` and
     * `WallTimedOut` as the profile says.
     */
    readonly run: (
      place: Place,
      request: Request
    ) => Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError>
  }
>()("@remote-agent/orchestrator/AgentRuntime") {}

const setUpTimeout = Duration.minutes(5)

const run = (
  where: Place,
  request: Request
): Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError> => {
  const { run: spec } = where.profile
  const values = { home: where.home }
  const [program, ...rest] = spec.argv
  const wall = request.wallTimeout ?? spec.wallTimeout
  const output = where.sandbox.spawn({
    argv: [Profile.expand(program, values), ...rest.map((argument) => Profile.expand(argument, values))],
    cwd: Profile.expand(spec.cwd ?? where.profile.work, values),
    stdin: requestLine(request, wall),
    timeouts: { idle: spec.idleTimeout, wall },
    ...(spec.env === undefined ? {} : { env: expandAll(spec.env, values) })
  })
  return Stream.unwrap(
    Effect.map(EventReader.make, (read) => Stream.flattenIterable(Stream.mapEffect(output, read)))
  ).pipe(
    Stream.map((event) => stoppedInTime(event, wall)),
    Stream.withSpan("AgentRuntime.run", {
      attributes: { profile: where.profile.name, queryId: request.id }
    })
  )
}

/** The runtime. It holds no state. */
export const make = Effect.sync(() => {
  const command = Effect.fnUntraced(function* (place: Place, spec: Profile.ProfileCommand) {
    const values = { home: place.home }
    const [program, ...rest] = spec.argv
    const { exitCode } = yield* place.sandbox.exec({
      argv: [Profile.expand(program, values), ...rest.map((argument) => Profile.expand(argument, values))],
      cwd: Profile.expand(spec.cwd ?? "{home}", values),
      timeouts: { wall: spec.timeout ?? setUpTimeout },
      ...(spec.env === undefined ? {} : { env: expandAll(spec.env, values) })
    })
    if (exitCode !== 0) return yield* new OrchestratorError.CommandFailed({ program, exitCode })
  })

  const place = Effect.fn("AgentRuntime.place")(function* (
    sandbox: Sandbox.Sandbox,
    profile: Profile.Profile
  ) {
    const home = (yield* sandbox.files.stat(".")).path
    yield* sandbox.files.makeDir(Profile.expand(profile.work, { home }))
    yield* Effect.forEach(
      profile.assets,
      ({ content, path }) => sandbox.files.write(Profile.expand(path, { home }), content),
      { concurrency: 4, discard: true }
    )
    return { sandbox, profile, home }
  })

  const setUp = Effect.fn("AgentRuntime.setUp")((where: Place) =>
    Effect.forEach(where.profile.setup, (spec) => command(where, spec), { discard: true })
  )

  const checkHealth = Effect.fn("AgentRuntime.checkHealth")((where: Place) =>
    command(where, where.profile.health)
  )

  return AgentRuntime.of({ place, setUp, checkHealth, run })
})

const expandAll = (env: Readonly<Record<string, string>>, values: Profile.Placeholders) =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [name, Profile.expand(value, values)]))

/** The request as every headless runner reads it. The runner gets a little less time than we give it, so that it can still say so. */
const requestLine = (request: Request, wall: Duration.Duration): string =>
  `${JSON.stringify({
    id: request.id,
    query: request.text,
    timeoutMs: Math.max(1, Math.floor(Duration.toMillis(wall) * 0.95)),
    ...(request.session === undefined ? {} : { session: request.session })
  })}\n`

/** A program that we stop is killed and says nothing more: one that calls itself aborted ran into the limit it was given. */
const stoppedInTime = (event: AgentEvent.AgentEvent, wall: Duration.Duration): AgentEvent.AgentEvent =>
  event.type === "result" && event.outcome === "aborted"
    ? {
        ...event,
        outcome: "timeout",
        error: `The agent was not done within ${Duration.format(wall)} and stopped. Allow it more time.`
      }
    : event

/** The runtime. */
export const layer: Layer.Layer<AgentRuntime> = Layer.effect(AgentRuntime, make)
