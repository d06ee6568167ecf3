import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Completions } from "effect/cli"
import * as Cli from "../../src/Cli.ts"
import { documents, undocumented } from "../../src/documents/documents.ts"
import { commandOf } from "../support/documents.ts"
import * as Paper from "../support/paper.ts"
import { folder } from "../support/support.ts"

const leaves = (
  { subcommands }: Completions.CommandDescriptor,
  above: ReadonlyArray<string> = []
): ReadonlyArray<ReadonlyArray<string>> =>
  subcommands.flatMap((one) => {
    const path = [...above, one.name]
    return one.arguments.length === 0 && one.subcommands.length > 0 && one.name !== "profiles"
      ? leaves(one, path)
      : [path, ...leaves(one, path)]
  })

const names = [...new Set(leaves(Completions.fromCommand(Cli.root)).map((path) => commandOf(path)))]

describe("the documents of --json", () => {
  it("have a schema for every command", () => {
    const missing = names.filter((name) => !(name in documents) && !undocumented.has(name))
    assert.deepStrictEqual(missing, [])
    assert.deepStrictEqual(
      Object.keys(documents).filter((name) => !names.includes(name)),
      []
    )
  })

  it.each(Object.entries(documents))("of %s can be written as JSON Schema", (_, { schema }) => {
    assert.isObject(Schema.toJsonSchemaDocument(schema))
  })

  it.effect("say on stderr that a list is empty, and print nothing", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      for (const args of [
        ["list"],
        ["queries"],
        ["pool", "list"],
        ["run", "list"],
        ["token", "list"],
        ["trust", "--list"]
      ]) {
        const { code, err, out } = yield* Paper.run([...args, "--json"], { cwd })
        assert.deepStrictEqual([code, out], [0, ""], args.join(" "))
        assert.match(err, /^(?:There are no|No) /, args.join(" "))
      }
    })
  )

  // The harness of all tests checks every document that a command prints.
  it.effect("match their schemas", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const ok = [
        ["config", "show"],
        ["config", "check"],
        ["profiles"],
        ["profiles", "show", "sample"],
        ["completions", "bash"],
        ["version"],
        ["cost"],
        ["init"],
        ["trust"],
        ["trust", "--list"]
      ]
      for (const args of ok) {
        const { code, err } = yield* Paper.run([...args, "--json"], { cwd })
        assert.strictEqual(code, 0, `${args.join(" ")}: ${err}`)
      }
      for (const args of [["local", "status"], ["info", "nobody"], ["query", "nobody", "hello"], ["exec"]]) {
        const { out } = yield* Paper.run([...args, "--json"], { cwd })
        assert.strictEqual(out.split("\n").length, 2, args.join(" "))
      }
    })
  )
})
