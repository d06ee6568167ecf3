import { vi } from "@effect/vitest"
import {
  type AgentEvent,
  RemoteAgentConfig,
  Profile,
  SandboxError,
  type StateStoreError
} from "@remote-agent/domain"
import {
  AgentRuntime,
  LaunchIntents,
  Leases,
  MemoryStateStore,
  Orchestrator,
  Profiles,
  RunStore,
  SharedLimits,
  SnapshotIndex,
  StateStore
} from "@remote-agent/orchestrator"
import { MemorySandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Clock, Context, Duration, Effect, Fiber, Layer, Logger, Ref, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"

// A busy machine is slow; nothing here depends on how long it takes.
vi.setConfig({ testTimeout: Number(process.env["TT"] ?? 120_000) })

/** A profile of three programs: `prepare` sets up, `check` tells the health, `answer` answers. */
export const tiny = new Profile.Profile({
  name: "tiny",
  description: "Answers as the test says",
  trusted: false,
  work: "{home}/work",
  assets: [new Profile.Asset({ path: "{home}/.agent/program", content: "a program" })],
  setup: [new Profile.ProfileCommand({ argv: ["prepare", "{home}/.agent/program"] })],
  health: new Profile.ProfileCommand({ argv: ["check"] }),
  run: new Profile.RunSpec({
    argv: ["answer", "{home}/.agent/program"],
    input: "stdin-json",
    protocol: "runner-jsonl",
    wallTimeout: Duration.minutes(10),
    idleTimeout: Duration.minutes(2)
  })
})

/** The request that an agent program reads. */
export const RunnerRequest = Schema.fromJsonString(
  Schema.Struct({
    id: Schema.String,
    query: Schema.String,
    timeoutMs: Schema.Finite,
    session: Schema.optionalKey(Schema.String),
    model: Schema.optionalKey(Schema.String),
    maxIterations: Schema.optionalKey(Schema.Finite)
  })
)

export const out = (text: string): Sandbox.ProcessEvent => ({ _tag: "Stdout", text })
export const exit = (exitCode: number): Sandbox.ProcessEvent => ({ _tag: "Exit", exitCode })

/** One line of the runner's protocol. */
export const line = (value: unknown): Sandbox.ProcessEvent => out(`${JSON.stringify(value)}\n`)

/** The line with which a runner ends. */
export const resultLine = (answer: string, outcome = "ok"): Sandbox.ProcessEvent =>
  line({ type: "result", outcome, answer })

/** What the events of a log say, with their numbers. */
export const said = (records: ReadonlyArray<AgentEvent.EventRecord>) =>
  records.map(({ event, seq }) =>
    event.type === "result" ? `${seq} ${event.answer}` : `${seq} ${"text" in event ? event.text : event.type}`
  )

/** A thought, and after `delay` the answer. */
export const answers = (answer: string, delay: Duration.Input = 0): MemorySandboxes.Program =>
  Stream.concat(
    Stream.make(line({ type: "event", event: { type: "thinking", message: "hm" } })),
    Stream.fromEffect(Effect.delay(Effect.succeed(resultLine(answer)), delay))
  )

/** A thought, and then a result of that outcome. */
export const ends = (outcome: string, error: string): MemorySandboxes.Program =>
  Stream.make(
    line({ type: "event", event: { type: "thinking", message: "hm" } }),
    line({ type: "result", outcome, answer: "", error })
  )

/** A program that shows that it is up and then works for ever. */
export const hangs: MemorySandboxes.Program = Stream.concat(
  Stream.make(line({ type: "ready", agent: "tiny" })),
  Stream.never
)

/** A question that takes this long to answer. */
export const taking = (millis: number, name = ""): string => `${name} in ${millis} millis`

/** What the program `answer` does with a question, unless a test says otherwise: it takes the time that it names. */
const byText = (text: string): MemorySandboxes.Program => {
  const [, millis = "0"] = /in (\d+) millis$/.exec(text) ?? []
  return answers(`re: ${text}`, Duration.millis(Number(millis)))
}

/** The programs by name, each in place of the ordinary one. */
interface Programs {
  readonly prepare?:
    | ((command: Sandbox.Command, machine: MemorySandboxes.Machine) => MemorySandboxes.Program)
    | undefined
  readonly check?:
    | ((command: Sandbox.Command, machine: MemorySandboxes.Machine) => MemorySandboxes.Program)
    | undefined
  /** Nothing for the ordinary answer. */
  readonly answer?:
    | ((
        text: string,
        command: Sandbox.Command,
        machine: MemorySandboxes.Machine
      ) => MemorySandboxes.Program | undefined)
    | undefined
  /** Any other; there is none of the name when it gives nothing. */
  readonly other?: MemorySandboxes.Options["run"]
}

const exits = (): MemorySandboxes.Program => Stream.make(exit(0))

/** Runs the programs of {@link tiny}. */
const run =
  (programs: Programs = {}): NonNullable<MemorySandboxes.Options["run"]> =>
  (command, machine) => {
    if ("script" in command) return undefined
    const { answer, check = exits, other, prepare = exits } = programs
    switch (command.argv[0]) {
      case "prepare":
        return prepare(command, machine)
      case "check":
        return check(command, machine)
      case "answer": {
        const text = Schema.decodeUnknownSync(RunnerRequest)(command.stdin).query
        return answer?.(text, command, machine) ?? byText(text)
      }
      default:
        return other?.(command, machine)
    }
  }

/** What a test sets differently. */
export interface Options extends Omit<MemorySandboxes.Options, "run">, Programs {
  readonly profiles?: ReadonlyArray<Profile.Profile> | undefined
  readonly settings?: Readonly<Record<string, unknown>> | undefined
  readonly isolation?: Sandboxes.Isolation | undefined
  readonly intents?:
    | ((intents: LaunchIntents.LaunchIntents["Service"]) => Partial<LaunchIntents.LaunchIntents["Service"]>)
    | undefined
  readonly store?:
    | ((store: StateStore.StateStore["Service"]) => Partial<StateStore.StateStore["Service"]>)
    | undefined
}

/** The orchestrator over sandboxes in memory. */
export const layer = (options: Options = {}) => {
  const { intents = () => ({}), isolation, profiles = [tiny], settings, store = () => ({}) } = options
  const memory = MemorySandboxes.layer({ ...options, run: run(options) })
  const sandboxes =
    isolation === undefined
      ? memory
      : Layer.provideMerge(
          Layer.effect(
            Sandboxes.Sandboxes,
            Effect.map(Sandboxes.Sandboxes, (service) => ({ ...service, isolation }))
          ),
          memory
        )
  const configured = RemoteAgentConfig.layerFrom({ REMOTE_AGENT_PROFILE: "tiny", ...settings })
  return Orchestrator.layerNoDeps.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        sandboxes,
        AgentRuntime.layer,
        SnapshotIndex.layerMemory,
        Layer.provideMerge(Profiles.layerFrom(profiles), configured),
        Layer.effectContext(
          Effect.map(MemoryStateStore.make, (made) =>
            Context.make(StateStore.StateStore, { ...made.store, ...store(made.store) }).pipe(
              Context.add(Leases.Leases, made.leases),
              Context.add(RunStore.RunStore, made.runs),
              Context.add(SharedLimits.SharedLimits, made.limits)
            )
          )
        ),
        Layer.effect(
          LaunchIntents.LaunchIntents,
          Effect.map(LaunchIntents.makeMemory, (service) => ({ ...service, ...intents(service) }))
        )
      )
    )
  )
}

