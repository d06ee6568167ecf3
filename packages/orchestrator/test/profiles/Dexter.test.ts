import { E2bServer } from "@remote-agent/e2b-local"
import { assert, it, vi } from "@effect/vitest"
import { describeWhere } from "#test/where"
import { type AgentEvent, RemoteAgentConfig, Id, Profile } from "@remote-agent/domain"
import {
  AgentRuntime,
  DexterProfile,
  EventReader,
  LaunchIntents,
  MemoryStateStore,
  Orchestrator,
  Profiles,
  type QueryCommand
} from "@remote-agent/orchestrator"
import * as dexterRepository from "../support/dexterRepository.ts"
import * as llmServer from "../support/llmServer.ts"
import { Context, Effect, Fiber, Layer, Stream } from "effect"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { inject } from "vitest"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { of } from "../support/byId.ts"

// A busy machine starts processes slowly; nothing here depends on how long they take.
vi.setConfig({ testTimeout: 180_000 })

const isolates = inject("isolations").length > 0

const key = "sk-not-a-real-key-0123456789"

const node = (
  argv: readonly [string, ...ReadonlyArray<string>]
): readonly [string, ...ReadonlyArray<string>] => [
  "node",
  ...argv.slice(1).filter((argument) => !["--no-install", "--no-env-file"].includes(argument))
]

/** The profile as it is, but with this repository, and with Node.js in the place of Bun. */
const onNode = (profile: Profile.Profile, repository: string, ref: string): Profile.Profile => {
  const { health, run, source } = profile
  assert(source !== undefined)
  return new Profile.Profile({
    ...profile,
    source: new Profile.Source({ ...source, repository, ref }),
    needs: [],
    setup: [],
    health: new Profile.ProfileCommand({ ...health, argv: node(health.argv) }),
    run: new Profile.RunSpec({ ...run, argv: node(run.argv) })
  })
}

/** The arguments of every process on this machine. */
const argumentsOfAll = (): ReadonlyArray<string> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, "utf8")]
      } catch {
        return []
      }
    })

/** What a model does that is asked for the price of a share. */
const priceScript: llmServer.Script = ({ toolResults }) =>
  toolResults === 0
    ? { tool: "get_market_data", args: { ticker: "AAPL" }, text: "Let me look." }
    : { text: "It is 271.5." }

/** A sandbox with the agent in it, set up and healthy, whose model follows the script. */
const launched = Effect.fnUntraced(function* (
  script: llmServer.Script,
  options: { readonly ref?: string; readonly assets?: ReadonlyArray<Profile.Asset> } = {}
) {
  const [runtime, profiles, sandboxes] = yield* Effect.all([
    AgentRuntime.AgentRuntime,
    Profiles.Profiles,
    Sandboxes.Sandboxes
  ])
  const source = yield* dexterRepository.make
  const model = yield* llmServer.make(script)
  const dexter = yield* DexterProfile.make
  const profile = onNode(
    new Profile.Profile({ ...dexter, assets: [...dexter.assets, ...(options.assets ?? [])] }),
    source.repository,
    options.ref ?? "v1.0.4"
  )
  const { env, secrets } = yield* profiles.prepare(profile)
  const sandbox = yield* sandboxes.create({
    ttl: "30 minutes",
    env: { ...env, OPENAI_BASE_URL: `${model.url}/v1` }
  })
  const place = yield* runtime.prepareFiles(sandbox, profile)
  yield* runtime.setUp(place)
  yield* runtime.checkHealth(place)
  const ask = Effect.fnUntraced(function* (text: string, more: Partial<QueryCommand.Request> = {}) {
    const id = yield* Id.nextQueryId
    const events = yield* Stream.runCollect(runtime.run(place, { id, text, ...more }))
    const result = events.at(-1)
    assert(result?.type === "result")
    return { events, result }
  })
  return { ask, model, place, profile, runtime, sandbox, secrets, source }
})

