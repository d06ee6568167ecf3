import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { inFolder, run, finish, start } from "./support/support.ts"

const limit = { timeout: 120_000 }

const test = (name: string, body: (cwd: string) => Effect.Effect<void>) =>
  it.live(name, () => inFolder(body), limit)

const Document = Schema.Struct({
  index: Schema.optionalKey(Schema.Int),
  query: Schema.optionalKey(Schema.String),
  outcome: Schema.optionalKey(Schema.String),
  answer: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.Unknown)
})

const documents = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => Schema.decodeSync(Schema.fromJsonString(Document))(line))

const escape = "\u001B"

const put = (cwd: string, name: string, text: string) =>
  Effect.promise(() => writeFile(join(cwd, name), text))

const ask = (cwd: string, env?: Readonly<Record<string, string>>) =>
  run(cwd, ["ask", "AAPL revenue 2024"], env)

describe("the source of the binary", () => {
  test("does what its bundle does", (cwd) =>
    Effect.gen(function* () {
      const source = fileURLToPath(new URL("bin.ts", import.meta.resolve("@remote-agent/cli")))
      const { code, stdout } = yield* Effect.promise(() => finish(start(cwd, ["demo"], {}, "ignore", source)))
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout.trimEnd().split("\n").at(-1), "Sandboxes left: 0")
    }))
})

describe("remote-agent", () => {
  test("says the version that its package has", (cwd) =>
    Effect.gen(function* () {
      const manifest = JSON.parse(
        yield* Effect.promise(() => readFile(new URL("../package.json", import.meta.url), "utf8"))
      )
      for (const args of [["--version"], ["demo", "--version"]]) {
        const { code, stdout } = yield* run(cwd, args)
        assert.deepStrictEqual([code, stdout.trim()], [0, manifest.version])
      }
    }))

  test("explains itself on stdout when asked to", (cwd) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(cwd, ["--help"])
      assert.deepStrictEqual([code, stderr], [0, ""])
      for (const command of ["ask", "pool", "demo"]) assert.include(stdout, command)
      assert.notInclude(stdout, escape)
    }))

  test("explains a wrong call on stderr, with the nearest command, and exits with 2", (cwd) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(cwd, ["asc", "hello"])
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.include(stderr, "ask")
    }))

  test("says what is wrong with a call in a line, where to look in another, and in JSON for programs", (cwd) =>
    Effect.gen(function* () {
      const wrong = ["pool", "run", "--size", "900", "hello"]
      const { code, stderr, stdout } = yield* run(cwd, wrong)
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.deepStrictEqual(stderr.split("\n"), [
        'Invalid value for flag --size: "900". Expected a value between 1 and 100',
        "  See `remote-agent pool run --help`.",
        ""
      ])
      const json = yield* run(cwd, [...wrong, "--json"])
      assert.strictEqual(json.code, 2)
      assert.deepNestedInclude(JSON.parse(json.stdout), { "error.reason": "Usage", "error.retryable": false })
    }))

  test("tells nothing but the result when it is to be quiet, and everything when it is to be verbose", (cwd) =>
    Effect.gen(function* () {
      const quiet = yield* run(cwd, ["ask", "-q", "AAPL revenue 2024"])
      assert.deepStrictEqual([quiet.code, quiet.stderr], [0, ""])
      assert.include(quiet.stdout, "391,035")
      const failed = yield* run(cwd, ["ask", "--quiet", "What is love?"])
      assert.strictEqual(failed.code, 1)
      assert.include(failed.stderr, "The query ended with error")
      const verbose = yield* run(cwd, ["ask", "--verbose", "AAPL revenue 2024"])
      assert.include(verbose.stderr, "get_fundamentals")
    }))

  for (const args of [
    ["ask"],
    ["ask", "  "],
    ["ask", "hello", "--timeout", "0"],
    ["ask", "hello", "--timeout", "soon"],
    ["ask", "hello", "--max-steps", "0"],
    ["ask", "hello", "--budget-usd", "0"],
    ["ask", "hello", "--model", "two words"],
    ["ask", "hello", "--provider", "docker"],
    ["pool", "run", "hello", "--size", "0"],
    ["pool", "run", "hello", "--no-such-flag"],
    ["pool", "run"],
    ["pool", "run", "--file", "missing.txt"],
    ["ask", "hello", "--profile", "nobody"],
    ["ask", "hello", "--provider", "e2b"]
  ]) {
    test(`refuses "${args.join(" ")}" with 2 and a word on what to do`, (cwd) =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* run(cwd, args)
        assert.deepStrictEqual([code, stdout], [2, ""])
        assert.isAbove(stderr.trim().split("\n").length, 1)
        assert.notMatch(stderr, /\n {4}at /)
      }))
  }
})

