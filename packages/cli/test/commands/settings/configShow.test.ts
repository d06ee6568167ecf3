import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { folder, run } from "../../support/support.ts"

const limit = { timeout: 60_000 }

const Shown = Schema.Array(
  Schema.fromJsonString(
    Schema.Struct({
      name: Schema.String,
      value: Schema.optionalKey(Schema.String),
      source: Schema.optionalKey(Schema.String),
      fallback: Schema.String,
      secret: Schema.Boolean
    })
  )
)

const put = (cwd: string, name: string, text: string) =>
  Effect.promise(() => writeFile(join(cwd, name), text))

describe("config show", () => {
  it.live(
    "tells every setting, its value and where it comes from, and no key",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      yield* put(
        cwd,
        "remote-agent.json",
        JSON.stringify({ DEXTER_MAX_STEPS: 7, DEXTER_MODEL: "gpt-4.1", E2B_MAX_TIMEOUT: 9000 })
      )
      yield* put(cwd, ".env", "OPENAI_API_KEY=sk-fake-dotenv-0001\nE2B_MAX_TIMEOUT=8000\n")
      const env = { ANTHROPIC_API_KEY: "sk-fake-env-0002" }
      const { code, stdout } = yield* run(cwd, ["config", "show", "--json"], env)
      assert.strictEqual(code, 0)
      const settings = yield* Schema.decodeEffect(Shown)(stdout.trimEnd().split("\n"))
      const of = (name: string) => settings.find((setting) => setting.name === name)
      assert.deepInclude(of("DEXTER_MAX_STEPS"), { value: "7", source: "remote-agent.json" })
      assert.deepInclude(of("DEXTER_MODEL"), { value: "gpt-4.1", source: "remote-agent.json" })
      assert.deepInclude(of("E2B_MAX_TIMEOUT"), { value: "8000", source: ".env", fallback: "86400" })
      assert.deepInclude(of("OPENAI_API_KEY"), { source: ".env", secret: true })
      assert.deepInclude(of("ANTHROPIC_API_KEY"), { source: "the environment", secret: true })
      assert.notProperty(of("E2B_API_KEY"), "source")
      const text = yield* run(cwd, ["config", "show"], env)
      assert.match(text.stdout, /^OPENAI_API_KEY +\(set\) +from \.env$/m)
      assert.match(text.stdout, /^E2B_DEFAULT_TIMEOUT +3600 +default$/m)
      for (const written of [stdout, text.stdout, text.stderr]) assert.notInclude(written, "sk-fake")
    }),
    limit
  )
})

describe("config check", () => {
  it.live(
    "reports every problem at once, of files and of values, and ends with 2",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      yield* put(cwd, "remote-agent.json", '{ "DEXTER_MAX_STEP": 7, "REMOTE_AGENT_PROVIDR": "e2b" }')
      const { code, stderr, stdout } = yield* run(cwd, ["config", "check"], {
        E2B_DEFAULT_TIMEOUT: "never",
        OPENAI_API_KEY: "sk-fake with a blank"
      })
      assert.strictEqual(code, 2)
      assert.strictEqual(stdout, "")
      for (const name of [
        "DEXTER_MAX_STEP ",
        "REMOTE_AGENT_PROVIDR",
        "E2B_DEFAULT_TIMEOUT",
        "OPENAI_API_KEY"
      ]) {
        assert.include(stderr, name)
      }
      assert.notInclude(stderr, "sk-fake")
    }),
    limit
  )

  it.live(
    "reports what is wrong with profiles beside everything else",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const profiles = { dexter: { runs: 1 }, mine: { extends: "nobody" } }
      yield* put(cwd, "remote-agent.json", JSON.stringify({ profiles, DEXTER_MAX_STEPS: 0 }))
      const { code, stdout } = yield* run(cwd, ["config", "check", "--json", "--trust"])
      assert.strictEqual(code, 2)
      const { message } = JSON.parse(stdout).error
      for (const name of ["DEXTER_MAX_STEPS", "profiles.dexter.runs", "profiles.mine.extends"]) {
        assert.match(message, new RegExp(`remote-agent\\.json:1:\\d+: ${name} is not valid`))
      }
      yield* put(cwd, "remote-agent.json", JSON.stringify({ REMOTE_AGENT_PROFILE: "nobody" }))
      const unknown = yield* run(cwd, ["config", "check"])
      assert.strictEqual(unknown.code, 2)
      assert.include(
        unknown.stderr,
        "REMOTE_AGENT_PROFILE names a profile that does not exist.\n  Name one of"
      )
      yield* put(cwd, "remote-agent.json", JSON.stringify({ REMOTE_AGENT_PROFILES: "{" }))
      const twice = yield* run(cwd, ["config", "check"])
      assert.strictEqual(twice.stderr.split("REMOTE_AGENT_PROFILES").length, 2, twice.stderr)
    }),
    limit
  )

  it.live(
    "reports what is wrong in .env with its line, which other commands pass over",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      yield* put(
        cwd,
        ".env",
        ["OTHER=a#b", "REMOTE_AGENT_PROFIL=codex", "just words", 'GITHUB_TOKEN="x'].join("\n")
      )
      const { code, stderr } = yield* run(cwd, ["config", "check"])
      assert.strictEqual(code, 2)
      assert.include(
        stderr,
        ".env:2 sets REMOTE_AGENT_PROFIL, which is not a setting.\n  Did you mean REMOTE_AGENT_PROFILE?"
      )
      assert.include(stderr, ".env:3 is not an assignment.")
      assert.include(stderr, ".env:4 sets GITHUB_TOKEN to a value whose quote is never closed.")
      assert.notInclude(stderr, "OTHER")
      assert.strictEqual((yield* run(cwd, ["config", "show", "--json"])).code, 0)
    }),
    limit
  )

  it.live(
    "says in a word that all is in order",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const { code, stdout } = yield* run(cwd, ["config", "check", "--json"])
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(JSON.parse(stdout), { problems: [] })
    }),
    limit
  )
})
