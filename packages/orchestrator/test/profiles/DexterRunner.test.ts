import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { createServer, type Server } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const asset = (name: string) => fileURLToPath(new URL(`../../assets/${name}`, import.meta.url))

const programs = process.env["PATH"] ?? ""

/** A folder that goes with the scope. */
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "dexter-runner-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const write = (root: string, files: Readonly<Record<string, string>>) => {
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path)
    mkdirSync(join(file, ".."), { recursive: true })
    writeFileSync(file, content)
    if (content.startsWith("#!")) chmodSync(file, 0o755)
  }
}

const run = (
  argv: readonly [string, ...ReadonlyArray<string>],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv; readonly stdin?: string }
) =>
  Effect.callback<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>(
    (resume) => {
      const child = spawn(argv[0], argv.slice(1), {
        cwd: options.cwd,
        env: { ...process.env, ...options.env }
      })
      const texts = { stdout: "", stderr: "" }
      for (const name of ["stdout", "stderr"] as const) {
        child[name].setEncoding("utf8").on("data", (text: string) => {
          texts[name] += text
        })
      }
      child.on("close", (code) => resume(Effect.succeed({ code, ...texts })))
      child.stdin.end(options.stdin ?? "")
      return Effect.sync(() => child.kill("SIGKILL"))
    }
  )

/** An answer of the model's server: a status and the message of its error, or the text of the answer. */
type Answer = readonly [status: number, text: string]

