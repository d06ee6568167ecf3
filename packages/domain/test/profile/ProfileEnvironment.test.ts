import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig, Profile, ProfileEnvironment } from "@remote-agent/domain"
import { ConfigProvider, Duration, Effect, Layer, Redacted } from "effect"

const profile = new Profile.Profile({
  name: "keyed",
  description: "Needs keys",
  trusted: false,
  enabledBy: "ENABLE_IT",
  work: "{home}/work",
  assets: [],
  env: [
    new Profile.EnvRule({ name: "A_KEY", secret: true, group: "llm" }),
    new Profile.EnvRule({ name: "B_KEY", secret: true, group: "llm" }),
    new Profile.EnvRule({ name: "TOKEN", from: ["MINE", "YOURS"], secret: true, required: true }),
    new Profile.EnvRule({ name: "STEPS", from: ["MAX_STEPS"], value: "20" }),
    new Profile.EnvRule({ name: "TRACING", from: [], value: "false" }),
    new Profile.EnvRule({ name: "EXTRA" })
  ],
  setup: [],
  health: new Profile.ProfileCommand({ argv: ["true"] }),
  run: new Profile.RunSpec({
    argv: ["answer"],
    input: "stdin-json",
    protocol: "runner-jsonl",
    wallTimeout: Duration.minutes(1),
    idleTimeout: Duration.minutes(1)
  })
})

const lookup =
  (values: Readonly<Record<string, string>>): RemoteAgentConfig.Lookup =>
  (name) =>
    values[name] === undefined ? undefined : Redacted.make(values[name])

const missing = (values: Readonly<Record<string, string>>) =>
  ProfileEnvironment.missing(profile, lookup(values)).map(({ name }) => name)

const shown = (env: Readonly<Record<string, Redacted.Redacted>>) =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [name, Redacted.value(value)]))

describe("ProfileEnvironment", () => {
  it("names all missing settings at once: the switch, required keys, and groups that need one key", () => {
    assert.deepStrictEqual(missing({}), ["ENABLE_IT", "one of MINE, YOURS", "one of A_KEY, B_KEY"])
    assert.deepStrictEqual(missing({ ENABLE_IT: "false", YOURS: "y", B_KEY: "b" }), ["ENABLE_IT"])
    assert.deepStrictEqual(missing({ ENABLE_IT: "TRUE", YOURS: "y", B_KEY: "b" }), [])
  })

  it("takes the first setting that is set, then the default value, and leaves out the rest", () => {
    const values = { ENABLE_IT: "1", YOURS: "y", MINE: "m", B_KEY: "b", MAX_STEPS: "7", TRACING: "true" }
    assert.deepStrictEqual(shown(ProfileEnvironment.sandboxEnv(profile, lookup(values))), {
      B_KEY: "b",
      TOKEN: "m",
      STEPS: "7",
      TRACING: "false"
    })
    assert.deepStrictEqual(shown(ProfileEnvironment.sandboxEnv(profile, lookup({}))), {
      STEPS: "20",
      TRACING: "false"
    })
    assert.deepStrictEqual(
      ProfileEnvironment.secrets(profile, lookup(values)).map((secret) => Redacted.value(secret)),
      ["b", "m"]
    )
  })

  it("shows no value in a problem", () => {
    const problems = ProfileEnvironment.missing(profile, lookup({ ENABLE_IT: "not-a-switch-value" }))
    assert.notInclude(JSON.stringify(problems), "not-a-switch-value")
  })
})

describe("RemoteAgentConfig.Variables", () => {
  it.effect("reads variables that are not settings, trimmed, and treats a blank one as not set", () =>
    Effect.gen(function* () {
      const variables = yield* RemoteAgentConfig.Variables
      const found = yield* variables(["SOME_KEY", "EMPTY", "NONE", "SOME_KEY"])
      assert.deepStrictEqual(
        ["SOME_KEY", "EMPTY", "NONE"].map((name) => {
          const value = found(name)
          return value && Redacted.value(value)
        }),
        ["k", undefined, undefined]
      )
    }).pipe(Effect.provide(RemoteAgentConfig.layerFrom({ SOME_KEY: " k\n", EMPTY: " " })))
  )

  it.effect("knows no variable without a layer of the configuration", () =>
    Effect.gen(function* () {
      const variables = yield* RemoteAgentConfig.Variables
      assert.isUndefined((yield* variables(["PATH"]))("PATH"))
    }).pipe(Effect.provide(Layer.fresh(ConfigProvider.layer(ConfigProvider.fromUnknown({ PATH: "/bin" })))))
  )

  it("redacts secret variables, and given variables that are not described, except obvious non-keys", () => {
    const redacted = Redacted.make("production")
    const hidden = ProfileEnvironment.secretNames(profile, {
      STEPS: Redacted.make("not-a-key-by-its-rule"),
      MORE: redacted,
      OPEN_KEY: "fake-key-0001",
      MODE: "production",
      PAUSE: "3600000",
      TOOLS: "/usr/local/bin",
      SHORT: "a-b-c"
    })
    assert.deepStrictEqual(hidden, ["A_KEY", "B_KEY", "TOKEN", "MORE", "OPEN_KEY"])
    assert.deepStrictEqual(ProfileEnvironment.secretNames(profile), ["A_KEY", "B_KEY", "TOKEN"])
  })

  it("finds the model of the profile, or of its variable", () => {
    const using = (run: Partial<Profile.RunSpec>) =>
      new Profile.Profile({ ...profile, run: new Profile.RunSpec({ ...profile.run, ...run }) })
    const known = lookup({ MAX_STEPS: "m1", MINE: "m2" })
    assert.isUndefined(ProfileEnvironment.model(profile, known))
    assert.strictEqual(ProfileEnvironment.model(using({ modelEnv: "STEPS" }), known), "m1")
    assert.strictEqual(ProfileEnvironment.model(using({ modelEnv: "STEPS" }), lookup({})), "20")
    assert.isUndefined(ProfileEnvironment.model(using({ modelEnv: "STEPPS" }), known))
    assert.strictEqual(ProfileEnvironment.model(using({ modelEnv: "STEPS", model: "m0" }), known), "m0")
  })
})
