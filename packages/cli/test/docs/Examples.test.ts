import { assert, describe, it } from "@effect/vitest"
import { DaemonStart } from "@remote-agent/e2b-local"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { env } from "node:process"
import { fileURLToPath } from "node:url"
import { finish, folder, leftFolders } from "../support/support.ts"

const examples = fileURLToPath(new URL("../../../../examples/", import.meta.url))

/** The examples with their expected output. Those under `testing` run as tests. */
const expected: Readonly<Record<string, ReadonlyArray<RegExp>>> = {
  simple: [/^0 ready: sample/m, /Microsoft's net margin was higher/, /Tesla's revenue .* \$97,690 million/],
  pool: [
    /^1\. Tesla revenue 2024$/m,
    /^3\. What is love\?\n.*cannot answer/m,
    /^7 of 8 questions .* 3 agents$/m
  ],
  ephemeral: [/\$164,501 million in 2024/, /^no answer \(error\): /m, /^Sandboxes left: 0$/m],
  "webhook-server": [/^answered with 401$/m, /^delivery delivery-1: Push$/m, /^an agent is up to date$/m],
  "custom-orchestrator": [/^Tesla:\n.*\$97,690 million/m, /^ {2}Not answered: Apple mood 2024$/m],
  "pull-request-report": [/^#1 created: Revenue report$/m, /^#1 updated: Revenue report\n.*\$391,035/m]
}

const example = (name: string, cwd: string, ...args: ReadonlyArray<string>) =>
  Effect.promise(() =>
    finish(
      spawn(process.execPath, [join(examples, `${name}.ts`), ...args], {
        cwd,
        env: { PATH: env["PATH"], HOME: cwd, TMPDIR: cwd, NODE_COMPILE_CACHE: env["NODE_COMPILE_CACHE"] },
        stdio: ["ignore", "pipe", "pipe"]
      })
    )
  )

/** The processes that use a folder: servers and sandboxes have its path in their arguments. */
const processesIn = async (path: string): Promise<ReadonlyArray<string>> => {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")))
  return lines.filter((line) => line.includes(path))
}

/** Checks that an example printed the expected output and left no folder. */
const good = Effect.fnUntraced(function* (
  cwd: string,
  ran: { readonly code: number | null; readonly stdout: string; readonly stderr: string },
  wanted: ReadonlyArray<RegExp>
) {
  assert.strictEqual(ran.code, 0, ran.stderr)
  assert.strictEqual(ran.stderr, "")
  for (const text of wanted) assert.match(ran.stdout, text)
  assert.deepStrictEqual(yield* Effect.promise(() => leftFolders(cwd)), [])
})

describe("the examples", () => {
  it.live("are all tried", () =>
    Effect.gen(function* () {
      const files = yield* Effect.promise(() => readdir(examples))
      const programs = files.filter((name) => name.endsWith(".ts")).map((name) => name.slice(0, -3))
      assert.deepStrictEqual(programs.toSorted(), [...Object.keys(expected), "persistent"].toSorted())
    })
  )

  for (const [name, wanted] of Object.entries(expected)) {
    it.live(
      `${name} does what it says and leaves nothing`,
      () =>
        Effect.gen(function* () {
          const cwd = yield* folder
          yield* good(cwd, yield* example(name, cwd), wanted)
          assert.deepStrictEqual(yield* Effect.promise(() => processesIn(cwd)), [])
        }),
      { timeout: 120_000 }
    )
  }

  it.live(
    "persistent is continued by a second process, which leaves nothing",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const data = join(cwd, "data")
        // If the test fails, the server must still be stopped.
        yield* Effect.addFinalizer(() => Effect.ignore(DaemonStart.stop(data, true)))
        yield* good(cwd, yield* example("persistent", cwd, data), [
          /\$96,773 million/,
          /^The agent is paused/m
        ])
        assert.lengthOf(yield* Effect.promise(() => readdir(join(data, "sandboxes"))), 1)
        yield* good(cwd, yield* example("persistent", cwd, data), [
          /^Found an agent that is paused and has answered 1\.$/m,
          /\$97,690 million/,
          /^The agent is terminated\.$/m
        ])
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(data, "sandboxes"))), [])
        assert.deepStrictEqual(yield* Effect.promise(() => processesIn(cwd)), [])
      }),
    { timeout: 120_000 }
  )
})