const layer = Layer.mergeAll(
  AgentRuntime.layer,
  Layer.provideMerge(
    Profiles.layer(),
    RemoteAgentConfig.layerFrom({ OPENAI_API_KEY: key, DEXTER_MAX_STEPS: "3" })
  ),
  LocalSandboxes.layer()
)

const types = (events: ReadonlyArray<AgentEvent.AgentEvent>) => events.map(({ type }) => type)

describeWhere(isolates, "no isolation works here")(
  "Dexter's runner, in a sandbox on this machine, on an agent with Dexter's interface",
  () => {
    it.live("answers with its tools told live, and leaves the checkout clean and nothing running", () =>
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { ask, model, place, sandbox, source } = yield* launched(priceScript)
            const text = `What's "AAPL"? \\ $(id) {home}\n${"x".repeat(100_000)}`
            const { events, result } = yield* ask(text)
            assert.strictEqual(result.outcome, "ok", result.error)
            assert.strictEqual(result.answer, "It is 271.5.")
            assert.strictEqual(result.iterations, 2)
            assert.strictEqual(result.usage.inputTokens, 200)
            assert.deepStrictEqual(types(events), ["ready", "thinking", "tool_start", "tool_end", "result"])
            assert.include(JSON.stringify(events), "271.5")
            assert.strictEqual(model.calls[0]?.key, key)
            assert.include(JSON.parse(model.calls[0]?.conversation ?? "").at(-1).content, text)
            assert.include(model.calls[0]?.conversation, `channel headless in ${place.home}/work`)
            // The tools that write are kept from it.
            assert.deepStrictEqual(model.calls[0]?.tools, ["get_market_data"])
            const { stdout } = yield* sandbox.exec({ argv: ["git", "-C", "dexter", "status", "--porcelain"] })
            assert.strictEqual(stdout, "")
            const head = yield* sandbox.exec({ argv: ["git", "-C", "dexter", "rev-parse", "HEAD"] })
            assert.strictEqual(head.stdout.trim(), source.head)
            const left = yield* sandbox.exec({ argv: ["pgrep", "-f", "[d]exter-runner"] })
            assert.strictEqual(left.stdout, "")
          })
        )
        assert.strictEqual(yield* Effect.flatMap(E2bServer.E2bServer, (server) => server.live), 0)
      }).pipe(Effect.provide(layer))
    )

    it.live("remembers the earlier turns of a session until it is to begin anew", () =>
      Effect.gen(function* () {
        const { ask, model } = yield* launched(() => ({ text: "It is 271.5." }))
        yield* ask("AAPL?", { session: "s" })
        yield* ask("And before?", { session: "s" })
        assert.include(model.calls.at(-1)?.conversation, "AAPL?")
        yield* ask("MSFT?", { session: "s", newSession: true })
        assert.notInclude(model.calls.at(-1)?.conversation, "AAPL?")
        yield* ask("And before?", { session: "s" })
        assert.notInclude(model.calls.at(-1)?.conversation, "AAPL?")
        assert.include(model.calls.at(-1)?.conversation, "MSFT?")
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live(
      "shows its key to nobody: not in arguments, not in files, and not in events when its model says it",
      () =>
        Effect.gen(function* () {
          const inArguments: Array<string> = []
          const { ask, sandbox, secrets } = yield* launched(() => {
            inArguments.push(...argumentsOfAll().filter((text) => text.includes(key)))
            return { text: `The key is ${key}.` }
          })
          const { result } = yield* ask("?", { session: "s" })
          assert.lengthOf(inArguments, 0)
          const { read } = yield* EventReader.make({ protocol: "runner-jsonl", secrets })
          yield* read({ _tag: "Stdout", text: JSON.stringify(result) })
          const shown = JSON.stringify(yield* read({ _tag: "Exit", exitCode: 0 }))
          assert.notInclude(shown, key)
          assert.include(shown, "The key is ***.")
          // What the model says is in its session and in the output of its query, from which its events can be had
          // again, until the next query. Nothing else has it: no input, no command and no other file.
          const holders = Effect.map(
            sandbox.exec({ argv: ["grep", "-rl", key, "/home/user", "/tmp"] }),
            ({ stdout }) =>
              stdout
                .split("\n")
                .filter((path) => path !== "" && !path.startsWith("/home/user/work/.dexter/remote-sessions/"))
          )
          const [output = "", ...others] = yield* holders
          assert.match(output, /^\/home\/user\/\.remote-agent\/jobs\/qry_\w+\/stdout$/)
          assert.deepStrictEqual(others, [])
          yield* ask("again")
          const [next = "", ...rest] = yield* holders
          assert.deepStrictEqual(rest, [])
          assert.notStrictEqual(next, output)
        }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live(
      "tells an error, a denied tool, an end of steps and silence apart, and none of them is an answer",
      () =>
        Effect.gen(function* () {
          const { ask } = yield* launched(({ conversation, index }) => {
            if (conversation.includes("bad key")) return { status: 401, message: "the key is invalid" }
            if (conversation.includes("for ever"))
              return { tool: "get_market_data", args: { ticker: String(index) } }
            if (conversation.includes("write"))
              return { tool: "write_file", args: { path: "a", content: "b" } }
            return { text: "" }
          })
          const outcome = (text: string) =>
            Effect.map(ask(text), ({ result }) => [result.outcome, result.answer, result.error] as const)
          assert.deepStrictEqual(yield* outcome("bad key"), ["error", "", "[LLM] the key is invalid"])
          assert.deepStrictEqual(yield* outcome("for ever"), [
            "max_iterations",
            "",
            "Reached maximum iterations (3)."
          ])
          assert.strictEqual((yield* outcome("write"))[0], "denied")
          assert.strictEqual((yield* outcome("say nothing"))[0], "empty")
        }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live("ends when it is asked to while its model hangs, with a result", () =>
      Effect.gen(function* () {
        const asked = Promise.withResolvers<void>()
        const { ask, sandbox } = yield* launched(() => {
          asked.resolve()
          return { after: new Promise(() => {}), reply: { text: "never" } }
        })
        const fiber = yield* Effect.forkScoped(ask("?"))
        yield* Effect.promise(() => asked.promise)
        yield* sandbox.exec({ argv: ["pkill", "-TERM", "-f", "[d]exter-runner"] })
        const { result } = yield* Fiber.join(fiber)
        // The runtime knows no other cause than the limit of time.
        assert.strictEqual(result.outcome, "timeout")
        assert.strictEqual(result.answer, "")
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live("remembers the turns of a session, and of no other, and survives a broken session file", () =>
      Effect.gen(function* () {
        const { ask, model, sandbox } = yield* launched(({ index }) => ({ text: `answer ${index}` }))
        yield* ask("first", { session: "../s 1" })
        const second = yield* ask("second", { session: "../s 1" })
        assert.strictEqual(second.result.outcome, "ok", second.result.error)
        assert.strictEqual(second.result.sessionId, "../s 1")
        assert.include(model.calls[1]?.conversation, "answer 0")
        yield* ask("third", { session: "s 2" })
        assert.notInclude(model.calls[2]?.conversation, "answer")
        const folder = "work/.dexter/remote-sessions"
        const files = yield* sandbox.files.list(folder)
        assert.lengthOf(files, 2)
        yield* Effect.forEach(files, ({ path }) => sandbox.files.write(path, "{"), { discard: true })
        const { events, result } = yield* ask("fourth", { session: "s 2" })
        assert.strictEqual(result.outcome, "ok")
        assert.include(types(events), "notice")
        assert.isTrue((yield* sandbox.files.list(folder)).some(({ name }) => name.includes("corrupt")))
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live(
      "takes no notice of a .env that an earlier query left in the work folder, and refuses one beside it",
      () =>
        Effect.gen(function* () {
          const { ask, model, sandbox } = yield* launched(priceScript)
          yield* sandbox.files.write("work/.env", "OPENAI_BASE_URL=http://127.0.0.1:9/v1")
          assert.strictEqual((yield* ask("What is AAPL?")).result.outcome, "ok")
          assert.lengthOf(model.calls, 2)
          yield* sandbox.files.write(".agent/.env", "OPENAI_BASE_URL=http://127.0.0.1:9/v1")
          const { result } = yield* ask("What is AAPL?")
          assert.strictEqual(result.outcome, "error")
          assert.include(result.error, ".env")
          assert.lengthOf(model.calls, 2)
        }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live("shows the model a skill and rules of the user's own", () =>
      Effect.gen(function* () {
        const skill = new Profile.Asset({
          path: "{run}/.dexter/skills/tone/SKILL.md",
          content: "Answer in rhymes."
        })
        const rules = new Profile.Asset({ path: "{work}/.dexter/RULES.md", content: "Name your sources." })
        const { ask, model } = yield* launched(priceScript, { assets: [skill, rules] })
        yield* ask("What is AAPL?")
        assert.include(model.calls[0]?.conversation, "Answer in rhymes.")
        assert.include(model.calls[0]?.conversation, "Name your sources.")
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live(
      "sets up again without harm, updates to another ref, and goes back when that breaks its health",
      () =>
        Effect.gen(function* () {
          const { ask, place, profile, runtime, sandbox, source } = yield* launched(priceScript, {
            ref: "v1.0.3"
          })
          const at = (ref: string) => ({ ...place, profile: onNode(profile, source.repository, ref) })
          const version = Effect.map(ask("What is AAPL?"), ({ events }) => {
            const [ready] = events
            return ready?.type === "ready" ? ready.version : undefined
          })
          yield* runtime.setUp(place)
          assert.strictEqual(yield* version, "1.0.3")
          const updated = yield* runtime.update(at("v1.0.4"))
          assert.strictEqual(updated.to, source.head)
          assert.notStrictEqual(updated.from, updated.to)
          assert.strictEqual(yield* version, "1.0.4")
          const error = yield* Effect.flip(runtime.update(at("broken")))
          assert.strictEqual(error.cause._tag, "CommandFailed")
          assert.isTrue(error.restored)
          assert.strictEqual(yield* version, "1.0.4")
          const nowhere = yield* Effect.flip(runtime.update(at("no-such-tag")))
          assert.strictEqual(nowhere.cause._tag, "SourceUnavailable")
          assert.isTrue(nowhere.restored)
          const { stdout } = yield* sandbox.exec({ argv: ["git", "-C", "dexter", "status", "--porcelain"] })
          assert.strictEqual(stdout, "")
        }).pipe(Effect.scoped, Effect.provide(layer))
    )
  }
)

describeWhere(isolates, "no isolation works here")(
  "a session of an agent whose code is at a branch that moves",
  () => {
    it.live("goes on after a pause and an update of the code", () =>
      Effect.gen(function* () {
        const source = yield* dexterRepository.make
        const branch = (tag: string) =>
          execFileSync("git", ["-C", fileURLToPath(source.repository), "update-ref", "refs/heads/used", tag])
        branch("v1.0.3")
        const model = yield* llmServer.make(({ index }) => ({ text: `answer ${index}` }))
        const profile = onNode(yield* DexterProfile.make, source.repository, "used")
        const services = yield* Layer.build(
          Orchestrator.layerNoDeps.pipe(
            Layer.provideMerge(
              Layer.mergeAll(
                LocalSandboxes.layer(),
                AgentRuntime.layer,
                Profiles.layerFrom([new Profile.Profile({ ...profile, egress: { setup: [], run: [] } })]),
                MemoryStateStore.layer,
                LaunchIntents.layerMemory,
                RemoteAgentConfig.layerFrom({})
              )
            )
          )
        )
        const orchestrator = of(Context.get(services, Orchestrator.Orchestrator))
        const { id } = yield* orchestrator.launch({
          profile: "dexter",
          env: { OPENAI_API_KEY: key, OPENAI_BASE_URL: `${model.url}/v1` }
        })
        const ask = Effect.fnUntraced(function* (text: string, session: string) {
          const events = yield* Stream.runCollect(orchestrator.stream(id, text, { session }))
          const ready = events.find(({ event }) => event.type === "ready")?.event
          assert.deepInclude(events.at(-1)?.event, { type: "result", outcome: "ok" })
          return ready?.type === "ready" ? ready.version : undefined
        })
        assert.strictEqual(yield* ask("first", "s"), "1.0.3")
        yield* orchestrator.pause(id)
        yield* orchestrator.resume(id)
        assert.strictEqual(yield* ask("second", "s"), "1.0.3")
        assert.include(model.calls.at(-1)?.conversation, "answer 0")
        branch("v1.0.4")
        assert.strictEqual((yield* orchestrator.update(id)).to, source.head)
        assert.strictEqual(yield* ask("third", "s"), "1.0.4")
        for (const said of ["first", "answer 0", "second", "answer 1"]) {
          assert.include(model.calls.at(-1)?.conversation, said)
        }
        yield* ask("fourth", "another")
        assert.notInclude(model.calls.at(-1)?.conversation, "answer 0")
        yield* orchestrator.terminate(id)
        assert.strictEqual(yield* Context.get(services, E2bServer.E2bServer).live, 0)
      }).pipe(Effect.scoped)
    )
  }
)

/** The Python version is too old to be fetched here: the same package, with an agent that is as noisy. */
const python = (source: Profile.Source) =>
  Effect.gen(function* () {
    const runtime = yield* AgentRuntime.AgentRuntime
    const made = yield* DexterProfile.makePython
    const profile = new Profile.Profile({
      ...made,
      source,
      needs: [new Profile.Tool({ name: "python3", min: "3.8" })],
      setup: [],
      health: new Profile.ProfileCommand({ argv: ["{run}/bin/python3", "--version"] }),
      run: new Profile.RunSpec({ ...made.run, argv: ["{run}/bin/python3", "{run}/dexter-runner.py", "-"] })
    })
    const sandbox = yield* (yield* Sandboxes.Sandboxes).create({
      ttl: "30 minutes",
      env: { DEXTER_MAX_ITERATIONS: "7" }
    })
    const place = yield* runtime.prepareFiles(sandbox, profile)
    yield* runtime.setUp(place)
    return (text: string) =>
      Effect.gen(function* () {
        const events = yield* Stream.runCollect(runtime.run(place, { id: yield* Id.nextQueryId, text }))
        const result = events.at(-1)
        assert(result?.type === "result")
        return { result, events }
      })
  })

describeWhere(isolates, "no isolation works here")(
  "the runner of the Python version, on a package of the same interface",
  () => {
    it.live("keeps its noise from the answer, and tells silence and an exception apart", () =>
      Effect.gen(function* () {
        const { repository } = yield* dexterRepository.make
        const ask = yield* python(new Profile.Source({ repository, ref: "python", folder: "{home}/dexter" }))
        const { events, result } = yield* ask("steps")
        assert.deepStrictEqual([result.outcome, result.answer], ["ok", "7 steps, 5 for a task: “steps”"])
        assert.deepStrictEqual(types(events), ["ready", "result"])
        assert.strictEqual((yield* ask("nothing")).result.outcome, "empty")
        const failed = yield* ask("fail")
        assert.deepStrictEqual([failed.result.outcome, failed.result.error], ["crash", "ValueError: no"])
      }).pipe(Effect.scoped, Effect.provide(layer))
    )
  }
)