describe("remote-agent ask", () => {
  test("holds the agent to a budget", (cwd) =>
    Effect.gen(function* () {
      const slow = ["--env", "SAMPLE_AGENT_STEP_MS=3600000", "--budget-seconds", "1"]
      const { code, stdout } = yield* run(cwd, ["ask", "AAPL revenue 2024", ...slow, "--json"])
      assert.strictEqual(code, 1)
      assert.deepNestedInclude(JSON.parse(stdout), { "error.reason": "BudgetExceeded" })
    }))

  test("holds the agent to so many steps", (cwd) =>
    Effect.gen(function* () {
      const question = "Compare the revenue of Apple, Tesla and Microsoft in 2024"
      const { code, stdout } = yield* run(cwd, [
        "ask",
        question,
        "--max-steps",
        "1",
        "--model",
        "m1",
        "--json"
      ])
      assert.strictEqual(code, 1)
      assert.deepInclude(JSON.parse(stdout), { outcome: "max_iterations", query: question })
    }))

  test("prints the answer on stdout and nothing else there", (cwd) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(cwd, ["ask", "What was Tesla's revenue in 2024?"])
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /^[^\n]*97,690[^\n]*\n$/)
      assert.include(stderr, "get_fundamentals")
      assert.notInclude(stdout + stderr, escape)
    }))

  test("prints one JSON document", (cwd) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(cwd, ["ask", "--json", "What was Tesla's revenue in 2024?"])
      assert.deepStrictEqual([code, stderr], [0, ""])
      const [document, ...more] = documents(stdout)
      assert.deepStrictEqual(more, [])
      assert.strictEqual(document?.outcome, "ok")
      assert.include(document?.answer ?? "", "97,690")
    }))

  test("says why there is no answer, and exits with 1", (cwd) =>
    Effect.gen(function* () {
      const people = yield* run(cwd, ["ask", "What will Apple's revenue be in 2030?"])
      assert.deepStrictEqual([people.code, people.stdout], [1, ""])
      assert.include(people.stderr, "2030")
      const programs = yield* run(cwd, ["ask", "--json", "What will Apple's revenue be in 2030?"])
      assert.strictEqual(programs.code, 1)
      assert.deepStrictEqual(
        documents(programs.stdout).map(({ answer, outcome }) => ({ answer, outcome })),
        [{ answer: "", outcome: "error" }]
      )
    }))

  test("exits with 4 when the answer takes too long", (cwd) =>
    Effect.gen(function* () {
      const slow = ["--env", "SAMPLE_AGENT_STEP_MS=60000", "--timeout", "1"]
      const { code, stdout } = yield* run(cwd, ["ask", "--json", ...slow, "AAPL revenue 2024"])
      assert.strictEqual(code, 4)
      assert.strictEqual(documents(stdout)[0]?.outcome, "timeout")
    }))

  test("takes a variable of the sandbox from its own environment, and misses it when it is not set", (cwd) =>
    Effect.gen(function* () {
      const args = ["ask", "--json", "--timeout", "1", "--env", "SAMPLE_AGENT_STEP_MS", "AAPL revenue 2024"]
      assert.strictEqual((yield* run(cwd, args, { SAMPLE_AGENT_STEP_MS: "60000" })).code, 4)
      const missing = yield* run(cwd, args)
      assert.strictEqual(missing.code, 2)
      assert.include(missing.stderr, "SAMPLE_AGENT_STEP_MS")
    }))

  test("tells a failure that is no answer as JSON too", (cwd) =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(cwd, ["ask", "--json", "--profile", "nobody", "hello"])
      assert.strictEqual(code, 2)
      assert.include(stdout, '"reason":"UnknownProfile"')
    }))

  test("reads .env and remote-agent.json, and names what is wrong in them", (cwd) =>
    Effect.gen(function* () {
      yield* put(cwd, ".env", "E2B_DEFAULT_TIMEOUT=never\n")
      const wrong = yield* ask(cwd)
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.stderr, "E2B_DEFAULT_TIMEOUT")
      assert.notInclude(wrong.stderr, "never")
      assert.strictEqual((yield* ask(cwd, { E2B_DEFAULT_TIMEOUT: "60" })).code, 0)
      yield* put(cwd, ".env", "")
      yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_PROFILE": "nobody" }')
      assert.include((yield* ask(cwd)).stderr, "nobody")
      yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_PROFIL": "sample" }')
      assert.include(
        (yield* ask(cwd)).stderr,
        "remote-agent.json:1:3: REMOTE_AGENT_PROFIL is not a setting.\n  Did you mean REMOTE_AGENT_PROFILE?"
      )
      yield* put(cwd, "remote-agent.json", "{,}")
      assert.include((yield* ask(cwd)).stderr, "remote-agent.json:1:2 is not valid JSON: unexpected comma.")
    }))

  test("passes what a shell would read on to the agent as it is", (cwd) =>
    Effect.gen(function* () {
      const question = "Tesla revenue 2024 '\"$(touch owned)`touch owned`\\ \n; exit 3 #"
      const { stdout } = yield* run(cwd, ["ask", "--json", question])
      assert.strictEqual(documents(stdout)[0]?.query, question)
    }))

  test("works without isolation when told so in words, and says it", (cwd) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(cwd, ["ask", "AAPL revenue 2024", "--isolation", "none"])
      assert.strictEqual(code, 0, stderr)
      assert.include(stdout, "391,035")
      assert.include(stderr, "plain processes")
    }))
})

