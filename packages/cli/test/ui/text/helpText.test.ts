import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Completions } from "effect/cli"
import * as Cli from "../../../src/Cli.ts"
import { wrap } from "../../../src/ui/text/wrap.ts"
import * as Paper from "../../support/paper.ts"
import { folder } from "../../support/support.ts"

const paths = (command: Completions.CommandDescriptor): ReadonlyArray<ReadonlyArray<string>> =>
  command.subcommands.flatMap((one) => [[one.name], ...paths(one).map((path) => [one.name, ...path])])

const all = [[], ...paths(Completions.fromCommand(Cli.root))]

const groups = new Set(
  all
    .filter((path) =>
      all.some((one) => one.length === path.length + 1 && path.every((word, index) => one[index] === word))
    )
    .map((path) => path.join(" "))
)

describe("help", () => {
  it.effect.each(all.map((path) => path.join(" ")))("of `remote-agent %s` fits in 80 columns", (name) =>
    Effect.gen(function* () {
      const words = name === "" ? [] : name.split(" ")
      const { code, err, out } = yield* Paper.run([...words, "--help"], { cwd: yield* folder, columns: 200 })
      assert.deepStrictEqual([code, err], [0, ""])
      assert.deepStrictEqual(
        out.split("\n").filter((line) => line.length > 80),
        []
      )
      // An alias has the help of its command.
      if (!groups.has(name) && !/\b(?:ls|rm|ps)$/.test(name)) {
        assert.match(out, /^Examples:$/m)
        assert.match(out, new RegExp(`^ {2}(?:.*\\| |eval "\\$\\()?remote-agent ${name}\\b`, "m"))
      }
    })
  )

  it.effect("lists the flags of a command first, and explains the global ones once", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const { out: root } = yield* Paper.run(["--help"], { cwd })
      assert.match(root, /^Flags of every command:$/m)
      assert.match(root, / {2}--log-level <level>/)
      assert.notInclude(root, "--completions")
      const { out } = yield* Paper.run(["launch", "--help"], { cwd, columns: 80 })
      assert.match(out, /^Flags:\n {2}--name <text>/m)
      assert.notInclude(out, "Print only results and failures")
      assert.match(out, /See\s`remote-agent --help`\.\n$/)
    })
  )
})

describe("wrap", () => {
  it("breaks at blanks, keeps line breaks and indents", () => {
    assert.deepStrictEqual(wrap("one two three\n  four five", 9), ["one two", "three", "  four", "  five"])
    assert.deepStrictEqual(wrap("aaaaaaaaaaaa b", 5), ["aaaaaaaaaaaa", "b"])
    assert.deepStrictEqual(wrap("数据 数据", 5), ["数据", "数据"])
  })
})
