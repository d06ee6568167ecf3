import { byDefault, inRest } from "#test/once"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { home, launch } from "../support/agents.ts"
import { bin, finish, folder, lines, run, start } from "../support/support.ts"

const limit = { timeout: 300_000 }

const counter = fileURLToPath(new URL("../fixtures/countStatements.mjs", import.meta.url))

describe("one command", () => {
  byDefault(it).live(
    "opens the state once, and needs at most 30 statements for a query",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "ada")
      const file = join(cwd, "statements")
      const asked = yield* run(cwd, ["query", "ada", "TSLA revenue 2024"], {
        NODE_OPTIONS: `--import=${counter}`,
        STATEMENTS: file
      })
      assert.strictEqual(asked.code, 0, asked.stderr)
      const statements = (yield* Effect.promise(() => readFile(file, "utf8"))).trimEnd().split("\n")
      const schema = statements.filter((one) => one.includes("remote_migrations"))
      const executed = statements.filter((one) => one !== "closed")
      // On a busy machine events arrive in more pieces, and each piece is a transaction of four statements.
      const pieces = executed.filter((one) => one.includes("INSERT INTO remote_events")).length
      assert.isAtMost(executed.length - 4 * Math.max(0, pieces - 2), 30, executed.join("\n"))
      assert.isAtMost(schema.length, 2, "the schema is checked when the state is opened, and not again")
    }),
    limit
  )

  inRest(it).live(
    "takes the running server as it is, also one that does not isolate",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const does = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const { code, stderr, stdout } = yield* run(cwd, args)
        assert.strictEqual(code, 0, `${args.join(" ")}: ${stderr}`)
        return { stderr, stdout }
      })
      yield* does("launch", "--name", "bob", "--isolation", "none")
      assert.include((yield* does("query", "bob", "TSLA revenue 2024")).stdout, "97,690")
      assert.include((yield* does("exec", "bob", "--", "echo", "ran")).stderr, "plain processes")
      yield* does("pause", "bob")
      const refused = yield* run(cwd, ["exec", "bob", "--isolation", "auto", "--", "true"])
      assert.notStrictEqual(refused.code, 0, "an isolation that is asked for is not waived")
      assert.include(refused.stderr, `"none"`)
      yield* does("terminate", "bob")
    }),
    limit
  )

  byDefault(it).live(
    "lists an agent as paused when its sandbox was paused without it",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const launched = yield* run(cwd, ["launch", "--name", "ada", "--ttl", "2"])
      assert.strictEqual(launched.code, 0, launched.stderr)
      const server = Effect.map(
        run(cwd, ["local", "status", "--json"]),
        ({ stdout }) => JSON.parse(stdout).sandboxes
      )
      yield* Effect.repeat(server, {
        until: ({ paused }) => paused === 1,
        schedule: Schedule.spaced("200 millis")
      })
      const listed = yield* run(cwd, ["list"])
      assert.match(listed.stdout, /ada +paused/)
      assert.strictEqual(listed.stderr, "")
      const active = yield* run(cwd, ["list", "--status", "active", "--json"])
      assert.deepStrictEqual([active.code, active.stdout], [0, ""])
      assert.match((yield* run(cwd, ["info", "ada"])).stdout, /status +paused/)
      assert.strictEqual((yield* server).running, 0, "no command has resumed it")
    }),
    limit
  )

  inRest(it).live(
    "continues the conversation of the last query when it is asked to, and starts one of its own otherwise",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "ada")
      const first = yield* run(cwd, ["query", "ada", "AAPL revenue 2024"])
      assert.include(first.stdout, "391,035", first.stderr)
      const continued = yield* run(cwd, ["query", "ada", "and in 2023?", "--continue"])
      assert.include(continued.stdout, "383,285", continued.stderr)
      const alone = yield* run(cwd, ["query", "ada", "and in 2023?"])
      assert.strictEqual(alone.code, 1, alone.stdout)
      const both = yield* run(cwd, ["query", "ada", "and in 2023?", "--continue", "--session", "s"])
      assert.strictEqual(both.code, 2)
    }),
    limit
  )

  inRest(it).live(
    "can look into the sandbox of a launch that failed and kept it",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const broken = {
        description: "Its setup fails",
        work: "{home}/work",
        assets: [],
        setup: [{ argv: ["sh", "-c", "touch {home}/trace; echo no such package >&2; exit 3"] }],
        health: { argv: ["true"] },
        run: {
          argv: ["true"],
          input: "stdin-text",
          protocol: "text",
          wallTimeout: "1 minute",
          idleTimeout: "1 minute"
        }
      }
      const env = { REMOTE_AGENT_PROFILES: JSON.stringify({ broken }) }
      const args = ["launch", "--name", "bad", "--profile", "broken", "--keep-failed"]
      const failed = yield* run(cwd, args, env)
      assert.strictEqual(failed.code, 1)
      assert.include(failed.stderr, "The sandbox of a failed launch is kept.")
      const looked = yield* run(cwd, ["exec", "bad", "--", "ls"], env)
      assert.strictEqual(looked.code, 0, looked.stderr)
      assert.include(looked.stdout, "trace")
      assert.strictEqual((yield* run(cwd, ["query", "bad", "hello"], env)).code, 1)
      assert.strictEqual((yield* run(cwd, ["terminate", "bad"], env)).code, 0)
    }),
    limit
  )

  byDefault(it).live(
    "that only follows a query says so at Ctrl-C, and leaves the query running",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const launched = yield* run(cwd, ["launch", "--name", "slow", "--env", "SAMPLE_AGENT_STEP_MS=3600000"])
      assert.strictEqual(launched.code, 0, launched.stderr)
      const id = (yield* run(cwd, ["query", "slow", "TSLA revenue 2024", "--detach"])).stdout.trim()
      const follower = start(cwd, ["logs", "--follow", id])
      const ended = finish(follower)
      yield* Effect.promise(() => lines(follower, 1))
      follower.kill("SIGINT")
      const { code, stderr } = yield* Effect.promise(() => ended)
      assert.strictEqual(code, 130)
      assert.include(stderr, "The query continues.")
      assert.notInclude(stderr, "cleaning up")
      assert.include((yield* run(cwd, ["info", "slow"])).stdout, `running     ${id}`)
    }),
    limit
  )

  byDefault(it).live(
    "in a working directory that was deleted says so",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const program = `mkdir gone && cd gone && rmdir ../gone && '${process.execPath}' '${bin}' list`
      const child = spawn("sh", ["-c", program], { cwd, stdio: ["ignore", "pipe", "pipe"] })
      const { code, stderr, stdout } = yield* Effect.promise(() => finish(child))
      assert.deepStrictEqual(
        [code, stdout, stderr],
        [2, "", "The working directory no longer exists.\n  Change to a folder that exists.\n"]
      )
    }),
    limit
  )
})
