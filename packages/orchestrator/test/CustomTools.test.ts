import { assert, describe, it, vi } from "@effect/vitest"
import { Config, Id, Profile } from "@remote-agent/domain"
import { Isolation } from "@remote-agent/e2b-local"
import { AgentRuntime, Profiles } from "@remote-agent/orchestrator"
import { Local, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Layer, Option, Stream } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

// A busy machine starts processes slowly; nothing here depends on how long they take.
vi.setConfig({ testTimeout: 120_000 })

const isolates = Option.isSome((await Effect.runPromise(Isolation.probe)).best)

const example = fileURLToPath(new URL("../../../examples/custom-tools/", import.meta.url))

const settings = JSON.parse(readFileSync(`${example}/remote-agent.json`, "utf8"))

const layer = Layer.mergeAll(
  AgentRuntime.layer,
  Local.layer(),
  Layer.provide(
    Profiles.layer(),
    Config.layerFrom({ REMOTE_AGENT_PROFILES: JSON.stringify(settings.profiles) })
  )
)

/** The profile of the example, whose files are beside its configuration. */
const profileOf = Effect.fnUntraced(function* (name: string) {
  const profile = yield* (yield* Profiles.Profiles).get(name)
  const assets = profile.assets.map((asset) =>
    asset.file === undefined ? asset : new Profile.Asset({ ...asset, file: `${example}${asset.file}` })
  )
  return new Profile.Profile({ ...profile, assets })
})

const placed = Effect.fnUntraced(function* (profile: Profile.Profile) {
  const sandbox = yield* (yield* Sandboxes.Sandboxes).create({ ttl: "10 minutes" })
  return yield* (yield* AgentRuntime.AgentRuntime).place(sandbox, profile)
})

describe.skipIf(!isolates)("the example of custom tools", () => {
  it.live("gives the sample agent a tool, whose failure is told, and it still answers everything else", () =>
    Effect.gen(function* () {
      const runtime = yield* AgentRuntime.AgentRuntime
      const place = yield* placed(yield* profileOf("sample-with-tool"))
      yield* runtime.checkHealth(place)
      const ask = Effect.fnUntraced(function* (text: string) {
        const events = yield* Stream.runCollect(runtime.run(place, { id: yield* Id.nextQueryId, text }))
        const result = events.at(-1)
        assert(result?.type === "result")
        return {
          result,
          tools: events.flatMap((event) => ("tool" in event ? [`${event.type} ${event.tool}`] : []))
        }
      })
      const rate = yield* ask("What are 100 EUR in USD?")
      assert.strictEqual(rate.result.answer, "100 EUR are 109.00 USD.")
      assert.deepStrictEqual(rate.tools, ["tool_start exchange_rate", "tool_end exchange_rate"])
      const failed = yield* ask("What are 100 EUR in XXX?")
      assert.strictEqual(failed.result.outcome, "error")
      assert.include(failed.result.error, "XXX")
      assert.deepStrictEqual(failed.tools, ["tool_start exchange_rate", "tool_error exchange_rate"])
      assert.include((yield* ask("What was Tesla's revenue in 2024?")).result.answer, "97,690")
      yield* place.sandbox.files.write(".agent/tools/broken.mjs", "export default {}")
      const broken = yield* ask("What was Tesla's revenue in 2024?")
      assert.strictEqual(broken.result.outcome, "error")
      assert.include(broken.result.error, "broken.mjs")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("puts a skill where Dexter looks for it, with a name and a description", () =>
    Effect.gen(function* () {
      const { sandbox } = yield* placed(yield* profileOf("dexter-with-skill"))
      const skill = yield* sandbox.files.readString(".agent/.dexter/skills/dividend-check/SKILL.md")
      assert.match(skill, /^---\nname: dividend-check\ndescription: \S[^\n]+\n---\n/)
      assert.include(yield* sandbox.files.readString(".agent/dexter-runner.mjs"), "--request")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})
