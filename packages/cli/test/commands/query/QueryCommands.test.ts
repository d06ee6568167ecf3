import { assert, describe, it } from "@effect/vitest"
import { Id } from "@remote-agent/domain"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { home, launch } from "../../support/agents.ts"
import { bin, finish, folder, run, withoutCache } from "../../support/support.ts"

const limit = { timeout: 600_000 }

const { PATH = "" } = process.env

/** Runs the binary at the end of a pipe that a shell makes. */
const shell = (cwd: string, program: string) =>
  Effect.promise(() =>
    finish(
      spawn("sh", ["-c", program, "sh", process.execPath, bin], {
        cwd,
        env: { PATH, HOME: cwd, TMPDIR: cwd, ...withoutCache },
        stdio: ["ignore", "pipe", "pipe"]
      })
    )
  )

describe("a question on standard input", () => {
  it.live(
    "is added to the words by a pipe and by a file, and stays out of /dev/null",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const piped = yield* shell(cwd, `printf 'TSLA revenue 2024\\n' | "$1" "$2" ask --json "Answer this:"`)
      assert.deepInclude(JSON.parse(piped.stdout), {
        query: "Answer this:\n\nTSLA revenue 2024",
        outcome: "ok"
      })
      const dash = yield* shell(cwd, `echo 'TSLA revenue 2024' > q; "$1" "$2" ask --json - < q`)
      assert.strictEqual(JSON.parse(dash.stdout).query, "TSLA revenue 2024")
      const none = yield* shell(cwd, `"$1" "$2" ask --json "TSLA revenue 2024" < /dev/null`)
      assert.strictEqual(JSON.parse(none.stdout).query, "TSLA revenue 2024")
    }),
    limit
  )
})

describe("a detached query", () => {
  it.live(
    "is waited for, notifies, and is found in the history by a short id",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "one")
      const detached = yield* run(cwd, ["query", "one", "TSLA revenue 2024", "--detach"])
      const id = detached.stdout.trim()
      const refused = yield* run(cwd, ["query", "one", "x", "--detach", "--notify"])
      assert.strictEqual(refused.code, 2)
      const told = `printf %s "$REMOTE_AGENT_OUTCOME" > told`
      const waited = yield* run(cwd, ["wait", id.slice(0, 16), "--notify-command", told])
      assert.strictEqual(waited.code, 0, waited.stderr)
      assert.match(waited.stdout, new RegExp(`^${id}  one  ok  `))
      assert.strictEqual((yield* shell(cwd, "cat told")).stdout, "ok")
      assert.include((yield* run(cwd, ["answer", "one"])).stdout, "97,690")
      assert.include((yield* run(cwd, ["queries", "one"])).stdout, Id.short(Id.QueryId.make(id)))
    }),
    limit
  )
})
