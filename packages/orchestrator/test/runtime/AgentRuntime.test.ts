import { assert, describe, it } from "@effect/vitest"
import { Id, Profile } from "@remote-agent/domain"
import { AgentRuntime, SampleProfile } from "@remote-agent/orchestrator"
import { MemorySandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Duration, Effect, Fiber, Layer, Schema, Stream } from "effect"
import {
  answers,
  exit,
  hangs,
  line,
  nothing,
  nothingLeft,
  out,
  pass,
  resultLine,
  RunnerRequest,
  start,
  tiny
} from "../support/support.ts"

const layer = (run: NonNullable<MemorySandboxes.Options["run"]>) =>
  Layer.mergeAll(MemorySandboxes.layer({ run }), AgentRuntime.layer)

const placed = Effect.fnUntraced(function* (profile: Profile.Profile, env: Sandbox.SandboxSpec["env"] = {}) {
  const sandbox = yield* (yield* Sandboxes.Sandboxes).create({ ttl: "1 day", env })
  return yield* (yield* AgentRuntime.AgentRuntime).prepareFiles(sandbox, profile)
})

const claudeResult = (text: string) => line({ type: "result", subtype: "success", result: text })

const later = (event: Sandbox.ProcessEvent, by: Duration.Input) =>
  Stream.fromEffect(Effect.delay(Effect.succeed(event), by))

const request = Effect.map(Id.nextQueryId, (id) => ({ id, text: "why?" }))

/** Runs commands like `record`, which is told of each, and ends them with what it says. */
const recording = (
  commands: Array<Sandbox.Command>,
  program: (command: Sandbox.Command) => MemorySandboxes.Program = () => Stream.make(exit(0))
) =>
  layer((command) => {
    commands.push(command)
    return program(command)
  })

const programOf = (command: Sandbox.Command): string => ("argv" in command ? command.argv[0] : "")

describe("AgentRuntime.prepareFiles", () => {
  it.effect("places every asset at the path that its placeholders name, and makes the work folder", () =>
    Effect.gen(function* () {
      const profile = new Profile.Profile({
        ...tiny,
        work: "{home}/deep/work",
        assets: [
          new Profile.Asset({ path: "{home}/.agent/a", content: "{home} stays in the content\n" }),
          new Profile.Asset({ path: "/opt/b", content: "“é”" })
        ]
      })
      const { home, sandbox } = yield* placed(profile)
      assert.strictEqual(home, MemorySandboxes.home)
      assert.strictEqual(yield* sandbox.files.readString(`${home}/.agent/a`), "{home} stays in the content\n")
      assert.strictEqual(yield* sandbox.files.readString("/opt/b"), "“é”")
      assert.strictEqual((yield* sandbox.files.stat(`${home}/deep/work`)).type, "directory")
    }).pipe(Effect.provide(recording([])))
  )

  it.effect("places the sample agent with its figures", () =>
    Effect.gen(function* () {
      const { sandbox } = yield* placed(yield* SampleProfile.make)
      assert.include(yield* sandbox.files.readString(".agent/fundamentals.json"), "TSLA")
      assert.include(yield* sandbox.files.readString(".agent/sample-agent.mjs"), "--request")
    }).pipe(Effect.provide(recording([])))
  )
})

describe("AgentRuntime.setUp and checkHealth", () => {
  const profile = new Profile.Profile({
    ...tiny,
    setup: [
      new Profile.ProfileCommand({ argv: ["one", "{home}/x", "{{work}}", "$(date)"] }),
      new Profile.ProfileCommand({
        argv: ["{home}/bin/two"],
        cwd: "{home}/work",
        env: { WHERE: "{home}/y" },
        timeout: Duration.seconds(9)
      })
    ],
    health: new Profile.ProfileCommand({ argv: ["check", "{home}"] })
  })

  it.effect("runs the commands in their order, with placeholders, folder, environment and limit", () => {
    const commands: Array<Sandbox.Command> = []
    return Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(profile)
      yield* runtime.setUp(place)
      yield* runtime.checkHealth(place)
      assert.deepStrictEqual(commands, [
        {
          argv: ["one", "/home/user/x", "{work}", "$(date)"],
          cwd: "/home/user",
          timeouts: { wall: Duration.minutes(5) }
        },
        {
          argv: ["/home/user/bin/two"],
          cwd: "/home/user/work",
          env: { WHERE: "/home/user/y" },
          timeouts: { wall: Duration.seconds(9) }
        },
        { argv: ["check", "/home/user"], cwd: "/home/user", timeouts: { wall: Duration.minutes(5) } }
      ])
    }).pipe(Effect.provide(recording(commands)))
  })

  it.effect("stops at the first command that fails and names it with its exit code", () => {
    const commands: Array<Sandbox.Command> = []
    return Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(profile)
      const error = yield* Effect.flip(runtime.setUp(place))
      assert(error._tag === "CommandFailed")
      assert.deepStrictEqual({ ...error }.program, "one")
      assert.strictEqual(error.exitCode, 7)
      assert.lengthOf(commands, 1)
      const unhealthy = yield* Effect.flip(runtime.checkHealth(place))
      assert(unhealthy._tag === "CommandFailed")
      assert.strictEqual(unhealthy.program, "check")
    }).pipe(Effect.provide(recording(commands, () => Stream.make(exit(7)))))
  })

  it.effect("gives up a command that takes longer than its limit, and kills it", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(profile)
      const fiber = yield* start(Effect.flip(runtime.setUp(place)))
      yield* pass("9 seconds")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "SandboxError")
      assert.strictEqual(error.reason._tag, "WallTimedOut")
      assert.strictEqual(yield* (yield* MemorySandboxes.Ledger).commands, 0)
    }).pipe(
      Effect.provide(layer((command) => (programOf(command) === "one" ? Stream.make(exit(0)) : Stream.never)))
    )
  )
})

