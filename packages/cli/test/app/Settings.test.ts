import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { Effect, Layer } from "effect"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Settings from "../../src/app/Settings.ts"
import { host } from "../support/host.ts"
import { folder } from "../support/support.ts"

const put = (cwd: string, name: string, text: string) =>
  Effect.promise(() => writeFile(join(cwd, name), text))

const all = (
  cwd: string,
  { env = {}, flags = {} }: { readonly env?: Record<string, string>; readonly flags?: Settings.Flags } = {}
) =>
  Effect.gen(function* () {
    const sources = Settings.preferring("a flag", flags, yield* Settings.make())
    return yield* Effect.provide(RemoteAgentConfig.RemoteAgentConfig, Settings.layerOf(sources))
  }).pipe(Effect.provide(Layer.mergeAll(NodeServices.layer, host(cwd, env))))

const read = (...[cwd, options]: Parameters<typeof all>) =>
  Effect.map(all(cwd, options), ({ REMOTE_AGENT_PROFILE }) => REMOTE_AGENT_PROFILE)

const name = "REMOTE_AGENT_PROFILE"

describe("Settings", () => {
  it.effect("reads profiles and prices as they stand in remote-agent.json", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const prices = { "gpt-5": { input: 1, output: 8 } }
      yield* put(
        cwd,
        "remote-agent.json",
        `{
          // Comments and trailing commas are allowed.
          "$schema": "./schema.json",
          "profiles": { "mine": { "extends": "sample" } },
          "prices": ${JSON.stringify(prices)},
        }`
      )
      const { REMOTE_AGENT_PRICES, REMOTE_AGENT_PROFILES } = yield* all(cwd)
      assert.deepStrictEqual({ ...REMOTE_AGENT_PRICES["gpt-5"] }, prices["gpt-5"])
      assert.deepStrictEqual(REMOTE_AGENT_PROFILES, { mine: { extends: "sample" } })
      yield* put(cwd, "remote-agent.json", JSON.stringify({ prices: { "gpt-5": { input: 1 } } }))
      const { problems } = yield* Effect.flip(all(cwd))
      assert.deepStrictEqual(
        problems.map((problem) => problem.name),
        ["REMOTE_AGENT_PRICES"]
      )
    })
  )

  it.effect("takes flags over the environment over .env over remote-agent.json over the default", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      assert.strictEqual(yield* read(cwd), "sample")
      yield* put(cwd, "remote-agent.json", JSON.stringify({ [name]: "file" }))
      assert.strictEqual(yield* read(cwd), "file")
      yield* put(cwd, ".env", `# a comment\n${name}="dotenv"\n`)
      assert.strictEqual(yield* read(cwd), "dotenv")
      assert.strictEqual(yield* read(cwd, { env: { [name]: "env" } }), "env")
      assert.strictEqual(yield* read(cwd, { env: { [name]: "env" }, flags: { [name]: "flag" } }), "flag")
    })
  )

  it.effect(
    "names everything at once: a file that cannot be used, a setting that there is not, a value that is none",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const problems = Effect.map(Effect.flip(read(cwd)), (error) =>
          error.problems.map((problem) => problem.name)
        )
        yield* put(cwd, "remote-agent.json", "{,}")
        assert.deepStrictEqual(yield* problems, ["remote-agent.json:1:2"])
        yield* put(cwd, "remote-agent.json", "[1]")
        assert.deepStrictEqual(yield* problems, ["remote-agent.json:1:1"])
        yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_PROFIL": "sample" }')
        assert.deepStrictEqual(yield* problems, ["REMOTE_AGENT_PROFIL"])
        yield* put(cwd, "remote-agent.json", '{ "E2B_DEFAULT_TIMEOUT": "never", "DEXTER_MAX_STEPS": 0 }')
        assert.deepStrictEqual(yield* problems, ["E2B_DEFAULT_TIMEOUT", "DEXTER_MAX_STEPS"])
        yield* Effect.promise(() => mkdir(join(cwd, ".env")))
        assert.deepStrictEqual(yield* problems, [".env", "E2B_DEFAULT_TIMEOUT", "DEXTER_MAX_STEPS"])
      })
  )
})
