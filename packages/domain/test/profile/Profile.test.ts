import { assert, describe, it } from "@effect/vitest"
import { Profile, Placeholders } from "@remote-agent/domain"
import { Duration, Effect, Schema } from "effect"

const small = {
  name: "small",
  description: "Small",
  trusted: false,
  work: "{home}/work",
  assets: [],
  setup: [],
  health: { argv: ["true"] },
  run: {
    argv: ["answer"],
    input: "stdin-json",
    protocol: "runner-jsonl",
    wallTimeout: "10 minutes",
    idleTimeout: "2 minutes"
  }
}

const decode = Schema.decodeUnknownEffect(Profile.Profile, { errors: "all", onExcessProperty: "error" })

const refusal = (profile: unknown) => Effect.map(Effect.flip(decode(profile)), (error) => error.message)

describe("Placeholders.expand", () => {
  it("replaces known placeholders, keeps other braces, and turns double braces into single ones", () => {
    const text = '{home}/a {model} {home { home } {"a":1} ${x} {{home}} {{ {{x}} {}'
    assert.strictEqual(
      Placeholders.expand(text, { home: "/h" }),
      '/h/a {model} {home { home } {"a":1} ${x} {home} {{ {x} {}'
    )
  })

  it.effect.prop("never expands placeholders inside a value", [Schema.String], ([home]) =>
    Effect.sync(() => {
      assert.strictEqual(Placeholders.expand("<{home}>", { home }), `<${home}>`)
    })
  )

  it("ignores properties that every object inherits", () => {
    assert.strictEqual(Placeholders.expand("{toString}{constructor}", {}), "{toString}{constructor}")
  })
})

describe("Profile", () => {
  it.effect("survives JSON, with durations as text", () =>
    Effect.gen(function* () {
      const profile = yield* decode(small)
      assert.deepStrictEqual(profile.run.wallTimeout, Duration.minutes(10))
      const printed = JSON.stringify(yield* Schema.encodeEffect(Profile.Profile)(profile))
      const back = yield* decode(JSON.parse(printed))
      assert.deepStrictEqual(back, profile)
      assert.deepStrictEqual(Profile.placeholders(back, "/home/u"), {
        home: "/home/u",
        run: "/home/u/.agent",
        work: "/home/u/work"
      })
    })
  )

  it.effect("refuses a placeholder that is unknown in its place, and lists the known ones", () =>
    Effect.gen(function* () {
      const argv = yield* refusal({ ...small, run: { ...small.run, argv: ["a", "{hom}"] } })
      assert.include(argv, '["run"]["argv"][1]')
      assert.include(argv, "{hom}")
      assert.include(argv, "{requestFile}")
      assert.include(yield* refusal({ ...small, health: { argv: ["{model}"] } }), "{model}")
      assert.include(yield* refusal({ ...small, work: "{work}" }), "{work}")
      const model = { ...small.run, modelArgv: ["--model", "{model}"] }
      assert.deepStrictEqual((yield* decode({ ...small, run: model })).run.modelArgv, ["--model", "{model}"])
    })
  )

  it.effect("refuses contradictions", () =>
    Effect.gen(function* () {
      const { run } = small
      const wrong = [
        { ...small, assets: [{ path: "a" }] },
        { ...small, assets: [{ path: "a", content: "", file: "b" }] },
        { ...small, run: { ...run, protocol: "json-path" } },
        { ...small, run: { ...run, jsonPath: { answer: "$.a" } } },
        { ...small, run: { ...run, protocol: "json-path", jsonPath: { answer: "a..b" } } },
        { ...small, run: { ...run, input: "request-file" } },
        { ...small, run: { ...run, argv: ["a", "{requestFile}"] } },
        { ...small, source: { repository: "--upload-pack=x", ref: "main", folder: "{home}/a" } },
        { ...small, source: { repository: "https://x", ref: "-x", folder: "{home}/a" } },
        { ...small, nmae: "typo" }
      ]
      for (const profile of wrong) assert.notStrictEqual(yield* refusal(profile), "")
    })
  )
})