/** A fault that hits the calls of one kind, all of them or only the `nth`, counted from 0. */
export const faultAt = (
  operation: SandboxError.Operation,
  reason: SandboxError.Reason,
  nth?: number
): NonNullable<MemorySandboxes.Options["fault"]> => {
  let seen = 0
  return (call) => {
    if (call.operation !== operation) return undefined
    return nth === undefined || seen++ === nth ? reason : undefined
  }
}

export const unreachable = new SandboxError.Unreachable({ sent: true })

/** Nothing runs, and no sandbox is left. */
export const nothingLeft = Effect.gen(function* () {
  const ledger = yield* MemorySandboxes.Ledger
  return { alive: (yield* ledger.alive).length, commands: yield* ledger.commands }
})

export const nothing = { alive: 0, commands: 0 }

/** Lets everything run that can run without time going by. */
const settle = Effect.replicateEffect(Effect.yieldNow, 200, { discard: true })

/** Starts an effect and lets it run as far as it can without time going by. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.tap(Effect.forkChild(effect), settle)

/** Lets time go by, and everything run that then can. */
export const pass = (duration: Duration.Input) => Effect.andThen(TestClock.adjust(duration), settle)

/** Runs an effect to its end, however long that takes on the test's clock. */
export const finish = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* start(effect)
  while (fiber.pollUnsafe() === undefined) yield* pass("1 hour")
  return yield* Fiber.join(fiber)
})

/** The virtual time that an effect takes. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [value, (yield* Clock.currentTimeMillis) - started] as const
  })

/** Remembers what it is told, in order. */
export const makeLog = <A>() =>
  Effect.map(Ref.make<ReadonlyArray<A>>([]), (ref) => ({
    tell: (value: A) => Ref.update(ref, (all) => [...all, value]),
    all: Ref.get(ref)
  }))

/** Where a test can see what was logged, as one line of text each. */
export class Logged extends Context.Service<Logged, { readonly lines: Array<string> }>()("test/Logged") {}

/** Keeps the log for assertions, and off the screen. */
export const layerLogged = Layer.unwrap(
  Effect.sync(() => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      lines.push(`${logLevel} ${Array.isArray(message) ? message.join(" ") : String(message)}`)
    })
    return Layer.merge(Layer.succeed(Logged, { lines }), Logger.layer([logger]))
  })
)

/** The status of every agent, and why, in the order of their launches. */
export const standing: Effect.Effect<
  ReadonlyArray<string>,
  StateStoreError.StateStoreError,
  StateStore.StateStore
> = Effect.gen(function* () {
  const agents = yield* Stream.runCollect((yield* StateStore.StateStore).listAgents())
  return agents.map(({ detail, status }) => (detail === undefined ? status : `${status}: ${detail}`))
})
