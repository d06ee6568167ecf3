import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Completions } from "effect/cli"
import * as Cli from "../src/Cli.ts"
import { withText } from "../src/commandLine.ts"
import { run } from "./support/paper.ts"
import { folder } from "./support/support.ts"

const read = (...args: ReadonlyArray<string>) => withText(args, () => Completions.fromCommand(Cli.root))

describe("text on the command line", () => {
  it("that begins with a dash is text wherever text may be", () => {
    assert.deepStrictEqual(read("ask", "- What was Tesla's revenue?", "--json"), [
      "ask",
      "--json",
      "--",
      "- What was Tesla's revenue?"
    ])
    for (const text of [
      "- vat",
      "-what is it",
      "-5% of what?",
      "-- item",
      "---",
      "-vat",
      "-h and -v",
      "-→"
    ]) {
      assert.deepStrictEqual(read("ask", text), ["ask", "--", text], text)
      assert.deepStrictEqual(
        read("pr", "create", "ann", "--title", "t", "--body", text),
        ["pr", "create", "--title=t", `--body=${text}`, "--", "ann"],
        text
      )
      assert.deepStrictEqual(read("commit", "ann", "-m", text), ["commit", `-m=${text}`, "--", "ann"], text)
    }
  })

  it("after a flag is its value, unless it is a flag of the command", () => {
    assert.deepStrictEqual(read("issue", "create", "--title", "--verbatim", "--json"), [
      "issue",
      "create",
      "--title=--verbatim",
      "--json"
    ])
    assert.deepStrictEqual(read("issue", "create", "--title", "--json"), [
      "issue",
      "create",
      "--title",
      "--json"
    ])
  })

  it("leaves every other command line as it is", () => {
    for (const args of [
      ["ask", "--json", "what?"],
      ["terminate", "ann", "--all", "--yes"],
      ["exec", "ann", "--", "ls", "-la", "- x"],
      ["cp", "ann:x", "-"],
      ["--help"],
      ["ask", "-h"],
      ["ask", "-3"],
      ["-qv"],
      []
    ]) {
      assert.includeMembers([...read(...args)], args)
    }
    assert.deepStrictEqual(read("exec", "ann", "--", "ls", "- x"), ["exec", "ann", "--", "ls", "- x"])
  })

  it.live(
    "asks a question that begins with a dash, and takes a body of list items",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const asked = yield* run(["ask", "- What was Tesla's revenue in 2024?"], { cwd })
        assert.strictEqual(asked.code, 0, asked.err)
        assert.include(asked.out, "97,690")
        const version = yield* run(["ask", "- vat"], { cwd })
        assert.notMatch(version.out, /^\d+\.\d+\.\d+/)
        const body = yield* run(["issue", "create", "--title", "t", "--body", "- item", "--repo", "a/b"], {
          cwd
        })
        assert.include(body.err, "GITHUB_TOKEN", "the body is read, and the credential is missing")
      }),
    { timeout: 60_000 }
  )
})
