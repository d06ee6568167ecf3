import { byDefault, inRest } from "#test/once"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { home } from "../../support/agents.ts"
import { folder, type Ran, run } from "../../support/support.ts"
import { open } from "../../support/terminal.ts"

const limit = { timeout: 600_000 }

const outcomes = ({ stdout }: Ran) => stdout.match(/"outcome":"\w+"/g)

describe("pools that stay", () => {
  byDefault(it).live(
    "are made, asked, resized, listed and ended, by one command each",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const data = join(cwd, "data")
      const env = { REMOTE_AGENT_DATA: data }
      const call = (...args: ReadonlyArray<string>) => run(cwd, args, env)
      yield* Effect.addFinalizer(() => call("local", "stop", "--yes"))

      const missing = yield* call("pool", "run", "--name", "research", "Tesla revenue 2024")
      assert.deepStrictEqual([missing.code, missing.stdout], [3, ""])
      assert.include(missing.stderr, "There is no pool research")

      const made = yield* call("pool", "create", "research", "--size", "2", "--json")
      assert.strictEqual(made.code, 0, made.stderr)
      const { agents }: { readonly agents: ReadonlyArray<string> } = JSON.parse(made.stdout)
      assert.lengthOf(agents, 2)
      const again = yield* call("pool", "create", "research")
      assert.strictEqual(again.code, 2)
      assert.include(again.stderr, "The pool research already exists")

      const questions = ["Tesla revenue 2024", "Apple revenue 2024", "What is love?"]
      const asked = yield* call("pool", "run", "--name", "research", "--json", ...questions)
      assert.strictEqual(asked.code, 5, asked.stderr)
      const results = asked.stdout
        .trimEnd()
        .split("\n")
        .map((text): { readonly agentId: string; readonly outcome: string } => JSON.parse(text))
      assert.deepStrictEqual(
        results.map(({ outcome }) => outcome),
        ["ok", "ok", "error"]
      )
      for (const { agentId } of results) assert.include(agents, agentId)

      const other = yield* call("pool", "run", "--name", "research", "--profile", "dexter", "What is love?")
      assert.strictEqual(other.stdout, "")
      assert.include(other.stderr, 'The pool research has agents of the profile "sample"')
      assert.strictEqual(other.code, 2)

      const smaller = yield* call("pool", "resize", "research", "1", "--json")
      assert.strictEqual(smaller.code, 0, smaller.stderr)
      assert.lengthOf(JSON.parse(smaller.stdout).agents, 1)
      const listed = yield* call("pool", "list", "--json")
      assert.deepStrictEqual(JSON.parse(listed.stdout), {
        name: "research",
        profile: "sample",
        status: "open",
        size: 1,
        active: 1,
        paused: 0,
        queries: 3
      })
      assert.match(
        (yield* call("pool", "list")).stdout,
        /^NAME +PROFILE .*\nresearch +sample +open +1 +1 +0 +3\n$/
      )

      const unsure = yield* call("pool", "terminate", "research")
      assert.strictEqual(unsure.code, 2)
      const ended = yield* call("pool", "terminate", "research", "--yes", "--json")
      assert.deepStrictEqual(JSON.parse(ended.stdout), { name: "research", terminated: 1 })
      assert.strictEqual((yield* call("pool", "list", "--json")).stdout, "")
      const status = yield* call("local", "status", "--json")
      assert.deepStrictEqual(JSON.parse(status.stdout).sandboxes, { running: 0, paused: 0 })
      assert.strictEqual((yield* call("local", "stop")).code, 0)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(data, "sandboxes"))), [])
    }),
    limit
  )

  inRest(it).live(
    "pass on what their flags say of the agents and their time",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const slow = ["--env", "SAMPLE_AGENT_STEP_MS=3600000", "--profile", "sample"]
      const made = yield* run(cwd, ["pool", "create", "slow", "--size", "1", ...slow])
      assert.strictEqual(made.code, 0, made.stderr)
      const asked = ["pool", "run", "--timeout", "1", "--order", "completion", "--json", "Tesla revenue 2024"]
      const late = yield* run(cwd, [...asked, "--name", "slow"])
      assert.deepStrictEqual([late.code, outcomes(late)], [4, ['"outcome":"timeout"']], late.stderr)
      const own = yield* run(cwd, [...asked, "--size", "1", ...slow])
      assert.deepStrictEqual([own.code, outcomes(own)], [4, ['"outcome":"timeout"']], own.stderr)
      const limited = ["--budget-seconds", "1", "--env", "SAMPLE_AGENT_STEP_MS=3600000", "--json"]
      const dear = yield* run(cwd, ["pool", "run", "TSLA revenue 2024", ...limited])
      assert.strictEqual(dear.code, 1, dear.stderr)
      assert.include(dear.stdout, '"reason":"BudgetExceeded"')
      const unknown = yield* run(cwd, ["pool", "create", "other", "--profile", "nobody"])
      assert.strictEqual(unknown.code, 2)
      yield* run(cwd, ["pool", "terminate", "slow", "--yes"])
    }, Effect.scoped),
    limit
  )

  byDefault(it).live(
    "are drawn on a terminal: a bar of the stages of each launch, and of the questions",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const terminal = yield* open(cwd, [
        "pool",
        "run",
        "--size",
        "2",
        "Tesla revenue 2024",
        "Apple revenue 2024"
      ])
      yield* terminal.sees(/agent 1 .*\r\n.*agent 2 /)
      yield* terminal.sees("starting its sandbox")
      yield* terminal.sees(/question [12]: /)
      yield* terminal.sees("97,690")
      assert.strictEqual(yield* terminal.ended, 0)
      assert.include(terminal.shown(), "391,035")
      assert.include(terminal.shown(), "\u001B[", "it is drawn anew")
    }, Effect.scoped),
    limit
  )
})
