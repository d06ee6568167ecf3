import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig, Profile } from "@remote-agent/domain"
import { Profiles, ProfileSettings, SampleProfile } from "@remote-agent/orchestrator"
import { Duration, Effect, Layer, Redacted, Schema } from "effect"
import * as SourceHost from "../../src/profiles/sourceHost.ts"
import { tiny } from "../support/support.ts"

/** The profiles of this package, with `tiny`, under these settings. */
const layer = (profiles: unknown, variables: Readonly<Record<string, string>> = {}) =>
  Layer.provide(
    Profiles.layer([tiny]),
    RemoteAgentConfig.layerFrom({ ...variables, REMOTE_AGENT_PROFILES: JSON.stringify(profiles) })
  )

const get = (name: string) => Effect.flatMap(Profiles.Profiles, (profiles) => profiles.get(name))

const problems = (settings: unknown) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Effect.provide(get("tiny"), layer(settings)))
    assert(error._tag === "ConfigError")
    return error.problems
  })

const source = (repository: string) => new Profile.Source({ repository, ref: "main", folder: "{home}/code" })

interface Surroundings {
  readonly variables?: Readonly<Record<string, string>>
  readonly given?: Readonly<Record<string, string>>
  readonly egress?: Profile.Profile["egress"]
}

const check = (repository: string, { egress, given, variables = {} }: Surroundings = {}) =>
  Effect.gen(function* () {
    const sample = yield* SampleProfile.make
    const profile = new Profile.Profile({
      ...sample,
      source: source(repository),
      ...(egress === undefined ? {} : { egress })
    })
    return yield* Effect.flatMap(Profiles.Profiles, ({ reachable }) => reachable(profile, given)).pipe(
      Effect.provide(Layer.provide(Profiles.layerFrom([profile]), RemoteAgentConfig.layerFrom(variables)))
    )
  })

/** The names of hosts that are missing. */
const unknown = (...args: Parameters<typeof check>) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(check(...args))
    assert(error._tag === "OrchestratorError" && error.reason._tag === "NotConfigured")
    return error.reason.problems.map(({ name }) => name)
  })

describe("the hosts that set-up needs", () => {
  it("are read from every kind of address", () => {
    assert.strictEqual(SourceHost.of(source("https://github.com/a/b.git")), "github.com")
    assert.strictEqual(SourceHost.of(source("ssh://git@git.example.com:22/a/b")), "git.example.com")
    assert.strictEqual(SourceHost.of(source("git@github.com:a/b.git")), "github.com")
    assert.strictEqual(SourceHost.of(source("http://[::1]:8080/a")), "::1")
    assert.isUndefined(SourceHost.of(source("/srv/git/a")))
    assert.isUndefined(SourceHost.of(source("file:///srv/git/a")))
  })

  it.live("are named when nobody knows them, and are not asked for behind a proxy or on this machine", () =>
    Effect.gen(function* () {
      const elsewhere = "https://no-such-host.invalid/a.git"
      const proxy = "http://127.0.0.1:9"
      const egress = {
        setup: ["localhost", "no-such-host.invalid", "other.invalid", "other.invalid"],
        optional: ["third.invalid"],
        run: ["fourth.invalid"]
      }
      assert.deepStrictEqual(yield* unknown(elsewhere), ["no-such-host.invalid"])
      assert.deepStrictEqual(yield* unknown(elsewhere, { egress }), ["no-such-host.invalid", "other.invalid"])
      assert.deepStrictEqual(yield* unknown("/srv/git/a", { egress }), [
        "no-such-host.invalid",
        "other.invalid"
      ])
      yield* check(elsewhere, { egress, variables: { HTTPS_PROXY: proxy } })
      yield* check(elsewhere, { egress, given: { all_proxy: proxy } })
      yield* check(`${proxy}/a.git`)
      yield* check("/srv/git/a")
    })
  )
})

