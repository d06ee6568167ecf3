import { describeWhere } from "#test/where"
import { assert, describe, it, vi } from "@effect/vitest"
import { Id, Profile } from "@remote-agent/domain"
import { AgentRuntime, CodingProfiles, SetUp } from "@remote-agent/orchestrator"
import * as AgentVersion from "../../../src/runtime/setup/agentVersion.ts"
import { Effect, Layer, Stream } from "effect"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { inject } from "vitest"
import { join } from "node:path"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tiny } from "../../support/support.ts"
import { tmpdir } from "node:os"

// A busy machine starts processes slowly; nothing here depends on how long they take.
vi.setConfig({ testTimeout: 180_000 })

const isolates = inject("isolations").length > 0

describe("Version.suits", () => {
  it("compares numbers, not text, and takes the first version that is named", () => {
    assert.isTrue(AgentVersion.suits("v1.10.0", { min: "1.9.9" }))
    assert.isFalse(AgentVersion.suits("1.1.45", { min: "1.2.0" }))
    assert.isTrue(AgentVersion.suits("2.1.330 (Claude Code)", { exact: "2.1.330" }))
    assert.isTrue(AgentVersion.suits("codex-cli 0.169.0\nnode 20.1.0", { exact: "0.169.0" }))
    assert.isFalse(AgentVersion.suits("2.1.331", { exact: "2.1.33" }))
    assert.isTrue(AgentVersion.suits("3.0", { min: "2" }))
    assert.isFalse(AgentVersion.suits("no version at all", { min: "0" }))
    assert.isTrue(AgentVersion.suits("no version at all", {}))
  })
})

const layer = Layer.mergeAll(AgentRuntime.layer, LocalSandboxes.layer())

const placed = Effect.fnUntraced(function* (profile: Profile.Profile) {
  const sandbox = yield* (yield* Sandboxes.Sandboxes).create({ ttl: "10 minutes" })
  return yield* (yield* AgentRuntime.AgentRuntime).prepareFiles(sandbox, profile)
})

/** A tool that set-up can write itself, and that prints this version. */
const tool = (version: string, wanted: Partial<Profile.Tool>) =>
  new Profile.Tool({
    name: "our-tool",
    ...wanted,
    install: {
      commands: [
        new Profile.ProfileCommand({ argv: ["mkdir", "-p", `{run}/our-${version}`] }),
        new Profile.ProfileCommand({
          argv: [
            "sh",
            "-c",
            `printf '#!/bin/sh\\necho ${version}\\n' > "$1"; chmod +x "$1"`,
            "sh",
            `{run}/our-${version}/tool`
          ]
        })
      ],
      program: `{run}/our-${version}/tool`
    }
  })

const versioned = (version: string) =>
  new Profile.Profile({
    ...tiny,
    needs: [tool(version, { exact: version })],
    assets: [new Profile.Asset({ path: "{run}/file", content: version })],
    setup: [],
    health: new Profile.ProfileCommand({ argv: ["sh", "-c", "! grep -q 2.0.0 .agent/file"] })
  })

const saying = (text: string) =>
  new Profile.Profile({
    ...tiny,
    health: new Profile.ProfileCommand({ argv: ["printf", "noise\\n%s\\n", text] }),
    healthPath: "$.ok"
  })

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "assets-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

