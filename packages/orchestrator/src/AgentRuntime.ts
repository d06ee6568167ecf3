import {
  type AgentEvent,
  OrchestratorError,
  Profile,
  type SandboxError,
  Template
} from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Context, Duration, Effect, Layer, Stream } from "effect"
import * as EventReader from "./EventReader.ts"
import * as RunCommand from "./RunCommand.ts"

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
      request: RunCommand.Request
    ) => Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError>
  }
>()("@remote-agent/orchestrator/AgentRuntime") {}

const setUpTimeout = Duration.minutes(5)

const run = (
  where: Place,
  request: RunCommand.Request
): Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError> => {
  const { files, ...command } = RunCommand.make(where.profile, request, where.home)
  const write = Effect.forEach(files, ({ content, path }) => where.sandbox.files.write(path, content), {
    discard: true
  })
  return Stream.unwrap(
    Effect.map(Effect.andThen(write, EventReader.make(where.profile.run)), (read) =>
      Stream.flattenIterable(Stream.mapEffect(where.sandbox.spawn(command), read))
    )
  ).pipe(
    Stream.map((event) => stoppedInTime(event, command.timeouts.wall)),
    Stream.withSpan("AgentRuntime.run", {
      attributes: { profile: where.profile.name, queryId: request.id }
    })
  )
}

/** The runtime. It holds no state. */
export const make = Effect.sync(() => {
  const command = Effect.fnUntraced(function* (place: Place, spec: Profile.ProfileCommand) {
    const values = Profile.placeholders(place.profile, place.home)
    const [program, ...rest] = spec.argv
    const { exitCode } = yield* place.sandbox.exec({
      argv: [Template.expand(program, values), ...rest.map((argument) => Template.expand(argument, values))],
      cwd: Template.expand(spec.cwd ?? "{home}", values),
      timeouts: { wall: spec.timeout ?? setUpTimeout },
      ...(spec.env === undefined ? {} : { env: Template.expandAll(spec.env, values) })
    })
    if (exitCode !== 0) return yield* new OrchestratorError.CommandFailed({ program, exitCode })
  })

  const place = Effect.fn("AgentRuntime.place")(function* (
    sandbox: Sandbox.Sandbox,
    profile: Profile.Profile
  ) {
    const home = (yield* sandbox.files.stat(".")).path
    const values = Profile.placeholders(profile, home)
    yield* sandbox.files.makeDir(values.work)
    yield* Effect.forEach(
      profile.assets,
      ({ content = "", path }) => sandbox.files.write(Template.expand(path, values), content),
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
