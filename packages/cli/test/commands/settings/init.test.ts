import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { existsSync } from "node:fs"
import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as SettingsText from "../../../src/app/trust/SettingsText.ts"
import * as InitFiles from "../../../src/commands/settings/initFiles.ts"
import { folder, run } from "../../support/support.ts"
import { key, open } from "../../support/terminal.ts"

const limit = { timeout: 60_000 }
const text = (cwd: string, name: string) => Effect.promise(() => readFile(join(cwd, name), "utf8"))
const put = (cwd: string, name: string, content: string) =>
  Effect.promise(() => writeFile(join(cwd, name), content))
const names = (cwd: string) => Effect.promise(async () => (await readdir(cwd)).toSorted())

describe("init in a pipe", () => {
  it.live(
    "writes settings that are in order and explain themselves, and an example without a key",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const flags = ["--provider", "e2b", "--profile", "codex"]
      const { code, stdout } = yield* run(cwd, ["init", ...flags, "--json"])
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(JSON.parse(stdout), {
        written: ["remote-agent.json", ".env.example", ".gitignore"]
      })
      assert.deepStrictEqual(yield* names(cwd), [".env.example", ".gitignore", "remote-agent.json"])
      const settings = SettingsText.parse(yield* text(cwd, "remote-agent.json")).values
      assert.deepStrictEqual(Object.fromEntries(settings), {
        $schema: InitFiles.schema,
        REMOTE_AGENT_PROVIDER: "e2b",
        REMOTE_AGENT_PROFILE: "codex"
      })
      assert.include(yield* text(cwd, "remote-agent.json"), "default: 3600")
      assert.match(yield* text(cwd, ".env.example"), /^E2B_API_KEY=$/m)
      assert.strictEqual((yield* run(cwd, ["config", "check"])).code, 0)
    }),
    limit
  )

  it.live(
    "leaves files alone that are there, unless it is told to write anew",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      yield* put(cwd, "remote-agent.json", "mine")
      const refused = yield* run(cwd, ["init"])
      assert.strictEqual(refused.code, 2)
      assert.include(refused.stderr, "remote-agent.json already exists here")
      assert.strictEqual(yield* text(cwd, "remote-agent.json"), "mine")
      assert.deepStrictEqual(yield* names(cwd), ["remote-agent.json"])
      assert.strictEqual((yield* run(cwd, ["init", "--force"])).code, 0)
      assert.include(yield* text(cwd, "remote-agent.json"), "REMOTE_AGENT_PROVIDER")
    }),
    limit
  )
})

describe("init on a terminal", () => {
  it.live(
    "asks where, takes a key without showing it, and keeps it where only the user reads it",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const terminal = yield* open(cwd, ["init"])
      yield* terminal.sees("Where should sandboxes run?")
      terminal.type(key.down)
      yield* terminal.sees("at E2B")
      terminal.type(key.enter)
      yield* terminal.sees("Your E2B API key")
      terminal.type("e2b_fake_0000")
      terminal.type(key.enter)
      yield* terminal.sees("Wrote ")
      assert.strictEqual(yield* terminal.ended, 0)
      assert.notInclude(terminal.shown(), "e2b_fake_0000")
      assert.strictEqual(yield* text(cwd, ".env"), "E2B_API_KEY='e2b_fake_0000'\n")
      assert.strictEqual((yield* Effect.promise(() => stat(join(cwd, ".env")))).mode & 0o777, 0o600)
      assert.include(yield* text(cwd, ".gitignore"), ".env\n")
      assert.strictEqual((yield* run(cwd, ["config", "check"])).code, 0)
      // What was typed here is trusted, also beside keys of the user's environment.
      const env = { ANTHROPIC_API_KEY: "sk-fake-0000" }
      assert.strictEqual((yield* run(cwd, ["config", "check"], env)).code, 0)
    }),
    limit
  )

  it.live(
    "writes nothing when it is given up",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const terminal = yield* open(cwd, ["init"])
      yield* terminal.sees("Where should sandboxes run?")
      terminal.type(key.ctrlC)
      assert.strictEqual(yield* terminal.ended, 130)
      assert.isFalse(existsSync(join(cwd, "remote-agent.json")))
      assert.isFalse(existsSync(join(cwd, ".env.example")))
    }),
    limit
  )
})

describe("SettingsFiles", () => {
  it("puts a key in the place where it was, and leaves the rest as it is", () => {
    assert.strictEqual(
      InitFiles.withKey("A=1\nexport E2B_API_KEY=old\nB=2", "E2B_API_KEY", "new"),
      "A=1\nE2B_API_KEY='new'\nB=2"
    )
    assert.strictEqual(InitFiles.withKey("A=1", "E2B_API_KEY", "new"), "A=1\nE2B_API_KEY='new'\n")
  })

  it.effect.prop("never loses a line of .env", { lines: Schema.Array(Schema.String) }, ({ lines }) =>
    Effect.sync(() => {
      const before = lines.join("\n")
      const after = InitFiles.withKey(before, "E2B_API_KEY", "k").split("\n")
      for (const one of before.split("\n")) {
        if (!/E2B_API_KEY\s*=/.test(one)) assert.include(after, one)
      }
      assert.include(after, "E2B_API_KEY='k'")
    })
  )

  it("ignores .env once", () => {
    assert.strictEqual(InitFiles.ignoringKeys("dist"), "dist\n.env\n")
    assert.isUndefined(InitFiles.ignoringKeys("dist\n.env\n"))
    assert.isUndefined(InitFiles.ignoringKeys("/.env"))
  })
})
