import { describeWhere } from "#test/where"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as dexterRepository from "../../../../orchestrator/test/support/dexterRepository.ts"
import * as llmServer from "../../../../orchestrator/test/support/llmServer.ts"
import { finish, inFolder, run, saying, start } from "../../support/support.ts"
import { inject } from "vitest"

const isolates = inject("isolations").length > 0

const limit = { timeout: 300_000 }

const put = (cwd: string, name: string, content: unknown) =>
  Effect.promise(() =>
    writeFile(join(cwd, name), typeof content === "string" ? content : JSON.stringify(content))
  )

/** A test in a folder of its own, in which no folder of a sandbox is left. */
const test = (name: string, body: (cwd: string) => Effect.Effect<void, never, Scope.Scope>) =>
  it.live(name, () => inFolder(body), limit)

describe("a profile whose code is at a host that nobody knows", () => {
  test("is refused with the name of the host, and nothing is recorded or created", (cwd) =>
    Effect.gen(function* () {
      const env = { REMOTE_AGENT_DATA: join(cwd, "data"), REMOTE_AGENT_TRUST: cwd }
      yield* put(cwd, "remote-agent.json", {
        profiles: {
          mine: {
            extends: "custom",
            source: { repository: "https://no-such-host.invalid/a.git", ref: "main", folder: "{home}/a" }
          }
        }
      })
      // Plain processes do for a launch that ends before there is one.
      const isolation = isolates ? [] : ["--isolation", "none"]
      yield* Effect.addFinalizer(() => run(cwd, ["local", "stop", "--yes"], env))
      const launched = yield* run(cwd, ["launch", "--profile", "mine", ...isolation], env)
      assert.deepStrictEqual([launched.code, launched.stdout], [2, ""], launched.stderr)
      assert.include(launched.stderr, "no-such-host.invalid is not known here")
      assert.include(launched.stderr, "source.repository")
      assert.strictEqual((yield* run(cwd, ["list", "--json"], env)).stdout, "")
      const status = yield* run(cwd, ["local", "status", "--json"], env)
      assert.deepInclude(JSON.parse(status.stdout), { sandboxes: { running: 0, paused: 0 } }, status.stdout)
      const asked = yield* run(cwd, ["ask", "--profile", "mine", "hello", ...isolation], env)
      assert.deepStrictEqual([asked.code, asked.stdout], [2, ""], asked.stderr)
      assert.include(asked.stderr, "no-such-host.invalid is not known here")
    }))
})

/** The settings of a user whose Dexter is on this machine, for Node.js in the place of Bun, which need not be here. */
const dexter = (repository: string) => ({
  source: { repository },
  egress: { setup: [] },
  needs: null,
  setup: [],
  health: { argv: ["node", "{run}/dexter-runner.mjs", "--health"] },
  run: { argv: ["node", "{run}/dexter-runner.mjs", "--request", "-"] }
})

describeWhere(isolates, "no isolation works here")("remote-agent ask --profile dexter", () => {
  test("answers on stdout, and tells of its tools on stderr while they are used", (cwd) =>
    Effect.gen(function* () {
      const key = "sk-not-a-real-key-0123456789"
      const shown = Promise.withResolvers<void>()
      const { repository } = yield* dexterRepository.make
      const model = yield* llmServer.make(({ toolResults }) =>
        toolResults === 0
          ? { tool: "get_market_data", args: { ticker: "AAPL" } }
          : { after: shown.promise, reply: { text: "It is 271.5." } }
      )
      yield* put(
        cwd,
        ".env",
        `OPENAI_API_KEY=${key}\nOPENAI_BASE_URL=${model.url}/v1\nDEXTER_MODEL=gpt-4.1-mini\n`
      )
      yield* put(cwd, "remote-agent.json", {
        DEXTER_MAX_STEPS: 4,
        profiles: { dexter: dexter(repository) }
      })
      const child = start(cwd, [
        "ask",
        "--trust",
        "--profile",
        "dexter",
        "--provider",
        "local",
        "What is AAPL?"
      ])
      const finished = finish(child)
      // The model says nothing more until the use of the tool has been shown.
      yield* Effect.promise(() => saying(child, "get_market_data").finally(() => shown.resolve()))
      const { code, stderr, stdout } = yield* Effect.promise(() => finished)
      assert.deepStrictEqual([code, stdout], [0, "It is 271.5.\n"], stderr)
      assert.lengthOf(model.calls, 2)
      assert.deepStrictEqual(
        model.calls.map((call) => [call.model, call.key, call.tools]),
        model.calls.map(() => ["gpt-4.1-mini", key, ["get_market_data"]])
      )
      assert.include(model.calls[1]?.conversation, "271.5")
      assert.notInclude(stdout + stderr, key)
    }))
})

describeWhere(isolates, "no isolation works here")(
  "a program of the user's own, by the profile custom",
  () => {
    test("is asked on its standard input, and what it prints is the answer, whatever it is", (cwd) =>
      Effect.gen(function* () {
        yield* put(
          cwd,
          "agent.sh",
          [
            "#!/bin/sh",
            "question=$(cat)",
            'case $question in fail*) echo "it broke" >&2; exit 3 ;; nothing*) exit 0 ;; esac',
            'printf \'{"not":"read"}\\n“%s” in %s\\n\' "$question" "${PWD##*/}"'
          ].join("\n")
        )
        yield* put(cwd, "remote-agent.json", {
          profiles: { custom: { assets: [{ path: "{run}/agent", file: "agent.sh", mode: "0755" }] } }
        })
        const ask = (...args: ReadonlyArray<string>) =>
          run(cwd, ["ask", "--trust", "--profile", "custom", ...args])
        const question = `What's "2+2"? \\ $(id) {home}\nand more`
        const good = yield* ask(question)
        assert.deepStrictEqual(
          [good.code, good.stdout],
          [0, `{"not":"read"}\n“${question}” in work\n`],
          good.stderr
        )
        const failed = yield* ask("--json", "fail now")
        assert.notStrictEqual(failed.code, 0)
        assert.deepInclude(JSON.parse(failed.stdout), { outcome: "error", answer: "" }, failed.stdout)
        const silent = yield* ask("--json", "nothing")
        assert.notStrictEqual(silent.code, 0)
        assert.deepInclude(JSON.parse(silent.stdout), { outcome: "empty", answer: "" }, silent.stdout)
      }))
  }
)
