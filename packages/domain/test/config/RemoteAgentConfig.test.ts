import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { Context, Duration, Effect, Layer, Redacted, Schema } from "effect"

const read = (values: Readonly<Record<string, unknown>>) =>
  RemoteAgentConfig.RemoteAgentConfig.pipe(Effect.provide(RemoteAgentConfig.layerFrom(values)))

describe("RemoteAgentConfig", () => {
  it.effect("has a default for every setting", () =>
    Effect.gen(function* () {
      const values = yield* read({})
      assert.strictEqual(values.REMOTE_AGENT_PROVIDER, "local")
      assert.strictEqual(values.E2B_API_KEY, undefined)
      assert.deepStrictEqual(values.E2B_DEFAULT_TIMEOUT, Duration.hours(1))
      assert.strictEqual(values.E2B_AUTO_PAUSE, true)
      assert.strictEqual(values.GITHUB_REPO_NAME, "dexter")
      assert.strictEqual(values.DEXTER_MAX_STEPS, 20)
    })
  )

  it.effect("reads numbers, switches and keys, and keeps keys redacted", () =>
    Effect.gen(function* () {
      const values = yield* read({
        E2B_API_KEY: "e2b_fake",
        E2B_AUTO_PAUSE: "No",
        DEXTER_MAX_STEPS: 7,
        DEXTER_MODEL: "gpt-4.1",
        E2B_API_URL: "http://127.0.0.1:3000/"
      })
      assert.strictEqual(values.E2B_API_KEY && Redacted.value(values.E2B_API_KEY), "e2b_fake")
      assert.notInclude(JSON.stringify(values), "e2b_fake")
      assert.strictEqual(values.E2B_AUTO_PAUSE, false)
      assert.strictEqual(values.DEXTER_MAX_STEPS, 7)
      assert.strictEqual(values.DEXTER_MODEL, "gpt-4.1")
      assert.strictEqual(values.E2B_API_URL, "http://127.0.0.1:3000")
    })
  )

  it.effect("treats a blank variable as not set", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        (yield* read({ E2B_API_KEY: " ", REMOTE_AGENT_PROFILE: "" })).REMOTE_AGENT_PROFILE,
        "sample"
      )
    })
  )

  it.effect("generates a different owner for every run that sets none", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* read({}), yield* read({})]
      assert.match(one.REMOTE_AGENT_OWNER, /^[\w.-]{1,64}$/)
      assert.notStrictEqual(one.REMOTE_AGENT_OWNER, two.REMOTE_AGENT_OWNER)
      assert.strictEqual((yield* read({ REMOTE_AGENT_OWNER: "lab-2" })).REMOTE_AGENT_OWNER, "lab-2")
      const error = yield* Effect.flip(read({ REMOTE_AGENT_OWNER: "two words" }))
      assert.deepStrictEqual(
        error.problems.map(({ name }) => name),
        ["REMOTE_AGENT_OWNER"]
      )
    })
  )

  it.effect("keeps two configurations in one program apart", () =>
    Effect.gen(function* () {
      const [one, two] = [
        RemoteAgentConfig.layerFrom({ REMOTE_AGENT_OWNER: "one" }),
        RemoteAgentConfig.layerFrom({ REMOTE_AGENT_OWNER: "two" })
      ]
      const owner = Effect.map(RemoteAgentConfig.RemoteAgentConfig, (values) => values.REMOTE_AGENT_OWNER)
      const First = Context.Service<string>("test/First")
      const both = Layer.merge(Layer.provide(Layer.effect(First, owner), one), two)
      assert.deepStrictEqual(yield* Effect.provide(Effect.all([First, owner]), both), ["one", "two"])
    })
  )

  it.effect("names every problem at once, without showing a value", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        read({
          E2B_API_KEY: "two words",
          E2B_DEFAULT_TIMEOUT: "1h",
          REMOTE_AGENT_PROVIDER: "docker",
          E2B_API_URL: "x"
        })
      )
      assert.deepStrictEqual(
        error.problems.map(({ name }) => name),
        ["REMOTE_AGENT_PROVIDER", "E2B_API_KEY", "E2B_API_URL", "E2B_DEFAULT_TIMEOUT"]
      )
      assert.notInclude(error.message, "two words")
      assert.include(error.message, "local, e2b")
    })
  )

  it.effect("reads a private key with line breaks, on one line, and in Base64", () =>
    Effect.gen(function* () {
      const pem = "-----BEGIN RSA PRIVATE KEY-----\nZmFrZQ==\nZmFrZQ==\n-----END RSA PRIVATE KEY-----"
      const app = { GITHUB_APP_ID: "7", GITHUB_APP_INSTALLATION_ID: "8" }
      for (const GITHUB_APP_PRIVATE_KEY of [`${pem}\n`, pem.replaceAll("\n", "\\n"), btoa(pem)]) {
        const values = yield* read({ ...app, GITHUB_APP_PRIVATE_KEY })
        assert.strictEqual(values.GITHUB_APP_ID, 7)
        assert(values.GITHUB_APP_PRIVATE_KEY !== undefined)
        assert.strictEqual(Redacted.value(values.GITHUB_APP_PRIVATE_KEY), pem)
      }
      for (const GITHUB_APP_PRIVATE_KEY of ["/etc/key.pem", pem.split("\n", 1)[0], btoa("no key")]) {
        const error = yield* Effect.flip(read({ ...app, GITHUB_APP_PRIVATE_KEY }))
        assert.deepStrictEqual(
          error.problems.map(({ name }) => name),
          ["GITHUB_APP_PRIVATE_KEY"]
        )
      }
    })
  )

  it.effect("names the missing settings of an incomplete GitHub App", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read({ GITHUB_APP_ID: "7" }))
      assert.deepStrictEqual(
        error.problems.map(({ name }) => name),
        ["GITHUB_APP_INSTALLATION_ID", "GITHUB_APP_PRIVATE_KEY"]
      )
    })
  )

  it.effect("reads one webhook secret or several", () =>
    Effect.gen(function* () {
      const values = yield* read({ GITHUB_WEBHOOK_SECRET: "fake-new  fake-old" })
      assert.deepStrictEqual(
        values.GITHUB_WEBHOOK_SECRET?.map((secret) => Redacted.value(secret)),
        ["fake-new", "fake-old"]
      )
      assert.notInclude(JSON.stringify(values), "fake-new")
    })
  )

  it.effect("refuses a default ttl beyond the longest one", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read({ E2B_DEFAULT_TIMEOUT: "100", E2B_MAX_TIMEOUT: "50" }))
      assert.deepStrictEqual(
        error.problems.map(({ name }) => name),
        ["E2B_DEFAULT_TIMEOUT"]
      )
    })
  )

  it.effect("names every key that is needed and missing, and no other", () =>
    Effect.gen(function* () {
      const values = yield* read({ OPENAI_API_KEY: "sk-fake" })
      const error = yield* Effect.flip(
        RemoteAgentConfig.requireKeys(values, ["E2B_API_KEY", "OPENAI_API_KEY", "GITHUB_TOKEN"], "the test")
      )
      assert.deepStrictEqual(
        error.problems.map(({ name }) => name),
        ["E2B_API_KEY", "GITHUB_TOKEN"]
      )
      yield* RemoteAgentConfig.requireKeys(values, ["OPENAI_API_KEY"], "the test")
    })
  )

  it.effect.prop("never fails with a defect on any text", [Schema.String, Schema.String], ([a, b]) =>
    Effect.exit(read({ E2B_DEFAULT_TIMEOUT: a, E2B_API_KEY: b, E2B_AUTO_PAUSE: a, E2B_API_URL: b })).pipe(
      Effect.map((exit) => {
        assert.isTrue(exit._tag === "Success" || exit.cause.reasons.every((reason) => reason._tag === "Fail"))
      })
    )
  )
})
