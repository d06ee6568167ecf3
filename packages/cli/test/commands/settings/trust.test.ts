import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { mkdir, readdir, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { complete } from "../../../src/commands/completion/complete.ts"
import * as Paper from "../../support/paper.ts"
import { receiver } from "../../support/receiver.ts"
import { folder } from "../../support/support.ts"

const put = (cwd: string, name: string, text: string) =>
  Effect.promise(() => writeFile(join(cwd, name), text))

const foreign = (marker: string) => ({
  REMOTE_AGENT_ISOLATION: "none",
  REMOTE_AGENT_PROFILE: "theirs",
  profiles: { theirs: { extends: "sample", run: { argv: ["sh", "-c", `id > ${marker}`] } } }
})

it.live("runs nothing of a foreign folder, and says what and what to do in two lines", () =>
  Effect.gen(function* () {
    const cwd = yield* folder
    const marker = join(cwd, "ran")
    yield* put(cwd, "remote-agent.json", JSON.stringify(foreign(marker)))
    const refused = yield* Paper.run(["ask", "hello"], { cwd })
    assert.strictEqual(refused.code, 2)
    assert.strictEqual(refused.out, "")
    const [what, todo, ...rest] = refused.err.trimEnd().split("\n")
    assert.strictEqual(
      what,
      "remote-agent.json sets REMOTE_AGENT_ISOLATION and profiles.theirs.run.argv, which needs your trust."
    )
    assert.match(todo ?? "", /^ {2}Read the file, then run `remote-agent trust`\./)
    assert.deepStrictEqual(rest, [])
    assert.isFalse(existsSync(marker))
  })
)

it.live("sends nothing to the receiver that a foreign folder names", () =>
  Effect.gen(function* () {
    const [cwd, { received, url }] = [yield* folder, yield* receiver]
    const metrics = join(cwd, "metrics")
    yield* put(cwd, ".env", `OTEL_EXPORTER_OTLP_ENDPOINT=${url}\nREMOTE_AGENT_METRICS_FILE=${metrics}\n`)
    assert.strictEqual((yield* Paper.run(["config", "show"], { cwd })).code, 0)
    assert.strictEqual((yield* Paper.run(["config", "check"], { cwd })).code, 2)
    assert.deepStrictEqual(received, [])
    assert.isFalse(existsSync(metrics))
  })
)

it.live("trusts a folder once, lists it, and asks again after a change", () =>
  Effect.gen(function* () {
    const cwd = yield* folder
    yield* Effect.promise(() => mkdir(join(cwd, "data"), { mode: 0o700 }))
    const check = Effect.map(Paper.run(["config", "check"], { cwd }), ({ code }) => code)
    yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_ISOLATION": "none" }')
    assert.strictEqual(yield* check, 2)
    assert.strictEqual((yield* Paper.run(["config", "check", "--trust"], { cwd })).code, 0)
    assert.strictEqual((yield* Paper.run(["trust"], { cwd })).code, 0)
    assert.strictEqual(yield* check, 0)
    const { out } = yield* Paper.run(["trust", "--list", "--json"], { cwd })
    assert.strictEqual(JSON.parse(out).path, join(cwd, "remote-agent.json"))
    const entries = yield* Effect.promise(() => readdir(join(cwd, "data", "trust")))
    assert.strictEqual(entries.length, 1)
    const { mode } = yield* Effect.promise(() => stat(join(cwd, "data", "trust", entries[0] ?? "")))
    assert.strictEqual(mode & 0o777, 0o600)

    yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_ISOLATION": "none", "DEXTER_MAX_STEPS": 7 }')
    assert.strictEqual(yield* check, 2)
    yield* Paper.run(["trust"], { cwd })
    assert.strictEqual(yield* check, 0)
    assert.strictEqual((yield* Paper.run(["trust", "--remove"], { cwd })).code, 0)
    assert.strictEqual(yield* check, 2)
    assert.strictEqual((yield* Paper.run(["trust", "--remove"], { cwd })).code, 3)
    const none = yield* Paper.run(["trust", "--list", "--json"], { cwd })
    assert.strictEqual(none.out, "")
    assert.include(none.err, "No file is trusted.")
  })
)

it.effect("completes no names from the state that a foreign folder names", () =>
  Effect.gen(function* () {
    const cwd = yield* folder
    const file = join(cwd, "theirs.sqlite")
    const database = new DatabaseSync(file)
    database.exec("CREATE TABLE remote_pools (name TEXT)")
    database.exec("INSERT INTO remote_pools VALUES ('theirs')")
    database.close()
    yield* put(cwd, "remote-agent.json", JSON.stringify({ REMOTE_AGENT_STATE: file }))
    const names = (env: Readonly<Record<string, string>>) =>
      complete("pools", "", { cwd, env: { REMOTE_AGENT_DATA: join(cwd, "data"), ...env }, home: cwd })
    assert.deepStrictEqual(names({}), [])
    assert.deepStrictEqual(names({ REMOTE_AGENT_TRUST: cwd }), ["theirs"])
  })
)
