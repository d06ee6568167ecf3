import { RemoteAgentConfig, Profile } from "@remote-agent/domain"
import { assert, it, vi } from "@effect/vitest"
import { describeWhere } from "#test/where"
import {
  AgentRuntime,
  LaunchIntents,
  MemoryStateStore,
  Orchestrator,
  Profiles,
  SampleProfile,
  SnapshotIndex
} from "@remote-agent/orchestrator"
import { Effect, Layer, Redacted } from "effect"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inject } from "vitest"
import { byId } from "../../support/byId.ts"

// A busy machine starts processes slowly; nothing here depends on how long they take.
vi.setConfig({ testTimeout: 180_000 })

const isolates = inject("isolations").length > 0

const key = "sk-not-a-real-key-0123456789"

/** A repository with one commit on `main`, and how to add another. */
const repository = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "set-up-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  ),
  (folder) => {
    const git = (...args: ReadonlyArray<string>) =>
      execFileSync("git", ["-C", folder, "-c", "user.name=T", "-c", "user.email=t@h.test", ...args])
    const commit = (content: string) => {
      writeFileSync(join(folder, "code"), content)
      git("add", ".")
      git("commit", "--quiet", "-m", content)
    }
    git("init", "--quiet", "-b", "main")
    commit("first")
    return { folder, commit }
  }
)

/** The sample agent with a set-up that counts its runs in a file of the sandbox, and makes files of several kinds. */
const made = Effect.gen(function* () {
  const { commit, folder } = yield* repository
  const sample = yield* SampleProfile.make
  const script = [
    'echo run >>"$1/runs"',
    'mkdir -p "$1/tree/empty"',
    'printf "\\0\\377" >"$1/tree/bytes"',
    'chmod 0640 "$1/tree/bytes"',
    'printf "#!/bin/sh\\n" >"$1/tree/run"',
    'chmod 0755 "$1/tree/run"',
    'ln -sfn bytes "$1/tree/link"',
    'if [ -n "$LEAK" ]; then printf "key=%s" "$LEAK" >"$1/leak"; fi'
  ].join("\n")
  const profile = new Profile.Profile({
    ...sample,
    name: "slow",
    assets: [...sample.assets, new Profile.Asset({ path: "{run}/secret", content: "mine", mode: "0600" })],
    source: new Profile.Source({ repository: folder, ref: "main", folder: "{home}/code" }),
    setup: [new Profile.ProfileCommand({ argv: ["bash", "-c", script, "bash", "{home}"] })],
    health: new Profile.ProfileCommand({ argv: ["test", "-x", "{home}/tree/run"] })
  })
  return { commit, profile }
})

const layer = (profile: Profile.Profile) =>
  Orchestrator.layerNoDeps.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        LocalSandboxes.layer(),
        AgentRuntime.layer,
        Profiles.layerFrom([profile]),
        RemoteAgentConfig.layerFrom({ REMOTE_AGENT_PROFILE: "slow" }),
        MemoryStateStore.layer,
        LaunchIntents.layerMemory,
        SnapshotIndex.layerMemory
      )
    )
  )

const listed = Effect.flatMap(SnapshotIndex.SnapshotIndex, ({ list }) => list)

/** Every path of the home folder with its kind, mode and content. */
const look = [
  'cd "$HOME"',
  "find . -path ./code/.git -prune -o -printf '%p %y %m %l\\n' | sort",
  "find . -path ./code/.git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum"
].join("\n")

const launched = Effect.fnUntraced(function* (
  spec: { readonly env?: Record<string, Redacted.Redacted> } = {}
) {
  const orchestrator = yield* byId
  const { binding, id } = yield* orchestrator.launchScoped(spec)
  assert(binding !== undefined)
  const { sandbox } = yield* (yield* Sandboxes.Sandboxes).connect(binding.sandboxId, "10 minutes")
  const shown = (script: string) => Effect.map(sandbox.exec({ script }), ({ stdout }) => stdout)
  return { id, shown, sandbox }
})

describeWhere(isolates, "no isolation works here")("A kept set-up, in sandboxes on this machine", () => {
  it.live(
    "gives the second agent the same files, without a run, and nothing of what the first was asked",
    () =>
      Effect.gen(function* () {
        const { profile } = yield* made
        yield* Effect.gen(function* () {
          const orchestrator = yield* byId
          const first = yield* launched()
          const before = yield* first.shown(look)
          yield* orchestrator.query(first.id, "What was Tesla's revenue in 2024?", { session: "s" })
          const second = yield* launched()
          assert.strictEqual(yield* second.shown(look), before)
          assert.include(before, "./tree/bytes f 640")
          assert.strictEqual(yield* second.shown("cat runs"), "run\n")
          const { answer } = yield* orchestrator.query(second.id, "What was Tesla's revenue in 2024?")
          assert.include(answer, "97,690")
          assert.lengthOf(yield* listed, 1)
        }).pipe(Effect.scoped, Effect.provide(layer(profile)))
      }).pipe(Effect.scoped)
  )

  it.live("is not used for another commit of a branch of a repository on this machine", () =>
    Effect.gen(function* () {
      const { commit, profile } = yield* made
      yield* Effect.gen(function* () {
        const first = yield* launched()
        assert.strictEqual(yield* first.shown("cat code/code"), "first")
        commit("second")
        const second = yield* launched()
        assert.strictEqual(yield* second.shown("cat code/code"), "second")
        assert.lengthOf(yield* listed, 2)
      }).pipe(Effect.scoped, Effect.provide(layer(profile)))
    }).pipe(Effect.scoped)
  )

  it.live("is not made of a sandbox in which a file holds a key of the launch", () =>
    Effect.gen(function* () {
      const { profile } = yield* made
      yield* Effect.gen(function* () {
        yield* launched({ env: { LEAK: Redacted.make(key) } })
        assert.deepStrictEqual(yield* listed, [])
        // The same key in the environment alone does no harm.
        yield* launched({ env: { OTHER: Redacted.make(key) } })
        assert.lengthOf(yield* listed, 1)
      }).pipe(Effect.scoped, Effect.provide(layer(profile)))
    }).pipe(Effect.scoped)
  )

  it.live("that is broken is given up for a launch that sets up", () =>
    Effect.gen(function* () {
      const { profile } = yield* made
      yield* Effect.gen(function* () {
        const [sandboxes, cache] = [yield* Sandboxes.Sandboxes, yield* SnapshotIndex.SnapshotIndex]
        yield* launched()
        const [entry] = yield* listed
        assert(entry !== undefined)
        const empty = yield* sandboxes.create({ ttl: "10 minutes" })
        const { template } = yield* sandboxes.snapshot(empty.id)
        yield* cache.remove(entry)
        yield* cache.add({ ...entry, template })
        const second = yield* launched()
        assert.strictEqual(yield* second.shown("cat runs"), "run\n")
        const entries = yield* listed
        assert.lengthOf(entries, 1)
        assert.notStrictEqual(entries[0]?.template, template)
      }).pipe(Effect.scoped, Effect.provide(layer(profile)))
    }).pipe(Effect.scoped)
  )
})