describe("AgentRuntime.run", () => {
  it.effect("puts the request on standard input as one line, and nothing of it into the arguments", () => {
    const commands: Array<Sandbox.Command> = []
    return Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(
        new Profile.Profile({
          ...tiny,
          run: new Profile.RunSpec({ ...tiny.run, env: { WHERE: "{home}" }, cwd: "{home}/.agent" })
        })
      )
      const text = "a\n'b' \"c\" $(d) {home} \u2028 🤔\\"
      const { id } = yield* request
      yield* Stream.runDrain(
        runtime.run(place, { id, text, session: "s 1", wallTimeout: Duration.minutes(1) })
      )
      const [command] = commands
      assert(command !== undefined && typeof command.stdin === "string")
      assert.strictEqual(command.stdin.indexOf("\n"), command.stdin.length - 1)
      assert.deepStrictEqual(yield* Schema.decodeEffect(RunnerRequest)(command.stdin), {
        id,
        query: text,
        session: "s 1",
        timeoutMs: 57_000
      })
      const { stdin: _, ...rest } = command
      assert.deepStrictEqual(rest, {
        argv: ["answer", "/home/user/.agent/program"],
        cwd: "/home/user/.agent",
        env: { WHERE: "/home/user" },
        timeouts: { idle: Duration.minutes(2), wall: Duration.minutes(1) }
      })
    }).pipe(Effect.provide(recording(commands, () => answers("42"))))
  })

  it.effect(
    "runs in the work folder, with the profile's limit and without a session, when nothing else is said",
    () => {
      const commands: Array<Sandbox.Command> = []
      return Effect.gen(function* () {
        const runtime = yield* AgentRuntime.AgentRuntime
        const place = yield* placed(tiny)
        yield* Stream.runDrain(runtime.run(place, yield* request))
        const [command] = commands
        assert(command !== undefined && typeof command.stdin === "string")
        assert.strictEqual(command.cwd, "/home/user/work")
        assert.isFalse("env" in command)
        assert.deepStrictEqual(command.timeouts?.wall, Duration.minutes(10))
        const read = yield* Schema.decodeEffect(RunnerRequest)(command.stdin)
        assert.isFalse("session" in read)
        assert.strictEqual(read.timeoutMs, 570_000)
      }).pipe(Effect.provide(recording(commands, () => answers("42"))))
    }
  )

  it.effect("lets the program see the sandbox's environment", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(tiny, { A_KEY: "secret" })
      const events = yield* Stream.runCollect(runtime.run(place, yield* request))
      assert.strictEqual(events.at(-1)?.type === "result" && events.at(-1)?.type, "result")
      assert.include(JSON.stringify(events), "secret")
    }).pipe(Effect.provide(layer((_, { env }) => Stream.make(resultLine(String(env["A_KEY"]))))))
  )

  it.effect("gives events as they come, and the result when the program has ended", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const seen: Array<string> = []
      const place = yield* placed(tiny)
      const events = runtime.run(place, yield* request)
      const fiber = yield* start(Stream.runForEach(events, ({ type }) => Effect.sync(() => seen.push(type))))
      yield* pass("59 seconds")
      assert.deepStrictEqual(seen, ["raw", "ready"])
      yield* pass("1 second")
      assert.deepStrictEqual(seen, ["raw", "ready"])
      yield* pass("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, ["raw", "ready", "result"])
    }).pipe(
      Effect.provide(
        layer(() =>
          Stream.make(out("noise\n"), line({ type: "ready", agent: "a" })).pipe(
            Stream.concat(Stream.fromEffect(Effect.delay(Effect.succeed(resultLine("42")), "1 minute"))),
            Stream.concat(Stream.fromEffect(Effect.delay(Effect.succeed(exit(0)), "9 seconds")))
          )
        )
      )
    )
  )

  it.effect("kills a program that is silent for too long, and one that takes too long", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(tiny)
      const ended = Effect.fnUntraced(function* (wallTimeout: Duration.Duration) {
        const events = runtime.run(place, { ...(yield* request), wallTimeout })
        const fiber = yield* start(Stream.runCollect(events))
        yield* pass("2 minutes")
        const last = (yield* Fiber.join(fiber)).at(-1)
        return last?.type === "result" ? [last.outcome, last.limit] : []
      })
      assert.deepStrictEqual(yield* ended(Duration.minutes(3)), ["timeout", "idle"])
      assert.deepStrictEqual(yield* ended(Duration.minutes(1)), ["timeout", "wall"])
      assert.strictEqual((yield* nothingLeft).commands, nothing.commands)
    }).pipe(Effect.provide(layer(() => hangs)))
  )

  it.effect("leaves the program running when its events are left, and goes on where one was", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(tiny)
      const asked = yield* request
      const [first] = yield* Stream.runCollect(Stream.take(runtime.run(place, asked), 1))
      assert.strictEqual(first?.type, "thinking")
      assert.strictEqual((yield* nothingLeft).commands, 1)
      for (const go of [runtime.run, runtime.follow]) {
        const rest = yield* start(Stream.runCollect(go(place, asked, { skip: 1 })))
        yield* pass("1 minute")
        assert.deepStrictEqual(
          (yield* Fiber.join(rest)).map(({ type }) => type),
          ["result"]
        )
      }
    }).pipe(Effect.provide(layer(() => answers("42", "1 minute"))))
  )

  it.effect("runs one program however often it is started, and follows none that was not", () => {
    const commands: Array<Sandbox.Command> = []
    return Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(tiny)
      const asked = yield* request
      const { reason } = yield* Effect.flip(Stream.runDrain(runtime.follow(place, asked)))
      assert.strictEqual(reason._tag, "FileNotFound")
      yield* runtime.start(place, asked)
      yield* runtime.start(place, asked)
      yield* Stream.runDrain(runtime.run(place, asked))
      yield* pass("1 second")
      assert.lengthOf(commands, 1)
    }).pipe(Effect.provide(recording(commands, () => answers("42"))))
  })

  it.effect("stops a program that has given its result and does not end, and says so", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(tiny)
      const events = yield* start(Stream.runCollect(runtime.run(place, yield* request)))
      yield* pass("9 seconds")
      assert.isUndefined(events.pollUnsafe())
      yield* pass("1 second")
      const [notice, result] = yield* Fiber.join(events)
      assert(notice?.type === "notice" && result?.type === "result")
      assert.strictEqual(notice.limit, "completion")
      assert.include(notice.text, "10s")
      assert.deepStrictEqual([result.outcome, result.limit], ["ok", undefined])
      assert.strictEqual((yield* nothingLeft).commands, nothing.commands)
    }).pipe(Effect.provide(layer(() => Stream.concat(Stream.make(resultLine("42")), Stream.never))))
  )

  it.effect("lets a program go on that works again after it seemed to be done", () => {
    const tasks = line({ type: "system", subtype: "background_tasks_changed", tasks: [] })
    const message = line({ type: "assistant", message: { content: [{ type: "text", text: "On." }] } })
    const program = Stream.make(tasks, claudeResult("first")).pipe(
      Stream.concat(later(message, "9 seconds")),
      Stream.concat(later(claudeResult("second"), "16 seconds")),
      Stream.concat(later(exit(0), "9 seconds"))
    )
    const run = new Profile.RunSpec({ ...tiny.run, protocol: "claude-stream-json" })
    return Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(new Profile.Profile({ ...tiny, run }))
      const events = yield* start(Stream.runCollect(runtime.run(place, yield* request)))
      yield* pass("1 minute")
      const last = (yield* Fiber.join(events)).at(-1)
      assert(last?.type === "result")
      assert.deepStrictEqual([last.outcome, last.answer], ["ok", "second"])
    }).pipe(Effect.provide(layer(() => program)))
  })

  it.effect("stops a program that runs, and knows of one that does not", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(tiny)
      const asked = yield* request
      assert.isTrue(yield* runtime.stop(place, asked.id, { startedAt: 0, isolated: true }))
      const events = yield* start(Stream.runCollect(runtime.run(place, asked)))
      assert.isTrue(yield* runtime.stop(place, asked.id, { startedAt: 0, isolated: true }))
      const last = (yield* Fiber.join(events)).at(-1)
      assert.strictEqual(last?.type === "result" && last.outcome, "crash")
      assert.strictEqual((yield* nothingLeft).commands, nothing.commands)
    }).pipe(Effect.provide(layer(() => hangs)))
  )
})