describe("Profiles", () => {
  it.effect("gives ours and those that are added, by name, an added one in place of ours", () =>
    Effect.gen(function* () {
      const profiles = yield* Profiles.Profiles
      const names = profiles.list.map(({ name }) => name)
      const ours = ["claude-code", "codex", "custom", "dexter", "dexter-python", "opencode", "sample", "tiny"]
      assert.deepStrictEqual(names, ours)
      assert.strictEqual((yield* profiles.get("sample")).description, "mine")
      const { reason } = yield* Effect.flip(profiles.get("dexter2"))
      assert(reason._tag === "UnknownProfile")
      assert.deepStrictEqual(reason.known, ours)
    }).pipe(
      Effect.provide(
        Layer.provide(
          Profiles.layer([tiny, new Profile.Profile({ ...tiny, name: "sample", description: "mine" })]),
          RemoteAgentConfig.layerFrom({})
        )
      )
    )
  )

  it.effect("says of each what it needs before anything is created", () =>
    Effect.gen(function* () {
      const profiles = yield* Profiles.Profiles
      const missing = Effect.fnUntraced(function* (name: string) {
        const { reason } = yield* Effect.flip(profiles.prepare(yield* profiles.get(name)))
        assert(reason._tag === "NotConfigured")
        return reason.problems.map((problem) => problem.name)
      })
      assert.deepStrictEqual(yield* missing("claude-code"), ["ENABLE_CLAUDE_CODE", "ANTHROPIC_API_KEY"])
      assert.deepStrictEqual(yield* missing("codex"), ["OPENAI_API_KEY"])
      assert.include((yield* missing("dexter"))[0], "one of OPENAI_API_KEY, ANTHROPIC_API_KEY")
      assert.deepStrictEqual((yield* profiles.prepare(yield* profiles.get("sample"))).env, {})
    }).pipe(Effect.provide(layer({})))
  )
})

describe("Profiles from the configuration", () => {
  it.effect("changes one of ours, field by field, and takes whole lists", () =>
    Effect.gen(function* () {
      const changed = yield* get("tiny")
      assert.strictEqual(changed.description, "Changed")
      assert.deepStrictEqual(changed.run.wallTimeout, Duration.minutes(3))
      assert.deepStrictEqual(changed.run.argv, ["other"])
      assert.deepStrictEqual(changed.run.idleTimeout, tiny.run.idleTimeout)
      assert.deepStrictEqual(changed.setup, [])
    }).pipe(
      Effect.provide(
        layer({
          tiny: { description: "Changed", setup: [], run: { argv: ["other"], wallTimeout: "3 minutes" } }
        })
      )
    )
  )

  it.effect("adds one that extends another, and removes what is null", () =>
    Effect.gen(function* () {
      const mine = yield* get("mine")
      assert.strictEqual(mine.name, "mine")
      assert.deepStrictEqual(mine.assets, tiny.assets)
      assert.isUndefined(mine.session)
      assert.strictEqual((yield* get("tiny")).description, tiny.description)
    }).pipe(Effect.provide(layer({ mine: { extends: "tiny", session: null } })))
  )

  it.effect("adds to assets, variables and tools, and replaces those of the same name", () =>
    Effect.gen(function* () {
      const { assets, env } = yield* get("dexter")
      const runner = assets.filter(({ path }) => path.endsWith("dexter-runner.mjs"))
      assert.deepStrictEqual(
        runner.map(({ content }) => content),
        ["mine"]
      )
      assert.deepStrictEqual(assets.at(-1)?.file, "skill.md")
      assert.isAbove(env?.length ?? 0, 10)
      assert.strictEqual(env?.filter(({ name }) => name === "DEXTER_MODEL").length, 1)
      assert.strictEqual(env?.at(-1)?.value, "gpt-4.1")
      assert.deepStrictEqual((yield* get("sample")).assets, [])
      const profiles = yield* Profiles.Profiles
      assert.strictEqual(yield* profiles.model(yield* get("dexter")), "gpt-4.1")
    }).pipe(
      Effect.provide(
        layer({
          dexter: {
            assets: [
              { path: "{run}/dexter-runner.mjs", content: "mine" },
              { path: "{run}/skill", file: "skill.md" }
            ],
            env: [{ name: "DEXTER_MODEL", value: "gpt-4.1" }]
          },
          sample: { assets: null }
        })
      )
    )
  )

  it.effect("trusts nothing that a configuration has touched", () =>
    Effect.gen(function* () {
      assert.isFalse((yield* get("sample")).trusted)
      assert.isFalse((yield* get("mine")).trusted)
    }).pipe(
      Effect.provide(
        layer({ sample: { description: "x", trusted: true }, mine: { extends: "sample", trusted: true } })
      )
    )
  )

  it.effect("reports every problem with its path, in one error", () =>
    Effect.gen(function* () {
      const all = yield* problems({
        tiny: { run: { argv: ["{nowhere}"], wallTimeout: "soon" }, nmae: "typo" },
        mine: { extends: "nobody" },
        bare: { description: "not enough" }
      })
      const names = all.map(({ name }) => name)
      assert.includeMembers(names, [
        "profiles.tiny.run.argv[0]",
        "profiles.tiny.run.wallTimeout",
        "profiles.tiny.nmae",
        "profiles.mine.extends",
        "profiles.bare.run"
      ])
      assert.include(all.find(({ name }) => name.endsWith("argv[0]"))?.problem, "{nowhere}")
      assert.include(all.find(({ name }) => name.endsWith("extends"))?.hint, "tiny")
    })
  )

  it.effect("prints every profile whole, as what can be read again", () =>
    Effect.gen(function* () {
      const { list } = yield* Profiles.Profiles
      assert.isAbove(list.length, 1)
      for (const profile of list) {
        const json = JSON.parse(JSON.stringify(ProfileSettings.toJson(profile)))
        const back = yield* Schema.decodeUnknownEffect(Schema.toCodecJson(Profile.Profile))(json)
        assert.deepStrictEqual(back, profile)
      }
    }).pipe(Effect.provide(layer({})))
  )
})

