import { type RemoteAgentConfig, type Id, Profile, SandboxError } from "@remote-agent/domain"
import { LaunchIntents, MemoryStateStore, type Profiles } from "@remote-agent/orchestrator"
import { type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Duration, Effect, Random, Stream } from "effect"
import { exit, line, pass, resultLine, unreachable } from "../support/support.ts"
import { makeProcess, type World } from "./World.ts"

const hours = Duration.hours(5)

/** Answers whatever it is asked; the one that is `slow` takes long to set up and to answer. */
const profile = (name: "quick" | "slow") =>
  new Profile.Profile({
    name,
    description: "Answers yes",
    trusted: true,
    work: "{home}",
    assets: [],
    setup: [new Profile.ProfileCommand({ argv: ["prepare", name], timeout: hours })],
    health: new Profile.ProfileCommand({ argv: ["check"] }),
    run: new Profile.RunSpec({
      argv: ["answer", name],
      input: "stdin-json",
      protocol: "runner-jsonl",
      wallTimeout: hours,
      idleTimeout: hours
    })
  })

/** The profiles of a world in memory. */
export const profiles = [profile("quick"), profile("slow")]

const takes = (name: string | undefined) => Duration.minutes(name === "slow" ? 40 : 0)

/** What the programs of {@link profiles} do. */
export const run = (command: Sandbox.Command) => {
  if ("script" in command) return undefined
  const [program, name] = command.argv
  const done = program === "answer" ? resultLine("yes") : exit(0)
  return Stream.concat(
    program === "answer" ? Stream.make(line({ type: "ready", agent: "tiny" })) : Stream.empty,
    Stream.fromEffect(Effect.delay(Effect.succeed(done), takes(name)))
  )
}

/** What may become of a create, as seen by whoever asked for it, and how often. */
const fates = ["fine", "fine", "fine", "fine", "fine", "lost", "late", "twice"] as const

/** Processes that share sandboxes in memory, on the clock of the test. */
export const make = Effect.gen(function* () {
  const services = yield* Effect.context<RemoteAgentConfig.RemoteAgentConfig | Profiles.Profiles>()
  const truth = yield* Sandboxes.Sandboxes
  const { leases, store } = yield* MemoryStateStore.make
  const intents = yield* LaunchIntents.makeMemory
  const weather = { stormy: true }
  const told: Array<string> = []

  const harmed =
    (operation: SandboxError.Operation) =>
    <A>(effect: Effect.Effect<A, SandboxError.SandboxError>) =>
      Effect.gen(function* () {
        if (!weather.stormy || (yield* Random.nextIntBetween(0, 6)) > 0) return yield* effect
        told.push(operation)
        // Half of what fails is done all the same.
        if (yield* Random.nextBoolean) yield* effect
        return yield* SandboxError.fail(operation, unreachable)
      })
  const extend = (id: Id.SandboxId, ttl: Duration.Input) =>
    harmed("extend")(truth.extend(id, ttl)).pipe(
      Effect.retry({ times: 4, while: (error) => error.isRetryable })
    )
  const launch = Effect.fnUntraced(function* (spec: Sandbox.SandboxSpec) {
    const fate = weather.stormy ? fates[yield* Random.nextIntBetween(0, fates.length - 1)] : "fine"
    if (fate === "fine" || fate === undefined || spec.attemptId === undefined) {
      return yield* truth.launch(spec)
    }
    told.push(`create ${fate}`)
    const ambiguous = new SandboxError.Ambiguous({ attemptId: spec.attemptId })
    if (fate === "late") {
      const delay = Duration.seconds(yield* Random.nextIntBetween(1, 110))
      yield* Effect.forkDetach(Effect.delay(truth.launch(spec), delay))
      return yield* SandboxError.fail("create", ambiguous)
    }
    const sandbox = yield* truth.launch(spec)
    if (fate === "lost") return yield* SandboxError.fail("create", ambiguous)
    return yield* Effect.as(truth.launch(spec), sandbox)
  })
  const sandboxes = Sandboxes.Sandboxes.of({
    ...truth,
    launch,
    extend,
    list: (filter) => Stream.unwrap(harmed("list")(Effect.succeed(truth.list(filter)))),
    info: (id) => harmed("info")(truth.info(id)),
    terminate: (id) => harmed("terminate")(truth.terminate(id))
  })

  const world: World = {
    truth,
    store,
    intents,
    pass,
    stride: "2 minutes",
    makeProcess: makeProcess({
      sandboxes,
      store,
      intents,
      leases,
      pause: Effect.flatMap(Random.nextIntBetween(0, 45), (seconds) => Effect.sleep(seconds * 1000))
    }).pipe(Effect.provide(services)),
    calm: Effect.sync(() => (weather.stormy = false)),
    told: () => told.join(", ")
  }
  return world
})
