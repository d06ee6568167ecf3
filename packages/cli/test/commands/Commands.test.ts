import { byDefault, inRest } from "#test/once"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { join } from "node:path"
import { run } from "../support/paper.ts"
import { folder } from "../support/support.ts"

const limit = { timeout: 120_000 }

const test = (name: string, body: (cwd: string) => Effect.Effect<void>) =>
  it.live(name, () => Effect.flatMap(folder, body), limit)

/** A port that nothing listens on. */
const unusedPort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** The text that remains on a terminal after all escape sequences were carried out. */
const settle = (text: string): ReadonlyArray<string> => {
  const rows = [""]
  let row = 0
  // oxlint-disable-next-line no-control-regex -- a terminal is driven by control characters
  for (const [token] of text.matchAll(/\u001B\[[\d;?]*[A-Za-z]|\r|\n|[^\u001B\r\n]+/g)) {
    // oxlint-disable-next-line no-control-regex -- as above
    const [, count = "", command] = /^\u001B\[([\d;?]*)([A-Za-z])$/.exec(token) ?? []
    if (command === "A") row -= Number(count)
    else if (command === "J") rows.splice(row, rows.length, "")
    else if (token === "\n") rows[++row] ??= ""
    else if (command === undefined && token !== "\r") rows[row] += token
  }
  return rows
}

describe("the commands on a terminal", () => {
  byDefault(test)("draw one line per agent and leave the answers", (cwd) =>
    Effect.gen(function* () {
      const { code, out } = yield* run(["demo"], { cwd, live: true })
      assert.strictEqual(code, 0)
      assert.include(out, "\u001B[?25l")
      assert.isAbove(out.lastIndexOf("\u001B[?25h"), out.lastIndexOf("\u001B[?25l"))
      const rows = settle(out)
      assert.deepStrictEqual(
        rows.filter((row) => row.startsWith("agent")),
        []
      )
      assert.strictEqual(rows.at(-2), "Sandboxes left: 0")
      assert.strictEqual(rows.filter((row) => /^\d\. /.test(row)).length, 6)
      assert.match(out, /agent 1 {2}/)
      assert.match(out, /agent 3 {2}/)
    })
  )

  byDefault(test)("print what a pool answers above the drawn lines", (cwd) =>
    Effect.gen(function* () {
      const { code, err, out } = yield* run(["pool", "run", "AAPL revenue 2024", "What is love?"], {
        cwd,
        live: true
      })
      assert.strictEqual(code, 5)
      assert.strictEqual(out, "")
      const rows = settle(err).join("\n")
      assert.include(rows, "391,035")
      assert.include(rows, "1 of 2 answered by 2 agents")
    })
  )
})

describe("the commands in a pipe", () => {
  byDefault(test)(
    "ask prints the answer, the events beside it, and what may be left should it be cut short",
    (cwd) =>
      Effect.gen(function* () {
        const { code, err, leftovers, out } = yield* run(["ask", "TSLA revenue 2024"], { cwd })
        assert.strictEqual(code, 0)
        assert.include(out, "97,690")
        assert.include(err, "get_fundamentals")
        assert.lengthOf(leftovers, 1)
      })
  )

  byDefault(test)("pool prints answers and failures in order, from arguments and a file", (cwd) =>
    Effect.gen(function* () {
      const file = join(cwd, "more.txt")
      yield* Effect.promise(() => writeFile(file, "MSFT revenue 2024\n"))
      const args = ["pool", "run", "--order", "completion", "--size", "1", "--file", file, "What is love?"]
      const { code, err, out } = yield* run(args, { cwd })
      assert.strictEqual(code, 5)
      assert.isBelow(out.indexOf("1. What is love?"), out.indexOf("2. MSFT"))
      assert.include(out, "245,122")
      assert.include(err, "agent 1: ready in sandbox")
    })
  )

  byDefault(test)("pool --json and demo --json print documents and no progress", (cwd) =>
    Effect.gen(function* () {
      const pool = yield* run(["pool", "run", "--json", "AAPL revenue 2024"], { cwd })
      assert.deepStrictEqual([pool.code, pool.err, pool.out.split("\n").length], [0, "", 2])
      const demo = yield* run(["demo", "--json"], { cwd })
      assert.deepStrictEqual([demo.code, JSON.parse(demo.out).left], [0, 0])
    })
  )

  byDefault(test)("the version, the help, and a wrong call", (cwd) =>
    Effect.gen(function* () {
      assert.match((yield* run(["--version"], { cwd })).out, /^\d+\.\d+\.\d+\n$/)
      assert.include((yield* run(["ask", "--help"], { cwd })).out, "--timeout")
      const { code, err, out } = yield* run(["demo", "--wrong"], { cwd })
      assert.deepStrictEqual([code, out], [2, ""])
      assert.include(err, "--wrong")
      const wizard = yield* run(["ask", "--wizard"], { cwd })
      assert.deepStrictEqual([wizard.code, wizard.out], [2, ""])
      assert.include(wizard.err, "--wizard needs a terminal to ask questions on.\n  Give the flags.\n")
      const empty = yield* run(["ask", " "], { cwd })
      assert.strictEqual(empty.code, 2)
      assert.include(empty.err, '" ". Expected a question that is not empty\n')
    })
  )

  byDefault(test)("failures before anything is made", (cwd) =>
    Effect.gen(function* () {
      for (const [args, code] of [
        [["ask", "x", "--profile", "nobody"], 2],
        [["ask", "x", "--provider", "e2b"], 2],
        [["ask", "x", "--env", "9"], 2],
        [["ask", "x", "--env", "NOT_SET_HERE"], 2],
        [["pool", "run", "--file", "/missing"], 2],
        [["ask", "--json", "What is love?"], 1]
      ] as const) {
        assert.strictEqual((yield* run(args, { cwd })).code, code, args.join(" "))
      }
    })
  )

  inRest(test)("refuses a provider that does not answer, and says what to do", (cwd) =>
    Effect.gen(function* () {
      const url = `http://127.0.0.1:${yield* Effect.promise(unusedPort)}`
      const env = { E2B_API_KEY: "e2b_fake", E2B_API_URL: url, E2B_SANDBOX_URL: url }
      const { code, err, leftovers, out } = yield* run(["ask", "--json", "--provider", "e2b", "x"], {
        cwd,
        env
      })
      assert.strictEqual(code, 1)
      assert.include(JSON.parse(out).error.reason, "LaunchFailed")
      assert.include(err, "could not be reached")
      assert.notInclude(err + out, "e2b_fake")
      assert.include(leftovers[0] ?? "", "E2B")
    })
  )
})