describeWhere(isolates, "no isolation works here")("SetUp, in a sandbox on this machine", () => {
  it.live(
    "takes a tool that is on the PATH, installs one that is not, and names one that cannot be had",
    () =>
      Effect.gen(function* () {
        const runtime = yield* AgentRuntime.AgentRuntime
        const needs = [new Profile.Tool({ name: "git", min: "1.0" }), tool("1.4.5", { min: "1.2.0" })]
        const place = yield* placed(new Profile.Profile({ ...tiny, needs, setup: [] }))
        yield* runtime.setUp(place)
        const run = (name: string) =>
          Effect.map(
            place.sandbox.exec({ argv: [`${place.home}/.agent/bin/${name}`, "--version"] }),
            (ended) => ended.stdout
          )
        assert.include(yield* run("git"), "git version")
        assert.strictEqual(yield* run("our-tool"), "1.4.5\n")

        const missing = Effect.fnUntraced(function* (wanted: Profile.Tool) {
          const profile = new Profile.Profile({ ...tiny, needs: [wanted], setup: [] })
          const error = yield* Effect.flip(runtime.setUp({ ...place, profile }))
          assert(error._tag === "ToolMissing")
          return [error.tool, error.needed]
        })
        assert.deepStrictEqual(yield* missing(new Profile.Tool({ name: "nowhere-to-be-found" })), [
          "nowhere-to-be-found",
          ""
        ])
        assert.deepStrictEqual(yield* missing(new Profile.Tool({ name: "git", min: "999.0" })), [
          "git",
          "999.0 or newer"
        ])
        // What is installed is looked at too.
        assert.deepStrictEqual(yield* missing(tool("1.1.0", { exact: "1.2.0" })), ["our-tool", "1.2.0"])
      }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("goes back to the tool and the files of before when an update breaks the health check", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(versioned("1.0.0"))
      yield* runtime.setUp(place)
      yield* runtime.checkHealth(place)
      const error = yield* Effect.flip(runtime.update({ ...place, profile: versioned("2.0.0") }))
      assert.strictEqual(error.cause._tag, "CommandFailed")
      assert.isTrue(error.restored)
      const { stdout } = yield* place.sandbox.exec({ argv: [".agent/bin/our-tool"] })
      assert.strictEqual(stdout, "1.0.0\n")
      assert.strictEqual(yield* place.sandbox.files.readString(".agent/file"), "1.0.0")
      yield* runtime.update({ ...place, profile: versioned("3.0.0") })
      assert.strictEqual((yield* place.sandbox.exec({ argv: [".agent/bin/our-tool"] })).stdout, "3.0.0\n")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("believes a health check that says more than its exit code", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(tiny)
      yield* runtime.checkHealth({ ...place, profile: saying('{"ok":true}') })
      for (const text of ['{"ok":false}', '{"ok":"true"}', "ok", ""]) {
        const error = yield* Effect.flip(runtime.checkHealth({ ...place, profile: saying(text) }))
        assert.strictEqual(error._tag, "CommandFailed")
      }
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("runs a program of the user's own that is a file here, and names one that is not", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const folder = yield* temporary
      const file = join(folder, "mine.sh")
      writeFileSync(file, '#!/bin/sh\nread -r question\necho "You asked: $question" \n')
      const { custom } = CodingProfiles
      const asset = new Profile.Asset({ path: "{run}/agent", file, mode: "0755" })
      const place = yield* placed(new Profile.Profile({ ...custom, assets: [asset] }))
      yield* runtime.setUp(place)
      yield* runtime.checkHealth(place)
      const text = "what's $(id)?"
      const events = yield* Stream.runCollect(runtime.run(place, { id: yield* Id.nextQueryId, text }))
      const result = events.at(-1)
      assert(result?.type === "result")
      assert.strictEqual(result.answer, `You asked: ${text}`)
      rmSync(file)
      const error = yield* Effect.flip(runtime.prepareFiles(place.sandbox, place.profile))
      assert(error._tag === "AssetUnreadable")
      assert.strictEqual({ ...error }.file, file)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})

describe("SetUp.fingerprint", () => {
  it("is the same for what set-up leaves the same, and nothing for what may not be shared", () => {
    const profile = new Profile.Profile({ ...tiny, cacheable: true })
    const of = (change: Partial<Profile.Profile>) =>
      SetUp.fingerprint(new Profile.Profile({ ...profile, ...change }))
    assert.strictEqual(of({ description: "other" }), of({}))
    assert.notStrictEqual(of({ setup: [] }), of({}))
    assert.notStrictEqual(of({ work: "{home}/elsewhere" }), of({}))
    assert.isUndefined(of({ cacheable: false }))
    assert.isUndefined(of({ assets: [new Profile.Asset({ path: "a", file: "b" })] }))
  })
})