/** A model that gives these answers, one after the other, and the last one from then on. */
const modelOf = (answers: ReadonlyArray<Answer>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        let count = 0
        const server = createServer((_, response) => {
          const [status, text] = answers[Math.min(count++, answers.length - 1)] ?? [500, ""]
          const body = status === 200 ? { text } : { error: { message: text } }
          response.writeHead(status, { "content-type": "application/json", "retry-after": "2" })
          response.end(JSON.stringify(body))
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
    ),
    (server) => {
      const address = server.address()
      return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/v1`
    }
  )

/** An agent that asks its model again and again in silence, as Dexter's libraries do. */
const agent = `export class Agent {
  static create = async () => new Agent()
  async *run(query) {
    const [attempts, prefix] = query.split(" ")
    let problem = ""
    for (let attempt = 0; attempt < Number(attempts); attempt++) {
      const response = await fetch(process.env.MODEL_URL + "/chat/completions", { method: "POST", body: "{}" })
      const body = await response.json()
      if (response.ok) return yield { type: "done", answer: body.text, iterations: 1 }
      problem = prefix ?? body.error.message
    }
    yield { type: "done", answer: Number(attempts) === 0 ? "Error: No key." : "Error: " + problem, iterations: 1 }
  }
}
`

const asked = Effect.fnUntraced(function* (query: string, answers: ReadonlyArray<Answer>) {
  const root = yield* folder
  write(root, {
    "home/package.json": JSON.stringify({ version: "1", type: "module" }),
    "home/src/agent/agent.ts": agent,
    "home/src/tools/registry.ts": "export const getTools = () => []\n",
    "run/.keep": "",
    "work/.keep": ""
  })
  const { stdout } = yield* run([process.execPath, asset("dexter-runner.mjs"), "--request", "-"], {
    cwd: join(root, "run"),
    env: {
      DEXTER_HOME: join(root, "home"),
      DEXTER_WORKDIR: join(root, "work"),
      MODEL_URL: yield* modelOf(answers)
    },
    stdin: JSON.stringify({ id: "q1", query })
  })
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  const result = lines.at(-1)
  assert.strictEqual(result.type, "result")
  return { events: lines.flatMap((line) => (line.type === "event" ? [line.event] : [])), result }
}, Effect.scoped)

describe("Dexter's runner", () => {
  it.live("reports what the libraries retry, as it happens, and the outcome names the last failure", () =>
    Effect.gen(function* () {
      const { events, result } = yield* asked("3", [
        [429, "Rate limit reached"],
        [500, "Overloaded"],
        [400, "maximum context length is 128000 tokens"]
      ])
      assert.deepStrictEqual(
        events.map(({ attempt, status, type }) => [type, attempt, status]),
        [
          ["retry", 1, 429],
          ["notice", undefined, undefined],
          ["retry", 2, 500],
          ["notice", undefined, undefined],
          ["notice", undefined, undefined]
        ]
      )
      assert.strictEqual(events[0].delayMillis, 2000)
      assert.include(events[1].message, "answered 429: Rate limit reached")
      assert.strictEqual(result.outcome, "error")
      assert.strictEqual(result.error, "maximum context length is 128000 tokens")
    })
  )

  it.live("names the last failure where Dexter's own words do not", () =>
    Effect.gen(function* () {
      const { result } = yield* asked("2 Failed.", [[429, "Rate limit reached"]])
      assert.strictEqual(result.error, "Failed. The model's server answered 429: Rate limit reached")
    })
  )

  it.live("forgets failures that a retry has overcome", () =>
    Effect.gen(function* () {
      const { result } = yield* asked("2", [
        [503, "Overloaded"],
        [200, "It is 271.5."]
      ])
      assert.deepStrictEqual([result.outcome, result.answer, result.error], ["ok", "It is 271.5.", undefined])
    })
  )

  it.live("takes words of the model for an answer although they begin like a failure of Dexter's", () =>
    Effect.gen(function* () {
      for (const text of [
        "Error: the filing has two.",
        "Reached maximum iterations of the loop, says the filing."
      ]) {
        const { result } = yield* asked("1", [[200, text]])
        assert.deepStrictEqual([result.outcome, result.answer], ["ok", text])
      }
    })
  )

  it.live("takes Dexter's own words for a failure", () =>
    Effect.gen(function* () {
      const keyless = yield* asked("0", [[200, "unused"]])
      assert.deepStrictEqual([keyless.result.outcome, keyless.result.error], ["error", "No key."])
      const named = yield* asked("1", [[200, "Error: [OpenAI API] The stream broke off."]])
      assert.strictEqual(named.result.outcome, "error")
    })
  )

  it.live("calls a blank answer empty", () =>
    Effect.gen(function* () {
      const { result } = yield* asked("1", [[200, " \n\n\t"]])
      assert.deepStrictEqual([result.outcome, result.answer], ["empty", ""])
    })
  )
})

/** Bun as far as the set-up uses it: it installs one library, and cannot reach GitHub for the other. */
const bun = `#!/bin/sh
mkdir -p node_modules/kept && echo '{}' > node_modules/kept/package.json
echo x > "$BUN_INSTALL_CACHE_DIR-used"
if [ -e ../broken ]; then rm -rf node_modules/kept; echo 'error: GET https://registry/kept - 404' >&2; exit 1; fi
if [ -e ../offline ]; then
  echo 'error: ConnectionRefused: GET https://api.github.com/repos/whiskeysockets/libsignal-node/tarball/1c30d7d' >&2
  exit 1
fi
mkdir -p node_modules/libsignal && echo '{}' > node_modules/libsignal/package.json
`

const npm = `#!/bin/sh
echo "$@" >> ../npm.log
for argument in "$@"; do previous="$folder"; folder="$argument"; done
mkdir -p "$previous/package" && echo '{"fallback":true}' > "$previous/package/package.json"
tar -czf "$previous/libsignal-6.0.0.tgz" -C "$previous" package
`

describe("Dexter's set-up", () => {
  const setUp = Effect.gen(function* () {
    const root = yield* folder
    write(root, {
      "bin/bun": bun,
      "bin/npm": npm,
      "dexter/package.json": JSON.stringify({ dependencies: { kept: "1" } })
    })
    const cwd = join(root, "dexter")
    const again = run([process.execPath, asset("dexter-setup.mjs"), join(root, "bin/bun")], {
      cwd,
      env: { PATH: `${join(root, "bin")}:${programs}` }
    })
    const library = () => readFileSync(join(cwd, "node_modules/libsignal/package.json"), "utf8").trim()
    return { again, library, root }
  })

  it.live("runs any number of times where one library cannot be fetched, and leaves no caches", () =>
    Effect.gen(function* () {
      const { again, library, root } = yield* setUp
      writeFileSync(join(root, "offline"), "")
      for (let round = 0; round < 3; round++) {
        const { code, stderr } = yield* again
        assert.strictEqual(code, 0, stderr)
        assert.strictEqual(library(), '{"fallback":true}')
      }
      const packed = readFileSync(join(root, "npm.log"), "utf8").trim().split("\n")
      assert.lengthOf(packed, 1, "the fallback counts when it was taken before")
      assert.deepStrictEqual(readdirSync(root).toSorted(), ["bin", "dexter", "npm.log", "offline"])
    }).pipe(Effect.scoped)
  )

  it.live("fails where something else is missing, and succeeds when that is there again", () =>
    Effect.gen(function* () {
      const { again, library, root } = yield* setUp
      assert.strictEqual((yield* again).code, 0)
      assert.strictEqual(library(), "{}")
      writeFileSync(join(root, "broken"), "")
      assert.notStrictEqual((yield* again).code, 0)
      rmSync(join(root, "broken"))
      writeFileSync(join(root, "offline"), "")
      assert.strictEqual((yield* again).code, 0)
      assert.isFalse(existsSync(join(root, "npm.log")))
      assert.deepStrictEqual(readdirSync(root).toSorted(), ["bin", "dexter", "offline"])
    }).pipe(Effect.scoped)
  )
})