describe("ProfileSettings.merge", () => {
  const Json = Schema.Record(Schema.String, Schema.Json)

  it.effect.prop("changes nothing with nothing, and everything with itself into itself", [Json], ([json]) =>
    Effect.sync(() => {
      const text = JSON.stringify(json)
      assert.strictEqual(JSON.stringify(ProfileSettings.merge(json, {})), text)
      const twice = ProfileSettings.merge(json, json)
      assert.strictEqual(
        JSON.stringify(ProfileSettings.merge(twice, twice)),
        JSON.stringify(ProfileSettings.merge(json, json))
      )
    })
  )
})

describe("Profiles.prepare", () => {
  const keyed = {
    env: [
      { name: "A_KEY", secret: true, required: true },
      { name: "MODE", value: "fast" }
    ]
  }

  it.effect("gives the environment of the sandbox and its secrets", () =>
    Effect.gen(function* () {
      const profiles = yield* Profiles.Profiles
      const { env, secrets } = yield* profiles.prepare(yield* profiles.get("tiny"))
      assert.deepStrictEqual(Object.keys(env), ["A_KEY", "MODE"])
      assert.deepStrictEqual(secrets.map(Redacted.value), ["not-a-real-key"])
      assert.notInclude(JSON.stringify(env), "not-a-real-key")
    }).pipe(Effect.provide(layer({ tiny: keyed }, { A_KEY: "not-a-real-key" })))
  )

  it.effect("names the keys, the files and the repository that are missing, before anything is created", () =>
    Effect.gen(function* () {
      const profiles = yield* Profiles.Profiles
      const { reason } = yield* Effect.flip(profiles.prepare(yield* profiles.get("tiny")))
      assert(reason._tag === "NotConfigured")
      assert.deepStrictEqual(
        reason.problems.map(({ name }) => name),
        ["A_KEY", "profiles.tiny.assets[1].file", "profiles.tiny.source.repository"]
      )
    }).pipe(
      Effect.provide(
        layer({
          tiny: {
            ...keyed,
            assets: [{ path: "a", file: "/nowhere/at-all" }],
            source: { repository: "file:///nowhere/at-all.git", ref: "main", folder: "{home}/a" }
          }
        })
      )
    )
  )
})
