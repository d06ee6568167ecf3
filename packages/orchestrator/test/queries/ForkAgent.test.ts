import { describeWhere } from "#test/where"
import { assert, describe, it } from "@effect/vitest"
import { Agent, RemoteAgentConfig, Profile } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import {
  AgentRuntime,
  ForkAgent,
  LaunchIntents,
  MemoryStateStore,
  Orchestrator,
  Profiles,
  SampleProfile
} from "@remote-agent/orchestrator"
import { Effect, Layer, Stream } from "effect"
import { LocalSandboxes, type MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { exit, layer as layerInMemory, pass, standing, start, taking, tiny } from "../support/support.ts"
import { inject } from "vitest"
import { byId } from "../support/byId.ts"

const isolates = inject("isolations").length > 0

/** An agent that makes ids of its own for its sessions, and counts the turns of each in a file. */
const talker = Effect.map(
  SampleProfile.make,
  (sample) =>
    new Profile.Profile({
      ...sample,
      name: "talker",
      assets: [
        new Profile.Asset({
          path: "{run}/talk",
          mode: "0755",
          content: [
            "#!/bin/bash",
            'id=own-$RANDOM$RANDOM; [ "$1" != --resume ] || id=$2',
            'mkdir -p "$HOME/.talk"; { cat; echo; } >>"$HOME/.talk/$id"',
            'printf \'{"answer":"%s turns","session":"%s"}\' "$(wc -l <"$HOME/.talk/$id")" "$id"'
          ].join("\n")
        })
      ],
      health: new Profile.ProfileCommand({ argv: ["true"] }),
      run: new Profile.RunSpec({
        ...sample.run,
        argv: ["{run}/talk"],
        input: "stdin-text",
        resumeArgv: ["--resume", "{session}"],
        protocol: "json-path",
        jsonPath: { answer: "$.answer", session: "$.session" }
      }),
      session: new Profile.SessionSpec({ kind: "agent-id", files: ["{home}/.talk", "{home}/not there"] })
    })
)

const layer = Layer.unwrap(
  Effect.gen(function* () {
    const profiles = [yield* SampleProfile.make, yield* talker]
    return Orchestrator.layerNoDeps.pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          LocalSandboxes.layer(),
          AgentRuntime.layer,
          Profiles.layerFrom(profiles),
          RemoteAgentConfig.layerFrom({}),
          MemoryStateStore.layer,
          LaunchIntents.layerMemory
        )
      )
    )
  })
)

const scopedFork = Effect.fnUntraced(function* (id: Agent.Agent["id"], options?: ForkAgent.ForkOptions) {
  const { fork, terminate } = yield* byId
  return yield* Effect.acquireRelease(fork(id, options), (forked) => Effect.ignore(terminate(forked.id)))
})

const sandboxOf = Effect.fnUntraced(function* ({ binding }: Agent.Agent) {
  assert(binding !== undefined)
  return (yield* (yield* Sandboxes.Sandboxes).connect(binding.sandboxId, "10 minutes")).sandbox
})