describe("remote-agent pool", () => {
  const good = ["TSLA revenue 2024", "AAPL revenue 2024", "MSFT revenue 2024"]

  test("answers in the order of the questions", (cwd) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(cwd, ["pool", "run", "--size", "2", ...good])
      assert.strictEqual(code, 0, stderr)
      const places = ["97,690", "391,035", "245,122"].map((figure) => stdout.indexOf(figure))
      assert.isTrue(places.every((place) => place >= 0))
      assert.deepStrictEqual(
        places.toSorted((a, b) => a - b),
        places
      )
      assert.include(stderr, "3 of 3 answered")
    }))

  test("prints one JSON document per line, and exits with 5 when some have no answer", (cwd) =>
    Effect.gen(function* () {
      yield* Effect.promise(() =>
        writeFile(join(cwd, "questions.txt"), `${good.join("\r\n")}\n\nWhat is love?\n`)
      )
      const { code, stdout } = yield* run(cwd, ["pool", "run", "--json", "--file", "questions.txt"])
      assert.strictEqual(code, 5)
      assert.deepStrictEqual(
        documents(stdout).map(({ index, outcome }) => [index, outcome]),
        [
          [0, "ok"],
          [1, "ok"],
          [2, "ok"],
          [3, "error"]
        ]
      )
    }))

  test("exits with 1 when nothing was answered", (cwd) =>
    Effect.gen(function* () {
      const { code } = yield* run(cwd, ["pool", "run", "--json", "What is love?", "Why?"])
      assert.strictEqual(code, 1)
    }))
})

describe("remote-agent demo", () => {
  test("answers six questions and says at the end that nothing is left, without escape codes", (cwd) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(cwd, ["demo"])
      assert.strictEqual(code, 0, stderr)
      const lines = stdout.trimEnd().split("\n")
      assert.strictEqual(lines.at(-1), "Sandboxes left: 0")
      assert.match(lines.at(-2) ?? "", /^6 of 6 answered by 3 agents/)
      assert.notInclude(stdout, escape)
    }))

  test("prints one JSON document", (cwd) =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(cwd, ["demo", "--json"])
      const document = JSON.parse(stdout)
      assert.deepStrictEqual([code, document.left, document.results.length], [0, 0, 6])
    }))
})