describeWhere(isolates, "no isolation works here")("Orchestrator.fork, in sandboxes on this machine", () => {
  it.live(
    "gives another agent what was said, and the two go apart from then on",
    () =>
      Effect.gen(function* () {
        yield* Effect.gen(function* () {
          const { launchScoped, query } = yield* byId
          const first = yield* launchScoped({ labels: { team: "a" } })
          const session = "s"
          yield* query(first.id, "What was Tesla's revenue in 2024?", { session })
          // Any bytes, and only what holds the conversations.
          const files = (yield* sandboxOf(first)).files
          const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256)
          yield* files.write("work/.sample/a 'b'\n", bytes)
          yield* files.write("work/other", "not taken along")
          const second = yield* scopedFork(first.id, { name: Agent.AgentName.make("second") })
          assert.notStrictEqual(second.id, first.id)
          assert.strictEqual(second.name, "second")
          assert.deepStrictEqual(second.labels, { team: "a" })
          const theirs = (yield* sandboxOf(second)).files
          assert.deepStrictEqual(yield* theirs.read("work/.sample/a 'b'\n"), bytes)
          const { reason } = yield* Effect.flip(theirs.stat("work/other"))
          assert.strictEqual(reason._tag, "FileNotFound")
          const { answer } = yield* query(second.id, "and the year before?", { session })
          assert.include(answer, "2023")
          yield* query(first.id, "What was Apple's revenue in 2022?", { session })
          assert.include((yield* query(second.id, "and the year before?", { session })).answer, "2022")
          // Nothing of how it was done is left.
          for (const all of [files, theirs]) {
            assert.isFalse((yield* all.list(".agent")).some(({ name }) => name.endsWith(".tar")))
          }
        }).pipe(Effect.scoped)
        assert.strictEqual(yield* Effect.flatMap(E2bServer.E2bServer, (server) => server.live), 0)
      }).pipe(Effect.provide(layer)),
    { timeout: 180_000 }
  )

  it.live(
    "keeps the agent's own ids of its sessions, also when nothing was said yet",
    () =>
      Effect.gen(function* () {
        const { launchScoped, query } = yield* byId
        const first = yield* launchScoped({ profile: "talker" })
        const empty = yield* scopedFork(first.id)
        assert.strictEqual((yield* query(empty.id, "one")).answer, "1 turns")
        const { sessionId } = yield* query(first.id, "one")
        const goOn = { continue: true }
        yield* query(first.id, "two", goOn)
        const second = yield* scopedFork(first.id)
        const result = yield* query(second.id, "three", goOn)
        assert.strictEqual(result.answer, "3 turns")
        assert.strictEqual(result.sessionId, sessionId)
        assert.strictEqual((yield* query(first.id, "three", goOn)).answer, "3 turns")
        assert.strictEqual((yield* query(first.id, "another")).answer, "1 turns")
        const sandbox = yield* sandboxOf(first)
        yield* sandbox.exec({ argv: ["truncate", "-s", String(ForkAgent.limitBytes + 1), ".talk/large"] })
        const { reason } = yield* Effect.flip(scopedFork(first.id))
        assert(reason._tag === "SandboxFailed")
        assert.strictEqual(reason.cause.reason._tag, "OutputTooLarge")
        assert.lengthOf(yield* standing, 3)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    { timeout: 180_000 }
  )
})

const remembers = new Profile.Profile({
  ...tiny,
  session: new Profile.SessionSpec({ kind: "runner-file", files: ["{work}/sessions", "/etc/passwd"] })
})

/** The programs that pack and unpack, of which the second ends with this exit code. */
const packer =
  (code: number): NonNullable<MemorySandboxes.Options["run"]> =>
  (command, { files }) => {
    if (!("argv" in command)) return undefined
    const [program, , , , , file = ""] = command.argv
    if (program === "tar") return Stream.make(exit(code))
    return program === "bash" ? Stream.fromEffect(Effect.as(files.write(file, "packed"), exit(0))) : undefined
  }

describe("Orchestrator.fork", () => {
  it.effect("takes along only what is below the home folder", () =>
    Effect.sync(() => assert.deepStrictEqual(ForkAgent.pathsOf(remembers, "/home/user"), ["./work/sessions"]))
  )

  it.effect("is refused while a query runs, and then nothing is launched", () =>
    Effect.gen(function* () {
      const { fork, launch, query } = yield* byId
      const { id } = yield* launch()
      yield* start(query(id, taking(60_000)))
      const { reason } = yield* Effect.flip(fork(id))
      assert.strictEqual(reason._tag, "QueryRunning")
      assert.deepStrictEqual(yield* standing, ["active"])
      yield* pass("1 minute")
      yield* fork(id)
      assert.deepStrictEqual(yield* standing, ["active", "active"])
    }).pipe(Effect.provide(layerInMemory({ profiles: [remembers], other: packer(0) })))
  )

  it.effect("is refused for a profile that keeps no conversations", () =>
    Effect.gen(function* () {
      const { fork, launch } = yield* byId
      const { reason } = yield* Effect.flip(fork((yield* launch()).id))
      assert.strictEqual(reason._tag, "NoSessions")
      assert.deepStrictEqual(yield* standing, ["active"])
    }).pipe(Effect.provide(layerInMemory()))
  )

  it.effect("ends the second agent when the conversations cannot be put there", () =>
    Effect.gen(function* () {
      const { fork, launch } = yield* byId
      const { reason } = yield* Effect.flip(fork((yield* launch()).id))
      assert.strictEqual(reason._tag, "LaunchFailed")
      // Two that are launched in one millisecond may be listed in any order.
      assert.sameMembers([...(yield* standing)], ["active", "terminated"])
    }).pipe(Effect.provide(layerInMemory({ profiles: [remembers], other: packer(2) })))
  )
})
